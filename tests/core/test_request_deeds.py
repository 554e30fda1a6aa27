"""What each deed makes of a request, and that nothing happens which the life cycle lacks."""

from dataclasses import replace

import pytest

from fleeting.core.access_requests import Minted, Remark, RemarkKind, Review
from fleeting.core.approvals import standing
from fleeting.core.errors import InvalidRequest, RequestChanged
from fleeting.core.evidence import EntryKind
from fleeting.core.lifecycle import Status
from fleeting.core.model import Decision
from fleeting.core.request_deeds import (
    MOST_SAID,
    NOBODY,
    access_revoked_entry,
    answered,
    approved,
    asked,
    cancelled,
    check_said,
    denied,
    denied_by_policy,
    lapsed,
    narrowed_to,
    returned,
    review_closed,
    revoked,
    voted,
    without_votes_of,
)
from tests.approving import NOW, TYPES, minutes, offer, pending, person, situation, vote

BOB = person("bob")
DECISION = Decision("d2", ())


def granted(**changes):
    tokens = (
        Minted("j1", "t", NOW - minutes(1)),
        Minted("j2", "t", NOW + minutes(1)),
    )
    record = pending(status=Status.GRANTED, granted_at=NOW, not_after=NOW + minutes(1))
    return replace(record, minted=tokens, calls=2, **changes)


def entry_of(deed):
    (entry,) = deed.entries
    assert (entry.request_id, entry.txn, entry.at) == ("request-1", "txn-1", NOW)
    return entry.kind, entry.body


def test_a_vote_is_recorded_with_what_it_is_for_and_how_many_are_missing():
    given = vote("bob", comment="fine", instead_of="carol")
    entry = voted(pending(votes=(given,)), given, 1, TYPES)
    assert entry.kind is EntryKind.REQUEST_VOTED
    body = entry.body
    assert (body["by"], body["name"], body["instead_of"]) == ("bob", "Bob", "carol")
    assert (body["stage"], body["group"], body["missing"]) == (0, "leads", 1)
    assert body["comment"] == "fine"
    assert body["words"][-1] == "one token: lives 5m, 1 use"


def test_what_is_approved_waits_to_be_collected_and_keeps_the_votes_that_count():
    record = pending("1 of leads", votes=(vote("bob"), vote("nobody")))
    deed = approved(record, standing(record, situation(BOB)), DECISION, NOW, TYPES)
    assert deed.record.status is Status.APPROVED
    assert deed.record.expires_at == NOW + minutes(15)
    assert deed.record.votes == (vote("bob"),)
    kind, body = entry_of(deed)
    assert kind is EntryKind.REQUEST_APPROVED
    assert [each["by"] for each in body["votes"]] == ["bob"]
    assert body["policy_digest"] == "d2"
    quick = replace(record, expires_at=record.asked_at + minutes(2))
    deed = approved(quick, standing(record, situation(BOB)), DECISION, NOW, TYPES)
    assert deed.record.expires_at == NOW + minutes(2)


def test_a_no_ends_it_with_who_and_why():
    deed = denied(pending(), BOB, "too much", NOW)
    assert (deed.record.status, deed.record.ended_by) == (Status.DENIED, "bob")
    assert deed.record.reason == "too much"
    kind, body = entry_of(deed)
    assert kind is EntryKind.REQUEST_DENIED
    assert (body["by"], body["name"], body["reason"], body["was"]) == (
        "bob",
        "Bob",
        "too much",
        "pending",
    )


def test_a_no_of_policy_has_the_decision_where_there_was_one():
    for decision in (None, DECISION):
        deed = denied_by_policy(pending(), "gone", decision, NOW)
        assert deed.record.ended_by == NOBODY
        _, body = entry_of(deed)
        assert body["by"] is None
        assert body.get("policy_digest") == (None if decision is None else "d2")


@pytest.mark.parametrize(
    ("end", "record", "status", "ends"),
    [
        (cancelled, pending(), Status.CANCELLED, False),
        (cancelled, pending(status=Status.APPROVED), Status.CANCELLED, False),
        (revoked, pending(status=Status.APPROVED), Status.REVOKED, True),
        (revoked, granted(), Status.REVOKED, True),
        (returned, granted(), Status.RETURNED, True),
    ],
)
def test_each_end_is_recorded_and_says_whether_tokens_end_with_it(end, record, status, ends):
    deed = end(record, BOB, "done", NOW)
    assert (deed.record.status, deed.record.reason, deed.ends) == (status, "done", ends)
    _, body = entry_of(deed)
    assert body["tokens"] == (["j2"] if record.minted else [])


