"""What a person sees of an access request: one JSON value for API, pages and command line.

What was validated and what policy says stands apart from what the caller merely says: the latter
is all under ``caller_says``, and texts of an operation are marked as the caller's.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from fleeting.core.access_requests import Offer, RequestRecord, Review, Submitted, Vote
from fleeting.core.approvals import NoSeat, Seat, Standing, behind, offer_digest
from fleeting.core.durations import format_duration
from fleeting.core.evidence import ChainedEntry
from fleeting.core.issuance import details_json, scope_text
from fleeting.core.lifecycle import Status
from fleeting.core.limits import describe_approvals
from fleeting.core.model import SCOPE_TYPE, Client, Json, Operation
from fleeting.core.offers import Types, difference_words, offer_words, operation_words
from fleeting.core.operation_types import FieldKind, OperationType
from fleeting.core.operations import contains, describe_field
from fleeting.core.people import ConsoleAction, Person
from fleeting.core.plans import plan_json
from fleeting.core.recording import request_json
from fleeting.core.request_words import WORDS, request_words

Members = dict[str, Json]


@dataclass(frozen=True, slots=True)
class PolicyWords:
    """What a policy says of itself: ``@reason`` and ``@description``."""

    reason: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Like:
    """An earlier request of the same client and subject for the same types."""

    id: str
    at: datetime
    status: Status


@dataclass(frozen=True, slots=True)
class Seen:
    """All that is known beside the record, for one viewer at one instant.

    people: by every id. seat: as what the viewer may vote, or why not. may: what else they may.
    policies: those that ask, as they are now; like: newest first. story: from the ledger.
    client: as it is declared now, with who answers for it. guard: of the resource it is about.
    """

    types: Types
    now: datetime
    standing: Standing
    people: Mapping[str, Person]
    seat: Seat | NoSeat
    may: Sequence[ConsoleAction] = ()
    policies: Mapping[str, PolicyWords] = field(default_factory=dict)
    like: Sequence[Like] = ()
    story: Sequence[ChainedEntry] = ()
    client: Client | None = None
    guard: str | None = None


MOST_LIKE = 5


def brief_json(record: RequestRecord, seen: Seen) -> Members:
    """Return what a list shows of *record*."""
    request, current = record.request, seen.standing.current
    stage = None if current is None else seen.standing.stages[current]
    return {
        "id": record.id,
        "status": record.status.value,
        "words": _operations_words(record.offer, seen.types),
        "subject": _subject_json(record, seen),
        "client": request.client.client_id,
        "resource": request.resource.identifier,
        "asked_at": record.asked_at.isoformat(),
        "expires_at": record.expires_at.isoformat(),
        "not_after": _written(record.not_after),
        "approval": describe_approvals(record.terms.stages),
        "waits_for": None
        if stage is None or record.status is not Status.PENDING
        else {"group": stage.stage.group, "missing": stage.missing},
        "missing": sum(each.missing for each in seen.standing.stages),
        "narrowed": record.offer != record.asked,
        "extends": record.extends,
        "plan": None if record.offer.plan is None else plan_json(record.offer.plan),
        "caller_says": {"break_glass": record.break_glass},
        "reason": record.reason,
        "review": _review_json(record.review, seen),
        "offer": {"digest": offer_digest(record)},
        "you": _seat(seen),
    }


def full_json(record: RequestRecord, seen: Seen) -> Members:
    """Return all that a person who may see *record* sees of it."""
    return {
        **brief_json(record, seen),
        **_what(record, seen),
        **_who(record, seen),
        **_deciding(record, seen),
        **_since(record, seen),
        "you": {**_seat(seen), "may": [action.value for action in seen.may]},
    }


def _what(record: RequestRecord, seen: Seen) -> Members:
    """Return what is asked and offered, and what the caller says of it."""
    request = record.request
    told = request_json(request)
    return {
        "operations": [*_operations(record, seen.types)],
        "left_out": [*_left_out(record, seen.types)],
        "offer": _offer_json(record, record.offer, seen.types),
        "asked": _offer_json(record, record.asked, seen.types),
        "less_than_asked": [*difference_words(record.asked, record.offer, seen.types)],
        "reaches": {"resource": request.resource.identifier, "guard": seen.guard},
        "key": told["cnf"],
        "asked_by": request.asked_by.value,
        "comes_of_it": "a token" if record.submitted is None else "a decision, and no token",
        "question": None if record.submitted is None else _question(record.submitted),
        "caller_says": {
            **({} if record.submitted is None else record.submitted.says),
            "context": told["context"],
            "break_glass": record.break_glass,
            "texts": [*_texts(record.offer, seen.types)],
        },
    }


def _question(submitted: Submitted) -> Members:
    """Return what an enforcement point was denied, as it wrote it."""
    return {
        "evaluation_id": submitted.evaluation_id,
        "resource": dict(submitted.resource),
        "action": dict(submitted.action),
    }


def _who(record: RequestRecord, seen: Seen) -> Members:
    """Return who stands behind it; the subject is in the brief already."""
    client = seen.client or record.request.client
    return {
        "client_groups": [*sorted(client.groups)],
        "chain": [
            {"sub": actor.sub, "iss": actor.iss, "client_id": actor.client_id}
            for actor in record.request.actors
        ],
        "answers_for_client": {
            "owner": [*sorted(client.owner)],
            "sponsor": [*sorted(client.sponsor)],
            "manager": [*sorted(client.manager)],
        },
        "behind": [_person_json(id_, seen) for id_ in sorted(behind(record))],
    }


def _deciding(record: RequestRecord, seen: Seen) -> Members:
    """Return who is to decide and why, what they said, and what became of requests like it."""
    return {
        "policies": [*_policies(record, seen)],
        "policy_digest": record.policy_digest,
        "stages": [*_stages(record, seen)],
        "idle_votes": [
            {**_vote(it.vote, record, seen), "why": it.why} for it in seen.standing.idle
        ],
        "escalation": _escalation(record, seen),
        "remarks": [
            {
                "kind": it.kind.value,
                "by": _person_json(it.by, seen),
                "at": it.at.isoformat(),
                "text": it.text,
            }
            for it in record.remarks
        ],
        "history": _history(seen.like),
    }


def _since(record: RequestRecord, seen: Seen) -> Members:
    """Return what came of it."""
    return {
        "granted_at": _written(record.granted_at),
        "tokens": [
            {
                "jti": it.jti,
                "expires_at": it.expires_at.isoformat(),
                "live": it.expires_at > seen.now,
            }
            for it in record.minted
        ],
        "calls": record.calls,
        "spent": {name: str(value) for name, value in record.spent.items()},
        "ended_by": None if record.ended_by is None else _person_json(record.ended_by, seen),
        "timeline": [*_timeline(seen.story)],
    }


# What is asked, and what is offered.


def _operations_words(offer: Offer, types: Types) -> list[Json]:
    return [operation_words(operation, types) for operation in offer.operations]


def _operations(record: RequestRecord, types: Types) -> Iterator[Members]:
    for operation in record.offer.operations:
        type_ = types.get(operation.type)
        before = _asked_as(operation, record.asked, type_)
        yield {
            "type": operation.type,
            "words": operation_words(operation, types),
            "asked": None
            if before is None or before == operation
            else operation_words(before, types),
            "description": "" if type_ is None else type_.description,
            "sensitive": type_ is not None and type_.sensitive,
            "actions": [*operation.actions],
            "fields": [] if type_ is None else [*_fields(operation, before, type_)],
        }


def _asked_as(operation: Operation, asked: Offer, type_: OperationType | None) -> Operation | None:
    """Return the operation that was asked and that this is, or is what is left of."""
    if operation.type == SCOPE_TYPE or type_ is None:
        return next((it for it in asked.operations if it.type == operation.type), None)
    return next((it for it in asked.operations if contains(it, operation, type_)), None)


def _fields(
    operation: Operation, before: Operation | None, type_: OperationType
) -> Iterator[Members]:
    written = operation.to_json()
    for name, declared in type_.fields.items():
        if name not in operation.fields:
            continue
        value = operation.fields[name]
        was = None if before is None else before.fields.get(name)
        yield {
            "name": name,
            "kind": declared.kind.value,
            "description": declared.description,
            "unit": declared.unit,
            "value": written[name],
            "words": describe_field(declared, value),
            "was": None if was in (None, value) else describe_field(declared, was),
            "caller_says": declared.kind is FieldKind.TEXT,
        }


def _texts(offer: Offer, types: Types) -> Iterator[Members]:
    """Yield what the caller wrote into the operations, which bounds nothing."""
    for operation in offer.operations:
        type_ = types.get(operation.type)
        for name, declared in () if type_ is None else type_.fields.items():
            if declared.kind is FieldKind.TEXT and name in operation.fields:
                yield {"type": operation.type, "name": name, "text": operation.to_json()[name]}


def _left_out(record: RequestRecord, types: Types) -> Iterator[str]:
    """Yield what was asked of which nothing is left in the offer."""
    kept = [_asked_as(it, record.asked, types.get(it.type)) for it in record.offer.operations]
    for operation in record.asked.operations:
        if operation not in kept:
            yield operation_words(operation, types)


def _offer_json(record: RequestRecord, offer: Offer, types: Types) -> Members:
    body: Members = {
        "authorization_details": details_json(offer.operations),
        "scope": scope_text(offer.operations) or None,
        "lifetime": format_duration(offer.lifetime),
        "uses": offer.uses,
        "plan": None if offer.plan is None else plan_json(offer.plan),
        "words": [*offer_words(offer, types)],
    }
    return body | ({"digest": offer_digest(record)} if offer is record.offer else {})


# Who.


def _person_json(id_: str, seen: Seen) -> Members:
    person = seen.people.get(id_)
    return {"id": id_, "name": None if person is None else person.name}


def _subject_json(record: RequestRecord, seen: Seen) -> Json:
    told = cast("Members", request_json(record.request)["subject"])
    return {**told, "name": _person_json(record.request.subject.id, seen)["name"]}


def _policies(record: RequestRecord, seen: Seen) -> Iterator[Members]:
    for id_ in record.terms.policies:
        words = seen.policies.get(id_)
        yield {
            "id": id_,
            "reason": "" if words is None else words.reason,
            "description": "" if words is None else words.description,
            "in_force": words is not None,
        }


# How it stands with the voters.


def _stages(record: RequestRecord, seen: Seen) -> Iterator[Members]:
    for place, each in enumerate(seen.standing.stages):
        yield {
            "group": each.stage.group,
            "count": each.stage.count,
            "missing": each.missing,
            "current": place == seen.standing.current,
            "votes": [_vote(vote, record, seen) for vote in each.votes],
        }


def _vote(vote: Vote, record: RequestRecord, seen: Seen) -> Members:
    away = vote.instead_of
    return {
        "by": {"id": vote.person, "name": vote.name},
        "at": vote.at.isoformat(),
        "group": vote.group,
        "instead_of": None if away is None else _person_json(away, seen),
        "comment": vote.comment,
        "for_more": vote.offer != record.offer,
    }


def _escalation(record: RequestRecord, seen: Seen) -> Json:
    escalation = record.terms.escalation
    if escalation is None:
        return None
    at = record.asked_at + escalation.after
    return {"group": escalation.group, "at": at.isoformat(), "due": seen.now >= at}


def _seat(seen: Seen) -> Members:
    seat = seen.seat
    if isinstance(seat, NoSeat):
        return {"vote": None, "why_not": seat.why, "log_in_again": seat.stale}
    away = seat.instead_of
    vote: Members = {
        "stage": seat.stage,
        "group": seat.group,
        "instead_of": None if away is None else _person_json(away, seen),
    }
    return {"vote": vote, "why_not": None, "log_in_again": False}


def _review_json(review: Review | None, seen: Seen) -> Json:
    if review is None:
        return None
    open_ = review.closed_by is None
    return {
        "group": review.group,
        "due_at": review.due_at.isoformat(),
        "open": open_,
        "overdue": open_ and seen.now > review.due_at,
        "closed_by": None if review.closed_by is None else _person_json(review.closed_by, seen),
        "closed_at": _written(review.closed_at),
        "note": review.note,
    }


# What came before.


def _history(like: Sequence[Like]) -> Members:
    outcomes = Counter(each.status.value for each in like)
    recent: list[Json] = [
        {"id": each.id, "at": each.at.isoformat(), "status": each.status.value}
        for each in like[:MOST_LIKE]
    ]
    return {"count": len(like), "outcomes": {**outcomes}, "recent": recent}


def _timeline(story: Sequence[ChainedEntry]) -> Iterator[Members]:
    for chained in story:
        entry = chained.entry
        if entry.kind in WORDS:
            yield {
                "at": entry.at.isoformat(),
                "kind": entry.kind.value,
                "words": request_words(entry),
            }


def _written(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
