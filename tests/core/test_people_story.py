"""What people did is told as one story, from what the ledger really holds."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fleeting.core.approvals import offer_digest
from fleeting.core.evidence import ChainedEntry, Entry, EntryKind
from fleeting.core.offers import Narrowing
from fleeting.core.people_story import ToldReview
from fleeting.core.story import tell
from tests.approving import NOW
from tests.people import office
from tests.simulator import REFUND

LARGE = {**REFUND, "amount": 50_000}


@pytest.fixture
async def people(sim):
    return await office(sim)


async def ask(sim, caller=None, **fields):
    caller = caller or sim.caller()
    return (await caller.ask(LARGE, **fields)).json()["access_request_id"]


async def story(sim, id_):
    return tell(await sim.worker.store.story(id_), id_)


async def test_what_waits_is_told_with_whom_it_waits_for(sim, people):
    id_ = await ask(sim)
    told = await story(sim, id_)
    assert (told.outcome, told.token, told.error) == ("waiting", None, None)
    assert told.asked.client == "support-bot"
    deciding = told.deciding
    assert (deciding.approval, deciding.policies) == ("2 of payments-leads", ("large-refunds",))
    assert deciding.expires_at == sim.clock.now() + timedelta(minutes=15)
    assert (deciding.votes, deciding.by, deciding.review) == ((), None, None)


async def test_a_token_that_people_approved_is_told_from_the_question_to_the_end(sim, people):
    caller = sim.caller()
    id_ = await ask(sim, caller)
    await people.deeds.narrow(people.who("lena"), id_, Narrowing(lifetime=timedelta(minutes=1)))
    record = await people.record(id_)
    await people.deeds.approve(people.who("lena"), id_, offer_digest(record), "fine")
    assert (await people.approve(id_, "luis")).id == id_
    assert (await story(sim, id_)).outcome == "approved"
    await caller.ask(LARGE, access_request_id=id_)
    told = await story(sim, id_)
    assert told.outcome == "granted"
    assert told.token.expires_at - told.token.issued_at == timedelta(minutes=1)
    assert told.answers[0].permitted
    assert told.narrowed == ()
    deciding = told.deciding
    assert [(vote.name, vote.group, vote.comment) for vote in deciding.votes] == [
        ("Lena", "payments-leads", "fine"),
        ("Luis", "payments-leads", ""),
    ]
    assert deciding.narrowed == ("lena: lives 1m, not 5m",)
    await people.deeds.return_(people.who("luis"), id_, "done")
    told = await story(sim, id_)
    assert (told.outcome, told.deciding.by, told.deciding.because) == (
        "returned",
        "Luis (luis)",
        "done",
    )


async def test_a_story_tells_what_was_asked_before_people_made_it_less(sim, people):
    caller = sim.caller()
    id_ = await ask(sim, caller)
    (operation,) = (await people.record(id_)).offer.operations
    fields = {**operation.fields, "amount": 20_000}
    less = Narrowing(operations=(replace(operation, fields=fields),))
    await people.deeds.narrow(people.who("lena"), id_, less)
    await people.approve(id_, "lena", "luis")
    await caller.ask(LARGE, access_request_id=id_)
    told = await story(sim, id_)
    assert [it["amount"] for it in told.asked.operations] == [50_000]
    assert [it["amount"] for it in told.token.operations] == [20_000]


async def test_a_no_is_told_with_who_and_why(sim, people):
    id_ = await ask(sim)
    await people.deny(id_, "not this one")
    told = await story(sim, id_)
    assert (told.outcome, told.deciding.by) == ("denied", "Lena (lena)")
    assert told.deciding.because == "not this one"


async def test_votes_that_were_taken_back_are_no_votes(sim, people):
    id_ = await ask(sim)
    await people.approve(id_, "lena")
    await people.deeds.revoke_all(people.who("luis"), "approver", "lena", "stolen")
    assert (await story(sim, id_)).deciding.votes == ()


def chained(kind, body, number):
    entry = Entry(kind, NOW + timedelta(seconds=number), "r1", body, "t1")
    return ChainedEntry("w", number, entry, bytes(32), bytes(32))


def test_a_review_is_told_open_and_closed():
    opened = {"break_glass": "fire", "group": "oncall", "due_at": NOW.isoformat()}
    closed = {"by": "lena", "note": "it burned"}
    refused = {"client": "bot", "error": {"error": "x", "description": "y"}}
    entries = [
        chained(EntryKind.REQUEST_REFUSED, refused, 1),
        chained(EntryKind.REVIEW_OPENED, opened, 2),
        chained(EntryKind.REQUEST_ENDED, {"by": None, "reason": ""}, 3),
    ]
    review = tell(entries, "r1").deciding.review
    assert review == ToldReview("fire", "oncall", NOW)
    entries.append(chained(EntryKind.REVIEW_CLOSED, closed, 4))
    review = tell(entries, "r1").deciding.review
    assert (review.closed_by, review.note) == ("lena", "it burned")


def test_words_that_are_no_list_are_none():
    pending = {"approval": "1 of a", "policies": [], "expires_at": NOW.isoformat()}
    entries = [
        chained(EntryKind.REQUEST_PENDING, pending, 1),
        chained(EntryKind.REQUEST_NARROWED, {"by": "lena", "words": None}, 2),
    ]
    assert tell(entries, "r1").deciding.narrowed == ()