@pytest.mark.parametrize(
    ("deed", "record"),
    [
        (cancelled, granted()),
        (revoked, pending()),
        (returned, pending()),
        (denied, pending(status=Status.CANCELLED)),
        (returned, pending(status=Status.REVOKED)),
    ],
)
def test_what_is_not_in_the_life_cycle_does_not_happen(deed, record):
    with pytest.raises(RequestChanged, match=record.status.value):
        deed(record, BOB, "x", NOW)


def test_time_ends_what_waited_and_what_was_granted():
    record = pending()
    assert lapsed(record, record.expires_at - minutes(1)) is None
    for status in (Status.PENDING, Status.APPROVED):
        deed = lapsed(replace(record, status=status), record.expires_at)
        assert deed.record.status is Status.EXPIRED
        assert deed.entries[0].kind is EntryKind.REQUEST_EXPIRED
        assert deed.entries[0].body["was"] == status.value
    assert lapsed(granted(), NOW) is None
    deed = lapsed(granted(), NOW + minutes(1))
    assert (deed.record.status, deed.entries[0].kind) == (Status.ENDED, EntryKind.REQUEST_ENDED)
    assert not deed.ends
    assert lapsed(replace(granted(), not_after=None), NOW + minutes(99)) is None
    assert lapsed(pending(status=Status.DENIED), NOW + minutes(99)) is None


def test_a_smaller_offer_takes_the_place_of_the_present_one_with_what_is_less():
    deed = narrowed_to(pending(), offer(100), BOB, NOW, TYPES)
    assert (deed.record.offer, deed.record.asked) == (offer(100), offer())
    (remark,) = deed.record.remarks
    assert (remark.kind, remark.by) == (RemarkKind.NARROWED, "bob")
    kind, body = entry_of(deed)
    assert kind is EntryKind.REQUEST_NARROWED
    assert body["words"] == ["amount at most 100 cent, not amount at most 50000 cent"]
    assert remark.text == body["words"][0]


def test_questions_and_answers_are_kept_in_their_order():
    deed = answered(asked(pending(), BOB, "why?", NOW).record, person("alice"), "so", NOW)
    assert [(it.kind, it.by, it.text) for it in deed.record.remarks] == [
        (RemarkKind.QUESTION, "bob", "why?"),
        (RemarkKind.ANSWER, "alice", "so"),
    ]
    kind, body = entry_of(deed)
    assert (kind, body["by"], body["text"]) == (EntryKind.REQUEST_ANSWERED, "alice", "so")
    with pytest.raises(RequestChanged, match="nobody is waiting"):
        asked(pending(status=Status.DENIED), BOB, "why?", NOW)


def test_a_request_takes_only_so_many_questions_and_answers_of_its_own():
    record = pending(remarks=(Remark(RemarkKind.QUESTION, "bob", NOW, "why?"),) * MOST_SAID)
    with pytest.raises(InvalidRequest, match="are enough"):
        asked(record, BOB, "and why?", NOW)
    assert len(answered(record, BOB, "so", NOW).record.remarks) == MOST_SAID + 1


def test_votes_of_one_person_and_in_their_place_can_be_taken_back():
    record = pending(votes=(vote("bob"), vote("dora", instead_of="bob"), vote("carol")))
    deed = without_votes_of(record, frozenset({"bob", "robert"}), BOB, "compromised", NOW)
    assert [it.person for it in deed.record.votes] == ["carol"]
    assert entry_of(deed)[1]["withdrawn"] == ["bob", "dora"]


def test_a_review_is_closed_once():
    record = granted(review=Review("oncall", NOW - minutes(1)))
    deed = review_closed(record, BOB, "looked at it", NOW)
    assert (deed.record.review.closed_by, deed.record.review.closed_at) == ("bob", NOW)
    assert entry_of(deed)[1]["overdue"] is True
    early = review_closed(granted(review=Review("oncall", NOW)), BOB, "in time", NOW)
    assert entry_of(early)[1]["overdue"] is False
    for record in (deed.record, granted()):
        with pytest.raises(RequestChanged, match="no open review"):
            review_closed(record, BOB, "again", NOW)


def test_what_is_about_many_requests_names_them():
    entry = access_revoked_entry("client", "bot", BOB, "lost", ["a", "b"], NOW)
    assert (entry.kind, entry.body["requests"]) == (EntryKind.ACCESS_REVOKED, ["a", "b"])


@pytest.mark.parametrize("text", ["", "  ", "a\nb", "a\x1b[31m", "a\u202eb", "\x00", "x" * 1001])
def test_what_people_say_is_one_line_that_steers_no_screen(text):
    with pytest.raises(InvalidRequest, match="reason"):
        check_said(text, "reason")


def test_what_people_say_may_hold_markup_for_it_is_only_text():
    assert check_said(" <b>hi</b> ", "reason") == "<b>hi</b>"
    assert check_said(" ", "comment", optional=True) == ""
