"""Collect what people approved: whose it is, whether its time has come, and what a token may be."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from fleeting.core.access_requests import (
    ApprovalTerms,
    Minted,
    Offer,
    Plan,
    RequestRecord,
    Review,
)
from fleeting.core.approvals import met
from fleeting.core.asking import WITH_APPROVAL, Permits, approval_terms, chosen, fingerprint
from fleeting.core.ceremony import BreakGlassTerms
from fleeting.core.durations import format_duration
from fleeting.core.errors import AccessDenied, ExpiredToken, InvalidGrant
from fleeting.core.evidence import Entry, EntryKind
from fleeting.core.issuance import Grantable, grantable, refusal
from fleeting.core.lifecycle import Event, Status, after
from fleeting.core.limits import describe_approvals
from fleeting.core.model import (
    AccessRequest,
    AccessToken,
    AskedBy,
    Decision,
    Json,
    Operation,
    SenderKey,
    Verdict,
)
from fleeting.core.offers import beyond
from fleeting.core.operation_types import OperationType
from fleeting.core.plans import beyond_plan, check_permitted, spent_with
from fleeting.core.recording import decision_json, request_json
from fleeting.core.request_text import offer_json

NOT_YOURS = "no access request of this client has that id"
"""The same for an id that nobody has: ids of others are not to be found out."""

Types = Mapping[str, OperationType]


# Whose it is.


def check_owner(
    record: RequestRecord | None, client_id: str, key: SenderKey | None
) -> RequestRecord:
    """Return *record* if it is that client's and that key's own (ATTACKS 5, 28).

    Raises:
        InvalidGrant: there is none, or it is another client's, or was asked with another key.
    """
    if record is None or record.request.client.client_id != client_id:
        raise InvalidGrant(NOT_YOURS)
    if record.request.asked_by is AskedBy.EVALUATION:  # permits decisions, and is worth no token
        raise InvalidGrant(NOT_YOURS)
    if record.request.key != key:
        raise InvalidGrant("it was asked with another key: prove the one that asked")
    return record


def check_unchanged(
    record: RequestRecord, asking: AccessRequest, plan: Plan | None, types: Types
) -> None:
    """Check that *asking* repeats what was asked; of a plan, its operations may be less.

    This does NOT check that they are, once it is granted: what is beyond a plan asks anew.

    Raises:
        InvalidGrant: it is another request.
    """
    repeated = asking
    if record.asked.plan is not None:
        within = replace(record.asked, operations=asking.operations)
        if record.status is Status.PENDING and beyond(record.asked, within, types):
            raise InvalidGrant("this is beyond the plan that was asked for")
        repeated = replace(asking, operations=record.request.operations)
        plan = plan or record.asked.plan
    if fingerprint(repeated, plan) != record.fingerprint:
        raise InvalidGrant("this is another request than the one that was asked")


# Whether its time has come.


def is_waiting(record: RequestRecord) -> bool:
    """Say whether people are still to decide *record*; where it is over, why.

    This does NOT check its time: what has lapsed must be recorded as such first.

    Raises:
        AccessDenied, ExpiredToken, InvalidGrant: nothing (more) will come of it.
    """
    if record.status is Status.PENDING:
        return True
    if record.status is Status.DENIED:
        raise AccessDenied(record.reason or "it was denied")
    if record.status is Status.CANCELLED:
        raise AccessDenied(record.reason or "it was taken back")
    if record.status is Status.EXPIRED:
        raise ExpiredToken("nobody decided or collected this in time: ask again")
    if record.status not in (Status.APPROVED, Status.GRANTED):
        told = f": {record.reason}" if record.reason else ""
        raise InvalidGrant(f"what was granted is {record.status.value}{told}")
    if record.status is Status.GRANTED and not _has_more(record):
        raise InvalidGrant("its token was collected already: ask again for another")
    return False


def _has_more(record: RequestRecord) -> bool:
    """Say whether a granted request has tokens to give: a plan, or one that was extended since."""
    return record.offer.plan is not None or record.calls <= record.extensions


# What a token may be.


def collected_operations(
    record: RequestRecord, asking: AccessRequest, types: Types
) -> tuple[Operation, ...] | None:
    """Return the operations of the next token of *record*; None: *asking* is beyond the plan."""
    if record.offer.plan is None:
        return record.offer.operations
    within = replace(record.offer, operations=asking.operations)
    return None if beyond(record.offer, within, types) else asking.operations


def collectable(
    record: RequestRecord,
    request: AccessRequest,
    decision: Decision,
    permits: Permits,
    types: Types,
    now: datetime,
) -> Grantable:
    """Return what the next token of *record* may be: agreed ∩ asked ∩ permitted now.

    request: as it is asked now, within the offer; decision: what policy says of it now.

    Raises:
        AccessDenied and its kind: policy permits it no longer, or asks for more people by now.
    """
    granted = grantable(request, decision, accepting=WITH_APPROVAL)
    if granted.refused:  # all of it was agreed, or none
        raise refusal(granted.refused)
    terms = approval_terms(granted, decision, permits)
    votes = [vote for vote in record.votes if not beyond(vote.offer, record.offer, types)]
    if not met(terms.stages, votes, terms.escalation):
        raise AccessDenied("policy asks for other approvals by now: ask again")
    offer, limits = record.offer, granted.limits
    if offer.plan is not None:
        _check_plan(offer.plan, decision, permits)
    uses = [each for each in (offer.uses, limits.uses) if each is not None]
    lifetimes = (offer.lifetime, limits.lifetime, *_time_left(record, now))
    agreed = replace(limits, lifetime=min(lifetimes), uses=min(uses, default=None))
    return replace(granted, limits=agreed)


def _check_plan(plan: Plan, decision: Decision, permits: Permits) -> None:
    """Check that policy still allows the plan; what needs nobody by itself needs no plan either.

    Raises:
        AccessDenied: it allows none by now, or a smaller one.
    """
    by_people = [it for it in decision.answers if it.verdict is not Verdict.PERMITTED]
    of_people = chosen(replace(decision, answers=tuple(by_people)), permits)
    check_permitted(plan, [permit.terms.plan for permit in of_people])


def _time_left(record: RequestRecord, now: datetime) -> Sequence[timedelta]:
    """Return how long a token may live at most: to the end of the grant."""
    plan = record.offer.plan
    end = record.not_after if plan is None else _plan_end(record, plan, now)
    return () if end is None else (end - _whole_second(now),)


def _plan_end(record: RequestRecord, plan: Plan, now: datetime) -> datetime:
    return record.not_after or _whole_second(now + plan.duration)


def _whole_second(at: datetime) -> datetime:
    return at.replace(microsecond=0)  # tokens know no less


def excess_of(
    record: RequestRecord, operations: Sequence[Operation], uses: int | None, now: datetime
) -> str | None:
    """Return what one more token would have beyond the plan: in words, or None."""
    return None if record.offer.plan is None else beyond_plan(record, operations, uses, now)


# What becomes of the record.


def collected(record: RequestRecord, token: AccessToken, now: datetime) -> RequestRecord:
    """Return *record* once *token* is issued from it."""
    first = record.status is Status.APPROVED
    alive = tuple(each for each in record.minted if each.expires_at > now)
    return replace(
        record,
        status=after(record.status, Event.COLLECT) if first else record.status,
        granted_at=now if first else record.granted_at,
        not_after=_end_with(record, token, now),
        minted=(*alive, _minted(token)),
        calls=record.calls + 1,
        spent=spent_with(record, token.operations, token.uses),
    )


def _end_with(record: RequestRecord, token: AccessToken, now: datetime) -> datetime:
    plan = record.offer.plan
    if plan is not None:
        return _plan_end(record, plan, now)
    ends = [token.expires_at, *(each.expires_at for each in record.minted)]
    if record.not_after is not None and record.calls < record.extensions:
        ends.append(record.not_after)  # there is another one to collect
    return max(ends)


def _minted(token: AccessToken) -> Minted:
    return Minted(token.jti, token.txn, token.expires_at)


def broken_glass(
    request: AccessRequest,
    decision: Decision,
    permits: Permits,
    terms: BreakGlassTerms,
    token: AccessToken,
    *,
    behind: frozenset[str],
    now: datetime,
) -> RequestRecord:
    """Return the record of *request*, which was let through at once, for a review afterwards."""
    offer = Offer(token.operations, token.expires_at - token.issued_at, token.uses)
    permitted = chosen(decision, permits)
    ids = dict.fromkeys(
        it.paths[0].policy for it in decision.answers if it.verdict is Verdict.PERMITTED
    )
    return RequestRecord(
        request=request,
        fingerprint=fingerprint(request, None),
        status=after(Status.REQUESTED, Event.BREAK_GLASS),
        asked=offer,
        offer=offer,
        terms=ApprovalTerms(
            (), tuple(ids), tuple(dict.fromkeys(it.reason for it in permitted if it.reason))
        ),
        asked_at=now,
        expires_at=token.expires_at,
        policy_digest=decision.policy_digest,
        behind=behind,
        granted_at=now,
        not_after=token.expires_at,
        minted=(_minted(token),),
        calls=1,
        break_glass=request.break_glass,
        review=Review(terms.group, now + terms.review_in),
    )


# What the ledger keeps.


def pending_entries(record: RequestRecord, decision: Decision) -> tuple[Entry, ...]:
    """Record that a request waits for people; a plan that needs nobody's yes has it at once."""
    pending = _pending_entry(record, decision)
    if record.status is Status.PENDING:
        return (pending,)
    return pending, _approved_by_policy_entry(record)


