"""What each deed makes of an access request that people decide, and what it leaves in the ledger.

Pure: the record as it is, who does what, and when; the record as it is then, and its entry.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from fleeting.core.access_requests import Offer, Remark, RemarkKind, RequestRecord, Vote
from fleeting.core.approvals import Standing, counting
from fleeting.core.declaring import UNSAFE
from fleeting.core.errors import InvalidRequest, RequestChanged
from fleeting.core.evidence import Entry, EntryKind
from fleeting.core.lifecycle import Event, LifecycleError, Status, after
from fleeting.core.model import Decision, Json
from fleeting.core.offers import Types, difference_words, offer_words
from fleeting.core.people import Person
from fleeting.core.recording import decision_json
from fleeting.core.request_text import offer_json

LONGEST_SAID = 1_000
"""How much one person may say at once, in characters."""

LONGEST_COLLECTION = timedelta(minutes=15)
"""How long what is approved waits for its collection at most."""

MOST_SAID = 50
"""How many questions a request takes, and how many answers: what is said of it is one row."""

NOBODY = "fleeting"
"""Who ended what nobody ended: time did, or policy."""

WAITING = (Status.PENDING, Status.APPROVED)
ALIVE = (*WAITING, Status.GRANTED)


@dataclass(frozen=True, slots=True)
class Deed:
    """A request after a deed, and its entries.

    ends: no token of it may be used from then on. also: other requests that change with it.
    """

    record: RequestRecord
    entries: tuple[Entry, ...]
    ends: bool = False
    also: tuple[RequestRecord, ...] = ()


def happenings(deed: Deed) -> tuple[str, ...]:
    """Return what happens to requests by *deed*, each in a word, such as ``approved``."""
    kinds = [entry.kind.value.split(".") for entry in deed.entries]
    return tuple(
        event if about == "request" else f"{about}_{event}"
        for about, event in kinds
        if about in ("request", "review")
    )


def check_said(text: str, name: str, *, optional: bool = False) -> str:
    """Return what a person says, trimmed: one line, without what could steer a screen.

    Raises:
        InvalidRequest: it is empty, too long, or has characters that no line of text has.
    """
    said = text.strip()
    if not said and not optional:
        raise InvalidRequest(f"a {name} is needed: one line of text")
    if len(said) > LONGEST_SAID:
        raise InvalidRequest(f"the {name} is too long: write at most {LONGEST_SAID} characters")
    if UNSAFE.search(said):
        raise InvalidRequest(f"the {name} must be one line, without control characters")
    return said


def moved(record: RequestRecord, event: Event) -> Status:
    """Return where *event* leads from where *record* is.

    Raises:
        RequestChanged: nowhere.
    """
    try:
        return after(record.status, event)
    except LifecycleError as error:
        raise RequestChanged(f"this request is {record.status.value}: look at it again") from error


def lapsed(record: RequestRecord, now: datetime) -> Deed | None:
    """Return what time did to *record*, or None where its time is not over."""
    if record.status in WAITING and now >= record.expires_at:
        return _ended(record, Event.EXPIRE, EntryKind.REQUEST_EXPIRED, now, None, "")
    if record.status is Status.GRANTED and record.not_after and now >= record.not_after:
        return _ended(record, Event.END, EntryKind.REQUEST_ENDED, now, None, "")
    return None


# Votes and what they come to.


def voted(record: RequestRecord, vote: Vote, missing: int, types: Types) -> Entry:
    """Record one person's yes. record: as it is with the vote; missing: votes still to come."""
    body: dict[str, Json] = {
        "by": vote.person,
        "name": vote.name,
        "stage": vote.stage,
        "group": vote.group,
        "instead_of": vote.instead_of,
        "signed_in_at": vote.signed_in_at.isoformat(),
        "offer": offer_json(vote.offer),
        "words": [*offer_words(vote.offer, types, decides=record.submitted is not None)],
        "comment": vote.comment,
        "missing": missing,
    }
    return _entry(EntryKind.REQUEST_VOTED, record, vote.at, body)


