"""What went ahead at once is shown to everyone, until somebody else has looked at it."""

from datetime import timedelta

import pytest

from fleeting.core.errors import InvalidRequest, NotAllowed, RequestChanged
from fleeting.core.evidence import EntryKind
from fleeting.core.lifecycle import Status
from fleeting.core.story import tell
from fleeting.usecases.request_index import RequestIndex
from fleeting.usecases.view_requests import ViewRequests
from tests.people import office
from tests.simulator import REFUND, simulator

POLICIES = """
@id("refunds-in-an-emergency") @reason("emergencies do not wait")
@lifetime("60s") @uses("1") @break_glass("alarm oncall-leads, review in 24h")
permit (principal in Group::"support", action == Action::"payment_refund:refund", resource);
"""
REASON = "the queue is stuck and customers wait"


@pytest.fixture
async def sim(tmp_path):
    async with simulator(tmp_path, policies=POLICIES) as running:
        yield running


@pytest.fixture
async def people(sim):
    found = await office(sim)
    await found.know("alice", "oscar", groups=("others",))
    return found


@pytest.fixture
def view(people):
    store = people.sim.worker.store
    return ViewRequests(people.deeds.desk, store, RequestIndex(store))


async def break_glass(sim):
    token = sim.user_token(sub="alice")
    response = await sim.caller().exchange(token, REFUND, break_glass=REASON)
    assert response.status_code == 200, response.text
    return response.json()["access_request_id"]


async def reviews(view, people, who="oscar"):
    return await view.listed(people.who(who, "others"), "reviews")


async def test_an_open_review_is_shown_to_everyone_with_the_reason_as_the_callers_words(
    sim, people, view
):
    id_ = await break_glass(sim)
    (told,) = await reviews(view, people)
    assert (told["id"], told["caller_says"]["break_glass"]) == (id_, REASON)
    assert told["review"]["group"] == "oncall-leads"
    assert (told["review"]["open"], told["review"]["overdue"]) == (True, False)
    sim.clock.wind(hours=25)
    (told,) = await reviews(view, people)
    assert told["review"]["overdue"] is True


async def test_somebody_else_closes_it_once_with_a_note(sim, people, view):
    id_ = await break_glass(sim)
    with pytest.raises(NotAllowed, match="somebody else reviews it"):
        await people.deeds.close_review(people.who("alice", "others"), id_, "all fine")
    with pytest.raises(InvalidRequest, match="note is needed"):
        await people.deeds.close_review(people.who("oscar", "others"), id_, "")
    assert "review" in (await view.shown(people.who("oscar"), id_))["you"]["may"]
    assert "review" not in (await view.shown(people.who("alice"), id_))["you"]["may"]
    sim.clock.wind(minutes=5)  # the token is over; the review is not
    record = await people.deeds.close_review(people.who("oscar", "others"), id_, "justified")
    assert (record.status, record.review.closed_by) == (Status.ENDED, "oscar")
    assert await reviews(view, people) == []
    with pytest.raises(RequestChanged, match="no open review"):
        await people.deeds.close_review(people.who("lena"), id_, "again")
    (entry,) = await sim.recorded(EntryKind.REVIEW_CLOSED)
    assert (entry.request_id, entry.body["note"]) == (id_, "justified")


async def test_it_is_told_as_one_story(sim, people):
    id_ = await break_glass(sim)
    sim.clock.wind(minutes=5)
    await people.deeds.close_review(people.who("oscar", "others"), id_, "justified")
    story = tell(await sim.worker.store.story(id_), id_)
    review = story.deciding.review
    assert story.outcome == "granted, and over"
    assert (review.reason, review.group) == (REASON, "oncall-leads")
    assert (review.closed_by, review.note) == ("oscar", "justified")


async def test_what_is_reviewed_can_still_be_revoked_and_is_reviewed_all_the_same(
    sim, people, view
):
    id_ = await break_glass(sim)
    record = await people.deeds.revoke(people.who("lena"), id_, "stop it")
    assert record.status is Status.REVOKED
    assert [it["id"] for it in await reviews(view, people)] == [id_]
    with pytest.raises(RequestChanged):
        await people.deeds.extend(people.who("lena"), id_, timedelta(seconds=30))
