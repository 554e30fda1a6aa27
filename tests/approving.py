"""Access requests that wait for people, those people and their votes, as tests need them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from fleeting.core.access_requests import ApprovalTerms, Offer, RequestRecord, Vote
from fleeting.core.approvals import Situation
from fleeting.core.lifecycle import Status
from fleeting.core.limits import parse_approval
from fleeting.core.model import (
    AccessRequest,
    AskedBy,
    Client,
    Operation,
    Resource,
    Subject,
    SubjectKind,
)
from fleeting.core.operations import declare_type
from fleeting.core.people import Person

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
REFUND_TYPE = declare_type(
    "payment_refund",
    {
        "description": "Refund one payment",
        "actions": ["refund", "void"],
        "fields": {
            "payment_id": {"kind": "exact", "type": "string"},
            "amount": {"kind": "at_most", "type": "integer", "unit": "cent"},
            "currency": {"kind": "one_of", "type": "string"},
            "note": {"kind": "text", "optional": True},
        },
    },
)
TYPES = {"payment_refund": REFUND_TYPE}


def minutes(number: float) -> timedelta:
    """Return so many minutes."""
    return timedelta(minutes=number)


def refund(amount: int = 50_000, *actions: str, **fields: Any) -> Operation:
    """Return an operation that people decide."""
    said = {"payment_id": "42", "amount": amount, "currency": ("EUR", "USD"), "note": "for Bob"}
    return Operation("payment_refund", actions or ("refund",), {**said, **fields})


def offer(amount: int = 50_000, **changes: Any) -> Offer:
    """Return an offer of one refund."""
    return replace(Offer((refund(amount),), minutes(5), 1), **changes)


def pending(approval: str = "2 of leads", **changes: Any) -> RequestRecord:
    """Return a request of support-bot for alice that waits for people since a minute ago."""
    request = AccessRequest(
        id="request-1",
        txn="txn-1",
        asked_by=AskedBy.TOKEN_EXCHANGE,
        subject=Subject(SubjectKind.USER, "alice", frozenset({"support"}), issuer="https://idp"),
        actors=(),
        client=Client("support-bot", frozenset()),
        resource=Resource("https://payments", frozenset({"payment_refund"})),
        operations=(refund(),),
        context={"ticket": "INC-7"},
        key=None,
    )
    record = RequestRecord(
        request=request,
        fingerprint="f",
        status=Status.PENDING,
        asked=offer(),
        offer=offer(),
        terms=ApprovalTerms(parse_approval(approval), ("large-refunds",), ("people look at it",)),
        asked_at=NOW - minutes(1),
        expires_at=NOW + minutes(14),
        policy_digest="d",
        behind=frozenset({"alice"}),
        revision=1,
    )
    return replace(record, **changes)


def person(id_: str, *groups: str, **changes: Any) -> Person:
    """Return somebody who logged in five minutes ago."""
    who = Person(id_, id_.title(), frozenset(groups or {"leads"}), signed_in_at=NOW - minutes(5))
    return replace(who, **changes)


def vote(id_: str, group: str = "leads", stage: int = 0, **changes: Any) -> Vote:
    """Return somebody's yes to all that was asked."""
    given = Vote(id_, id_.title(), NOW, stage, group, offer(), NOW - minutes(5))
    return replace(given, **changes)


def situation(*people: Person, **changes: Any) -> Situation:
    """Return what votes are counted against when only *people* are known."""
    return replace(Situation({id_: it for it in people for id_ in it.ids}, TYPES, NOW), **changes)
