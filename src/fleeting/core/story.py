"""Tell one access request's whole story from the ledger entries that belong to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias, cast

from fleeting.core.durations import format_duration, parse_duration
from fleeting.core.evidence import ChainedEntry, Entry, EntryKind
from fleeting.core.limits import is_at_least, parse_approval
from fleeting.core.model import Json, SenderConstraint, Verdict
from fleeting.core.people_story import ToldDeciding, told_deciding

Members: TypeAlias = Mapping[str, Json]

_REQUESTS = (
    EntryKind.TOKEN_ISSUED,
    EntryKind.REQUEST_PENDING,
    EntryKind.REQUEST_REFUSED,
    EntryKind.ACCESS_EVALUATED,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked what, as far as it was understood before the answer.

    actors: the delegation chain, current actor first. key: the confirmation claim.
    written: the caller's own parameters, unchecked, where the rest was not understood.
    asked_as: what an enforcement point called its request.
    """

    at: datetime
    request_id: str
    txn: str | None
    asked_by: str | None
    client: str | None
    client_groups: tuple[str, ...]
    subject: Members
    actors: tuple[str, ...]
    resource: str | None
    operations: tuple[Members, ...]
    context: Members
    key: Members | None
    written: Members
    asked_as: str | None = None


@dataclass(frozen=True, slots=True)
class ToldPath:
    """One satisfied permit, its limits, and why it was chosen or was not."""

    policy: str
    limits: Members
    chosen: bool
    why: str


@dataclass(frozen=True, slots=True)
class ToldAnswer:
    """What policy said of one action of the operation at place *operation*.

    approved: people said yes to what policy left to them.
    """

    operation: int
    action: str
    verdict: str
    paths: tuple[ToldPath, ...]
    forbids: tuple[str, ...]
    reasons: tuple[str, ...]
    errors: tuple[str, ...]
    approved: bool = False

    @property
    def permitted(self) -> bool:
        """Say whether it is in the token."""
        waited = self.approved and self.verdict == Verdict.NEEDS_APPROVAL
        return waited or self.verdict == Verdict.PERMITTED


