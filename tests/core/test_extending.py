"""A grant is made longer by a request of its own, and never more than it was for."""

from dataclasses import replace

import pytest

from fleeting.core.access_requests import ApprovalTerms, Minted, Plan
from fleeting.core.errors import InvalidRequest, RequestChanged
from fleeting.core.evidence import EntryKind
from fleeting.core.extending import extended, extension, extension_entry
from fleeting.core.lifecycle import Status
from fleeting.core.request_deeds import Deed
from tests.approving import NOW, TYPES, minutes, offer, pending, vote

END = NOW + minutes(3)
PLANNED = offer(plan=Plan(10, minutes(60)))


def grant(what=None, **changes):
    what = what or offer()
    record = pending(status=Status.GRANTED, granted_at=NOW, not_after=END, asked=what, offer=what)
    return replace(record, minted=(Minted("j", "t", END),), votes=(vote("carol"),), **changes)


TWO = minutes(2)


def asked(old, duration=TWO):
    return extension(old, "request-2", "txn-2", duration, NOW)


def approved(new):
    return Deed(replace(new, status=Status.APPROVED, votes=(vote("bob"),)), ())


def test_an_extension_waits_for_the_same_people_for_no_more_than_was_granted():
    old = grant()
    new = asked(old)
    assert (new.id, new.extends, new.status) == ("request-2", "request-1", Status.PENDING)
    assert (new.terms, new.behind, new.fingerprint) == (old.terms, old.behind, old.fingerprint)
    assert new.offer == replace(old.offer, lifetime=minutes(2))
    assert (new.votes, new.minted, new.revision) == ((), (), 0)
    planned = asked(grant(PLANNED, calls=3, spent={"payment_refund.amount": 70}))
    assert planned.offer.plan == Plan(10, minutes(2))
    assert (planned.calls, planned.spent) == (3, {"payment_refund.amount": 70})
    entry = extension_entry(new, "alice", TYPES)
    assert (entry.kind, entry.request_id) == (EntryKind.REQUEST_PENDING, "request-2")
    assert (entry.body["extends"], entry.body["by"]) == ("request-1", "alice")


@pytest.mark.parametrize("duration", [minutes(0), minutes(6)])
def test_it_is_never_longer_than_what_was_granted(duration):
    with pytest.raises(InvalidRequest, match="by up to 5m at a time"):
        asked(grant(), duration)


def test_what_is_over_is_not_made_longer_even_before_anybody_has_recorded_its_end():
    with pytest.raises(RequestChanged, match="this request is ended"):
        extension(grant(), "request-2", "txn-2", TWO, END)
    with pytest.raises(RequestChanged, match="make longer is ended"):
        extended(approved(asked(grant())), grant(), END)


def test_only_a_grant_is_made_longer():
    with pytest.raises(RequestChanged, match="pending"):
        asked(pending())
    with pytest.raises(RequestChanged, match="nobody had to approve"):
        asked(replace(grant(), terms=ApprovalTerms(())))
    with pytest.raises(RequestChanged, match="returned"):
        extended(approved(asked(grant())), grant(status=Status.RETURNED), NOW)


def test_once_approved_the_grant_goes_on_from_its_end_under_its_own_id():
    for old, more in ((grant(), minutes(2)), (grant(PLANNED), minutes(2))):
        deed = extended(approved(asked(old)), old, NOW)
        (longer,) = deed.also
        assert (longer.id, longer.status) == ("request-1", Status.GRANTED)
        assert longer.not_after == END + more
        assert longer.extensions == (0 if old.offer.plan else 1)
        assert longer.not_after > max(token.expires_at for token in longer.minted)
        assert [it.person for it in longer.votes] == ["carol", "bob"]
        assert (deed.record.status, deed.record.not_after) == (Status.ENDED, longer.not_after)
        (entry,) = deed.entries
        assert (entry.kind, entry.request_id) == (EntryKind.REQUEST_EXTENDED, "request-1")
        assert entry.body["not_after"] == longer.not_after.isoformat()
    assert longer.offer.plan == Plan(10, minutes(60))


def test_what_was_narrowed_in_the_extension_is_narrowed_in_the_grant():
    old = grant()
    new = replace(asked(old), offer=offer(100, lifetime=minutes(2)))
    assert extended(approved(new), old, NOW).also[0].offer == offer(100, lifetime=minutes(2))


def test_a_grant_without_an_end_begins_to_have_one():
    deed = extended(approved(asked(grant())), replace(grant(), not_after=None), NOW)
    assert deed.also[0].not_after == NOW + minutes(2)