def approved(
    record: RequestRecord, counted: Standing, decision: Decision, now: datetime, types: Types
) -> Deed:
    """Let *record* be collected: enough people said yes, and policy, asked again, permits it."""
    wait = min(record.expires_at - record.asked_at, LONGEST_COLLECTION)
    after_ = replace(
        record, status=moved(record, Event.APPROVE), expires_at=now + wait, votes=counting(counted)
    )
    body: dict[str, Json] = {
        "votes": [
            {"by": it.person, "name": it.name, "group": it.group, "instead_of": it.instead_of}
            for it in counting(counted)
        ],
        "offer": offer_json(record.offer),
        "words": [*offer_words(record.offer, types, decides=record.submitted is not None)],
        "collect_by": after_.expires_at.isoformat(),
        "extends": record.extends,
        **decision_json(decision),
    }
    return Deed(after_, (_entry(EntryKind.REQUEST_APPROVED, after_, now, body),))


def in_effect(deed: Deed, now: datetime) -> Deed:
    """Return an approval with what it is worth: nobody collects what permits decisions.

    It holds from now on, for as long as what was approved, and no longer than was wanted.
    """
    record = deed.record
    if record.submitted is None:
        return deed
    end = now + record.offer.lifetime
    until = record.submitted.until
    after_ = replace(
        record,
        status=moved(record, Event.COLLECT),
        granted_at=now,
        not_after=end if until is None else min(end, until),
    )
    end = after_.not_after or end
    told: dict[str, Json] = {"collect_by": None, "not_after": end.isoformat()}
    entries = tuple(replace(it, body={**it.body, **told}) for it in deed.entries)
    return replace(deed, record=after_, entries=entries)


def used_up(record: RequestRecord, now: datetime) -> Deed:
    """End it, for all that it allowed was used."""
    return _ended(record, Event.END, EntryKind.REQUEST_ENDED, now, None, "all of it was used")


def denied(record: RequestRecord, by: Person, reason: str, now: datetime) -> Deed:
    """End it with a person's no."""
    return _ended(record, Event.DENY, EntryKind.REQUEST_DENIED, now, by, reason)


def denied_by_policy(
    record: RequestRecord, reason: str, decision: Decision | None, now: datetime
) -> Deed:
    """End it, for policy permits it no longer; decision: where it was that far."""
    deed = _ended(record, Event.DENY, EntryKind.REQUEST_DENIED, now, None, reason)
    if decision is None:
        return deed
    entry = deed.entries[0]
    return replace(deed, entries=(replace(entry, body={**entry.body, **decision_json(decision)}),))


# Ends.


def cancelled(record: RequestRecord, by: Person, reason: str, now: datetime) -> Deed:
    """Take it back before it was collected."""
    return _ended(record, Event.CANCEL, EntryKind.REQUEST_CANCELLED, now, by, reason)


def returned(record: RequestRecord, by: Person, reason: str, now: datetime) -> Deed:
    """Give it back before its end: the work is done."""
    return _ended(record, Event.RETURN, EntryKind.REQUEST_RETURNED, now, by, reason, ends=True)


def revoked(record: RequestRecord, by: Person, reason: str, now: datetime) -> Deed:
    """Take away what was approved or granted."""
    return _ended(record, Event.REVOKE, EntryKind.REQUEST_REVOKED, now, by, reason, ends=True)


def _ended(
    record: RequestRecord,
    event: Event,
    kind: EntryKind,
    now: datetime,
    by: Person | None,
    reason: str,
    *,
    ends: bool = False,
) -> Deed:
    status = moved(record, event)
    ended_by = NOBODY if by is None else by.id
    body: dict[str, Json] = {
        **_by(by),
        "reason": reason,
        "was": record.status.value,
        "tokens": [it.jti for it in record.minted if it.expires_at > now],
        "calls": record.calls,
    }
    if record.submitted is not None:
        body["decides"] = True  # its calls were permits
    after_ = replace(record, status=status, ended_by=ended_by, reason=reason)
    return Deed(after_, (_entry(kind, after_, now, body),), ends)


# What is said, and what is made smaller.


