"""Tell from the ledger what people did about one access request, and how it ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fleeting.core.evidence import ChainedEntry, EntryKind

_STATES: Mapping[EntryKind, str] = {
    EntryKind.REQUEST_PENDING: "waiting",
    EntryKind.REQUEST_APPROVED: "approved",
    EntryKind.REQUEST_DENIED: "denied",
    EntryKind.REQUEST_EXPIRED: "expired",
    EntryKind.REQUEST_CANCELLED: "cancelled",
    EntryKind.TOKEN_ISSUED: "granted",
    EntryKind.REQUEST_RETURNED: "returned",
    EntryKind.REQUEST_REVOKED: "revoked",
    EntryKind.REQUEST_ENDED: "granted, and over",
}


@dataclass(frozen=True, slots=True)
class ToldVote:
    """One yes, as it was given."""

    at: datetime
    by: str
    name: str
    group: str
    instead_of: str | None
    comment: str


@dataclass(frozen=True, slots=True)
class ToldReview:
    """What must be looked at after break-glass; closed_by: None while it is open."""

    reason: str
    group: str
    due_at: datetime
    closed_by: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class ToldDeciding:
    """How people decided. outcome: where it stands; by, because: who ended it so, and why.

    approval: whom policy asked for; None where it asked nobody (break-glass). narrowed: by people.
    """

    outcome: str
    approval: str | None
    policies: tuple[str, ...]
    expires_at: datetime | None
    votes: tuple[ToldVote, ...]
    narrowed: tuple[str, ...]
    by: str | None
    because: str
    review: ToldReview | None


def told_deciding(events: Sequence[ChainedEntry], id_: str) -> ToldDeciding | None:
    """Return what people did about the request *id_*; None: they had nothing to do with it.

    events: in their order, of this request and of others of its transaction.

    Raises:
        LookupError, TypeError, AttributeError, ValueError: an entry cannot be understood.
    """
    own = [it.entry for it in events if it.entry.request_id == id_]
    asked = next((it.body for it in own if it.kind is EntryKind.REQUEST_PENDING), None)
    review = _review({it.kind: it.body for it in own})
    steps = [it for it in own if it.kind in _STATES]
    if (asked is None and review is None) or not steps:
        return None
    last = steps[-1]
    pending: Mapping[str, Any] = asked or {}
    bodies = [(it.at, it.kind, it.body) for it in own]
    return ToldDeciding(
        outcome=_STATES[last.kind],
        approval=pending.get("approval"),
        policies=tuple(pending.get("policies", ())),
        expires_at=datetime.fromisoformat(pending["expires_at"]) if asked else None,
        votes=_votes(bodies),
        narrowed=tuple(
            f"{body['by']}: {words}"
            for _, kind, body in bodies
            if kind is EntryKind.REQUEST_NARROWED
            for words in _texts(body["words"])
        ),
        by=_name(last.body),
        because=str(last.body.get("reason") or ""),
        review=review,
    )


def _votes(bodies: Sequence[tuple[datetime, EntryKind, Mapping[str, Any]]]) -> tuple[ToldVote, ...]:
    """Return the votes that were not taken back."""
    votes: list[ToldVote] = []
    for at, kind, body in bodies:
        if kind is not EntryKind.REQUEST_VOTED:
            continue
        if "withdrawn" in body:
            votes = [it for it in votes if it.by not in body["withdrawn"]]
        else:
            away, said = body.get("instead_of"), body.get("comment") or ""
            votes.append(ToldVote(at, body["by"], body["name"], body["group"], away, said))
    return tuple(votes)


def _review(bodies: Mapping[EntryKind, Mapping[str, Any]]) -> ToldReview | None:
    opened, closed = bodies.get(EntryKind.REVIEW_OPENED), bodies.get(EntryKind.REVIEW_CLOSED)
    if opened is None:
        return None
    due_at = datetime.fromisoformat(opened["due_at"])
    by, note = (None, "") if closed is None else (closed["by"], closed["note"])
    return ToldReview(opened["break_glass"], opened["group"], due_at, by, note)


def _name(body: Mapping[str, Any]) -> str | None:
    by, name = body.get("by"), body.get("name")
    if by is None or name in (None, by):
        return by
    return f"{name} ({by})"


def _texts(words: object) -> Sequence[str]:
    return [str(each) for each in words] if isinstance(words, list) else []