def _pending_entry(record: RequestRecord, decision: Decision) -> Entry:
    terms = record.terms
    body: dict[str, Json] = {
        **request_json(record.request),
        **decision_json(decision),
        "offer": offer_json(record.offer),
        "approval": describe_approvals(terms.stages),
        "policies": [*terms.policies],
        "expires_at": record.expires_at.isoformat(),
    }
    if terms.escalation is not None:
        wait = format_duration(terms.escalation.after)
        body["escalation"] = f"after {wait} to {terms.escalation.group}"
    return _entry(EntryKind.REQUEST_PENDING, record, record.asked_at, body)


def _approved_by_policy_entry(record: RequestRecord) -> Entry:
    body: dict[str, Json] = {
        "votes": [],
        "offer": offer_json(record.offer),
        "collect_by": record.expires_at.isoformat(),
    }
    return _entry(EntryKind.REQUEST_APPROVED, record, record.asked_at, body)


def review_entries(record: RequestRecord) -> tuple[Entry, ...]:
    """Record that what went ahead at once is to be looked at, by whom and until when."""
    review = record.review
    if review is None:
        return ()
    body: dict[str, Json] = {
        "group": review.group,
        "due_at": review.due_at.isoformat(),
        "break_glass": record.break_glass,
    }
    return (_entry(EntryKind.REVIEW_OPENED, record, record.asked_at, body),)


def collection_json(record: RequestRecord) -> dict[str, Json]:
    """Return what a token's entry says of the approval that it comes of."""
    votes: list[Json] = [
        {"by": vote.person, "group": vote.group, "instead_of": vote.instead_of}
        for vote in record.votes
    ]
    return {
        "approval": {"votes": votes, "offer": offer_json(record.offer), "call": record.calls + 1}
    }


def _entry(kind: EntryKind, record: RequestRecord, at: datetime, body: Mapping[str, Json]) -> Entry:
    return Entry(kind, at, record.id, body, record.request.txn)