def narrowed_to(
    record: RequestRecord, offer: Offer, by: Person, now: datetime, types: Types
) -> Deed:
    """Put a smaller *offer* in the place of the present one.

    Raises:
        RequestChanged: it is not pending.
    """
    check_pending(record)
    words = difference_words(record.offer, offer, types)
    remark = Remark(RemarkKind.NARROWED, by.id, now, "; ".join(words))
    after_ = replace(record, offer=offer, remarks=(*record.remarks, remark))
    body: dict[str, Json] = {
        **_by(by),
        "from": offer_json(record.offer),
        "to": offer_json(offer),
        "words": [*words],
    }
    return Deed(after_, (_entry(EntryKind.REQUEST_NARROWED, after_, now, body),))


def asked(record: RequestRecord, by: Person, text: str, now: datetime) -> Deed:
    """Keep a question about it."""
    return _said(record, RemarkKind.QUESTION, EntryKind.REQUEST_ASKED, by.id, _by(by), text, now)


def answered(record: RequestRecord, by: Person, text: str, now: datetime) -> Deed:
    """Keep an answer to what was asked."""
    return _said(record, RemarkKind.ANSWER, EntryKind.REQUEST_ANSWERED, by.id, _by(by), text, now)


def _said(
    record: RequestRecord,
    what: RemarkKind,
    kind: EntryKind,
    by: str,
    who: dict[str, Json],
    text: str,
    now: datetime,
) -> Deed:
    check_pending(record)
    if sum(each.kind is what for each in record.remarks) >= MOST_SAID:
        raise InvalidRequest(f"{MOST_SAID} {what.value}s are enough: nobody reads more")
    after_ = replace(record, remarks=(*record.remarks, Remark(what, by, now, text)))
    return Deed(after_, (_entry(kind, after_, now, {**who, "text": text}),))


def check_pending(record: RequestRecord) -> None:
    """Refuse what only goes with a request that waits for people.

    Raises:
        RequestChanged: it does not.
    """
    if record.status is not Status.PENDING:
        raise RequestChanged(f"this request is {record.status.value}: nobody is waiting for it")


# Votes taken back, reviews.


def without_votes_of(
    record: RequestRecord, ids: frozenset[str], by: Person, reason: str, now: datetime
) -> Deed:
    """Take the votes of one person, and those in their place, out of a pending request."""
    check_pending(record)
    kept = tuple(it for it in record.votes if not {it.person, it.instead_of} & ids)
    gone: list[Json] = [it.person for it in record.votes if it not in kept]
    after_ = replace(record, votes=kept)
    body: dict[str, Json] = {**_by(by), "withdrawn": gone, "reason": reason}
    return Deed(after_, (_entry(EntryKind.REQUEST_VOTED, after_, now, body),))


def review_closed(record: RequestRecord, by: Person, note: str, now: datetime) -> Deed:
    """Close the review of what went ahead without people.

    Raises:
        RequestChanged: there is none, or it is closed.
    """
    review = record.review
    if review is None or review.closed_by is not None:
        raise RequestChanged("there is no open review of this request")
    closed = replace(review, closed_by=by.id, closed_at=now, note=note)
    after_ = replace(record, review=closed)
    body: dict[str, Json] = {
        **_by(by),
        "note": note,
        "due_at": review.due_at.isoformat(),
        "overdue": now > review.due_at,
    }
    return Deed(after_, (_entry(EntryKind.REVIEW_CLOSED, after_, now, body),))


# Deeds that are about more than one request.


def access_revoked_entry(
    kind: str, value: str, by: Person, reason: str, requests: Sequence[str], now: datetime
) -> Entry:
    """Record that all access of *value* ended; requests: those that lived then."""
    body: dict[str, Json] = {
        **_by(by),
        "kind": kind,
        "value": value,
        "reason": reason,
        "requests": [*requests],
    }
    return Entry(EntryKind.ACCESS_REVOKED, now, "", body)


def _by(person: Person | None) -> dict[str, Json]:
    return {"by": None} if person is None else {"by": person.id, "name": person.name}


def _entry(kind: EntryKind, record: RequestRecord, at: datetime, body: dict[str, Json]) -> Entry:
    return Entry(kind, at, record.id, body, record.request.txn)