@dataclass(frozen=True, slots=True)
class ToldToken:
    """The token that came of it. uses: None is unlimited. bound: none, dpop or mtls."""

    jti: str | None
    issued_at: datetime
    expires_at: datetime
    uses: int | None
    bound: str
    operations: tuple[Members, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """One access request from the first byte to the last use.

    asked: None where the ledger no longer knows. error: why it was refused.
    narrowed: in words, how the token is less than what was asked and permitted.
    permitted: what an enforcement point was told; None where a token was asked for.
    deciding: what people did about it, where they had to do with it.
    events: every entry of the story, oldest first.
    """

    asked: Asked | None
    policy_digest: str | None
    answers: tuple[ToldAnswer, ...]
    token: ToldToken | None
    error: Members | None
    narrowed: tuple[str, ...]
    events: tuple[ChainedEntry, ...]
    permitted: bool | None = None
    deciding: ToldDeciding | None = None

    @property
    def outcome(self) -> str:
        """Return what came of it in one word or two."""
        if self.asked is None:
            return "unknown"
        if self.permitted is not None:
            return "permitted" if self.permitted else "denied"
        if self.deciding is not None and self.deciding.outcome != "granted":
            return self.deciding.outcome
        if self.token is None:
            return "refused"
        return "granted" if all(a.permitted for a in self.answers) else "partly granted"


def tell(entries: Sequence[ChainedEntry], id_: str) -> Story | None:
    """Return the story that *entries* tell about the request that *id_* names; None: no entries.

    Where several requests share a transaction, the one that *id_* is the id of is told, else the
    one that got a token, else the first; the others are events of it.

    Raises:
        ValueError: an entry says what no version up to this one writes.
    """
    if not entries:
        return None
    try:
        return _tell(sorted(entries, key=_age), id_)
    except (AttributeError, KeyError, LookupError, TypeError) as error:
        raise ValueError(f"an entry of this story cannot be understood: {error!r}") from error


def _age(chained: ChainedEntry) -> tuple[datetime, str, int]:
    return chained.entry.at, chained.writer, chained.sequence


def _tell(events: Sequence[ChainedEntry], id_: str) -> Story:
    requests = [chained for chained in events if chained.entry.kind in _REQUESTS]
    if not requests:
        return Story(None, None, (), None, None, (), tuple(events))
    entry = min(requests, key=lambda chained: _relevance(chained, id_)).entry
    body = cast("Mapping[str, Any]", entry.body)
    # What waited for people is told as it was asked, not as they narrowed it.
    first = _first_asked(events, entry.request_id) or entry
    told = cast("Mapping[str, Any]", first.body)
    asked = _asked(chained_at=first.at, request_id=entry.request_id, txn=entry.txn, body=told)
    held = _held(asked.key)
    issued = entry.kind is EntryKind.TOKEN_ISSUED
    approved = "approval" in body and (issued or body.get("permitted") is True)
    answers = tuple(_answer(member, held, approved=approved) for member in told.get("answers", ()))
    token = _token(entry.jti, body["token"]) if issued else None
    return Story(
        asked=asked,
        policy_digest=told.get("policy_digest"),
        answers=answers,
        token=token,
        error=body.get("error"),
        narrowed=() if token is None else _narrowed(answers, token, agreed=approved),
        events=tuple(events),
        permitted=body["permitted"] if entry.kind is EntryKind.ACCESS_EVALUATED else None,
        deciding=told_deciding(events, entry.request_id),
    )


def _first_asked(events: Sequence[ChainedEntry], id_: str) -> Entry | None:
    """Return the entry of what waited for people as it was asked; None: it did not wait."""
    pending = EntryKind.REQUEST_PENDING
    asked = (it.entry for it in events if it.entry.kind is pending)
    return next((entry for entry in asked if entry.request_id == id_), None)


def _relevance(chained: ChainedEntry, id_: str) -> tuple[bool, bool, bool]:
    entry = chained.entry
    pending = entry.kind is EntryKind.REQUEST_PENDING
    return entry.request_id != id_, entry.kind is not EntryKind.TOKEN_ISSUED, not pending


def _asked(
    *, chained_at: datetime, request_id: str, txn: str | None, body: Mapping[str, Any]
) -> Asked:
    return Asked(
        at=chained_at,
        request_id=request_id,
        txn=txn,
        asked_by=body.get("asked_by"),
        client=body.get("client"),
        client_groups=tuple(body.get("client_groups", ())),
        subject=body.get("subject", {}),
        actors=_actors(body.get("act")),
        resource=body.get("resource"),
        operations=tuple(body.get("operations", ())),
        context=body.get("context", {}),
        key=body.get("cnf"),
        written=body.get("written", {}),
        asked_as=body.get("asked_as"),
    )


def _actors(act: Mapping[str, Any] | None) -> tuple[str, ...]:
    chain: list[str] = []
    while act is not None:
        chain.append(act["sub"])
        act = act.get("act")
    return tuple(chain)


def _held(key: Members | None) -> SenderConstraint:
    if not key:
        return SenderConstraint.NONE
    return SenderConstraint.DPOP if "jkt" in key else SenderConstraint.MTLS


def _token(jti: str | None, token: Mapping[str, Any]) -> ToldToken:
    return ToldToken(
        jti=jti,
        issued_at=datetime.fromisoformat(token["issued_at"]),
        expires_at=datetime.fromisoformat(token["expires_at"]),
        uses=token["uses"],
        bound=token["bound"],
        operations=tuple(token["operations"]),
    )


def _answer(answer: Mapping[str, Any], held: SenderConstraint, *, approved: bool) -> ToldAnswer:
    return ToldAnswer(
        operation=answer["operation"],
        action=answer["action"],
        verdict=answer["verdict"],
        paths=told_paths(answer["paths"], held),
        forbids=tuple(answer["forbids"]),
        reasons=tuple(answer["reasons"]),
        errors=tuple(answer["errors"]),
        approved=approved,
    )


def told_paths(paths: Sequence[Mapping[str, Any]], held: SenderConstraint) -> tuple[ToldPath, ...]:
    """Return recorded paths, the chosen one first, each with why it comes before the others.

    held: how the key that asked binds a token.
    """
    if not paths:
        return ()
    chosen, *others = ({k: v for k, v in p.items() if k != "policy"} for p in paths)
    names = [path["policy"] for path in paths]
    differences = [_difference(chosen, other, held) for other in others]
    why = differences[0][0] if differences else "the only permit that is satisfied"
    return (
        ToldPath(names[0], chosen, chosen=True, why=why),
        *(
            ToldPath(name, limits, chosen=False, why=words)
            for name, limits, (_, words) in zip(names[1:], others, differences, strict=True)
        ),
    )


def _difference(
    chosen: Mapping[str, Any], other: Mapping[str, Any], held: SenderConstraint
) -> tuple[str, str]:
    """Return why *chosen* comes before *other*, for either of them (DESIGN D2).

    Least ceremony (key, login, approvals), then the narrower (lifetime, uses), then by name.
    """
    least, narrower = "least ceremony", "the narrower one"
    if _lacks(held, other) and not _lacks(held, chosen):
        return least, f"needs a token bound with {other['bound']}"
    if _login(other) and not _login(chosen):
        return least, "needs a stronger or fresher login"
    if _approvals(other) > _approvals(chosen):
        return least, "needs more approvals" if _waits(chosen) else "needs approval"
    if _lifetime(other) > _lifetime(chosen):
        return narrower, f"is wider: lives {other['lifetime']}"
    if _more_uses(other["uses"], chosen["uses"]):
        uses = "unlimited uses" if other["uses"] is None else f"{other['uses']} uses"
        return narrower, f"is wider: {uses}"
    return _alike(chosen, other)


def _alike(chosen: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, str]:
    """Return why *chosen* comes first though *other* asks for no more, and is no wider."""
    if _lifetime(other) < _lifetime(chosen) or _more_uses(chosen["uses"], other["uses"]):
        return "least ceremony", "is for emergencies, and would alarm people"
    return "first by name among equals", "is no narrower, and later by name"


def _lacks(held: SenderConstraint, limits: Mapping[str, Any]) -> bool:
    return not is_at_least(held, SenderConstraint(limits["bound"]))


def _login(limits: Mapping[str, Any]) -> bool:
    return "step_up" in limits or "max_age" in limits


def _approvals(limits: Mapping[str, Any]) -> int:
    return sum(stage.count for stage in parse_approval(limits["approval"])) if _waits(limits) else 0


def _waits(limits: Mapping[str, Any]) -> bool:
    return "approval" in limits


def _lifetime(limits: Mapping[str, Any]) -> timedelta:
    return parse_duration(limits["lifetime"])


def _more_uses(other: int | None, chosen: int | None) -> bool:
    if chosen is None:
        return False
    return other is None or other > chosen


def _narrowed(answers: Sequence[ToldAnswer], token: ToldToken, *, agreed: bool) -> tuple[str, ...]:
    """Return how *token* is less; agreed: people made it what it is, within policy."""
    words = [
        f"{answer.action} of operation {answer.operation + 1} was left out: "
        + ("; ".join(answer.reasons) or answer.verdict)
        for answer in answers
        if not answer.permitted
    ]
    chosen = [answer.paths[0].limits for answer in answers if answer.permitted]
    if any(limits != chosen[0] for limits in chosen):
        words.append("of several chosen paths, the strictest limits hold for the whole token")
    shortest = min(_lifetime(cast("Mapping[str, Any]", limits)) for limits in chosen)
    if token.expires_at - token.issued_at < shortest and not agreed:
        words.append(
            f"it ends with the subject token, not after the {format_duration(shortest)} permitted"
        )
    return tuple(words)
