"""Make a grant longer before it ends: a request of its own, which changes the grant it is for."""

from dataclasses import replace
from datetime import datetime, timedelta

from fleeting.core.access_requests import Offer, RequestRecord
from fleeting.core.ceremony import DEFAULT_WAIT
from fleeting.core.durations import format_duration
from fleeting.core.errors import InvalidRequest, RequestChanged
from fleeting.core.evidence import Entry, EntryKind
from fleeting.core.lifecycle import Event, Status, after
from fleeting.core.limits import describe_approvals
from fleeting.core.model import Json
from fleeting.core.offers import Types, offer_words
from fleeting.core.recording import request_json
from fleeting.core.request_deeds import Deed, lapsed
from fleeting.core.request_text import offer_json


def extension(
    grant: RequestRecord, id_: str, txn: str, duration: timedelta, now: datetime
) -> RequestRecord:
    """Return the request to make *grant* longer by *duration*, to be decided by the same people.

    Raises:
        RequestChanged: there is nothing to make longer.
        InvalidRequest: it would be longer than what was granted.
    """
    status = _status(grant, now)
    if status is not Status.GRANTED:
        raise RequestChanged(f"this request is {status.value}: only a grant can be extended")
    if not grant.terms.stages:
        raise RequestChanged("nobody had to approve this: ask again instead")
    return RequestRecord(
        request=replace(grant.request, id=id_, txn=txn),
        fingerprint=grant.fingerprint,
        status=after(Status.REQUESTED, Event.WAIT),
        asked=_longer(grant.offer, duration),
        offer=_longer(grant.offer, duration),
        terms=grant.terms,
        asked_at=now,
        expires_at=now + DEFAULT_WAIT,
        policy_digest=grant.policy_digest,
        behind=grant.behind,
        calls=grant.calls,  # so that who decides sees what is used up: only time is added
        spent=grant.spent,
        extends=grant.id,
    )


def _status(grant: RequestRecord, now: datetime) -> Status:
    """Return where *grant* is, even if nobody has recorded yet what time did to it."""
    over = lapsed(grant, now)
    return grant.status if over is None else over.record.status


def _longer(offer: Offer, duration: timedelta) -> Offer:
    """Return what is asked: as long a plan, or one more token that lives so long."""
    longest = offer.lifetime if offer.plan is None else offer.plan.duration
    if not timedelta(0) < duration <= longest:
        raise InvalidRequest(f"it can be extended by up to {format_duration(longest)} at a time")
    if offer.plan is None:
        return replace(offer, lifetime=duration)
    return replace(offer, plan=replace(offer.plan, duration=duration))


def extension_entry(record: RequestRecord, by: str, types: Types) -> Entry:
    """Record that *record* was asked, and that it waits for people."""
    body: dict[str, Json] = {
        "by": by,
        **request_json(record.request),
        "offer": offer_json(record.offer),
        "words": [*offer_words(record.offer, types, decides=record.submitted is not None)],
        "approval": describe_approvals(record.terms.stages),
        "policies": [*record.terms.policies],
        "expires_at": record.expires_at.isoformat(),
        "extends": record.extends,
    }
    at, txn = record.asked_at, record.request.txn
    return Entry(EntryKind.REQUEST_PENDING, at, record.id, body, txn)


def extended(approved: Deed, grant: RequestRecord, now: datetime) -> Deed:
    """Return *approved*, the deed that approves an extension, with what it makes of *grant*.

    The grant goes on under its own id, for what was approved now: never more than it was for.

    Raises:
        RequestChanged: the grant is over.
    """
    record = approved.record
    status = _status(grant, now)
    if status is not Status.GRANTED:
        raise RequestChanged(f"what this would make longer is {status.value}")
    longer = replace(
        grant,
        offer=_offer_after(grant.offer, record.offer),
        not_after=_end_after(grant, record, now),
        extensions=grant.extensions + (grant.offer.plan is None),
        votes=(*grant.votes, *record.votes),
    )
    ended = after(after(record.status, Event.COLLECT), Event.END)
    body: dict[str, Json] = {
        "extension": record.id,
        "not_after": longer.not_after.isoformat() if longer.not_after else None,
        "votes": [{"by": vote.person, "name": vote.name} for vote in record.votes],
    }
    entry = Entry(EntryKind.REQUEST_EXTENDED, now, grant.id, body, grant.request.txn)
    return replace(
        approved,
        record=replace(record, status=ended, granted_at=now, not_after=longer.not_after),
        entries=(*approved.entries, entry),
        also=(longer,),
    )


def _offer_after(granted: Offer, approved: Offer) -> Offer:
    if granted.plan is None or approved.plan is None:
        return approved
    return replace(approved, plan=replace(approved.plan, duration=granted.plan.duration))


def _end_after(grant: RequestRecord, record: RequestRecord, now: datetime) -> datetime:
    """Return when the grant ends: later by what was asked, so that one goes on from the other."""
    offer = record.offer
    duration = offer.lifetime if offer.plan is None else offer.plan.duration
    return (grant.not_after or now) + duration
