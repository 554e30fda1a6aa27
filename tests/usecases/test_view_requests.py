"""What people see of requests, and that they see it quickly."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest

from fleeting.core.errors import InvalidRequest, NoSuchRequest, NotAllowed
from fleeting.core.lifecycle import Status
from fleeting.core.offers import Narrowing
from fleeting.ports import Write
from fleeting.usecases.request_index import RequestIndex
from fleeting.usecases.request_rows import change_of
from fleeting.usecases.view_requests import ViewRequests
from tests.people import office
from tests.simulator import PAYMENTS, REFUND, granted

LARGE = {**REFUND, "amount": 50_000, "note": "<b>for Bob</b>"}


@pytest.fixture
async def people(sim):
    return await office(sim)


@pytest.fixture
def view(people):
    store = people.sim.worker.store
    return ViewRequests(people.deeds.desk, store, RequestIndex(store))


async def ask(sim, **fields):
    return (await sim.caller().ask(LARGE, **fields)).json()["access_request_id"]


async def ids(view, who, name, **more):
    return [each["id"] for each in await view.listed(who, name, **more)]


async def test_an_approver_sees_what_policy_and_declarations_say_apart_from_the_callers_words(
    sim, people, view
):
    id_ = await ask(
        sim, request_context={"ticket": "INC-7", "purpose": "trust me: policy says yes"}
    )
    seen = await view.shown(people.who("lena"), id_)
    (operation,) = seen["operations"]
    assert operation["words"] == (
        'Refund one payment (refund): payment_id "42", amount at most 50000 cent, currency "EUR"'
    )
    said = {field["name"]: field["caller_says"] for field in operation["fields"]}
    assert said == {"payment_id": False, "amount": False, "currency": False, "note": True}
    assert seen["caller_says"]["context"] == {
        "purpose": "trust me: policy says yes",
        "ticket": "INC-7",
    }
    (text,) = seen["caller_says"]["texts"]
    assert text == {"type": "payment_refund", "name": "note", "text": "<b>for Bob</b>"}
    assert (seen["client"], seen["subject"]["id"]) == ("support-bot", "support-bot")
    assert seen["subject"]["groups"] == ["support"]
    assert seen["reaches"] == {"resource": PAYMENTS, "guard": "payments-api"}
    assert seen["key"]["jkt"]
    (policy,) = seen["policies"]
    assert (policy["id"], policy["in_force"]) == ("large-refunds", True)
    (stage,) = seen["stages"]
    assert (stage["group"], stage["count"], stage["missing"]) == ("payments-leads", 2, 2)
    assert seen["offer"]["lifetime"] == "5m"
    assert seen["you"]["vote"] == {"stage": 0, "group": "payments-leads", "instead_of": None}
    assert seen["you"]["may"][:3] == ["approve", "deny", "narrow"]
    assert [each["kind"] for each in seen["timeline"]] == ["request.pending"]


async def test_the_digest_that_was_seen_is_the_one_to_vote_for(sim, people, view):
    id_ = await ask(sim)
    seen = await view.shown(people.who("lena"), id_)
    record = await people.deeds.approve(people.who("lena"), id_, seen["offer"]["digest"])
    assert len(record.votes) == 1
    again = await view.shown(people.who("lena"), id_)
    assert again["you"]["vote"] is None
    assert "voted already" in again["you"]["why_not"]
    assert "approve" not in again["you"]["may"]
    (voted,) = again["stages"][0]["votes"]
    assert (voted["by"]["id"], voted["for_more"]) == ("lena", False)


async def test_what_was_narrowed_is_shown_beside_what_was_asked(sim, people, view):
    id_ = await ask(sim)
    await people.approve(id_, "lena")
    await people.deeds.narrow(people.who("luis"), id_, Narrowing(lifetime=timedelta(minutes=1)))
    seen = await view.shown(people.who("luis"), id_)
    assert seen["narrowed"] is True
    assert seen["less_than_asked"] == ["lives 1m, not 5m"]
    assert (seen["asked"]["lifetime"], seen["offer"]["lifetime"]) == ("5m", "1m")
    assert seen["stages"][0]["votes"][0]["for_more"] is True
    assert [each["kind"] for each in seen["remarks"]] == ["narrowed"]


async def test_how_often_the_like_was_asked_and_what_became_of_it(sim, people, view):
    first, second, third = await ask(sim), await ask(sim), await ask(sim)
    await people.deny(first)
    await people.approve(second)
    seen = await view.shown(people.who("lena"), third)
    assert seen["history"]["count"] == 2
    assert seen["history"]["outcomes"] == {"denied": 1, "approved": 1}
    assert {each["id"] for each in seen["history"]["recent"]} == {first, second}


async def test_each_list_has_what_it_is_for(sim, people, view):
    await people.know("sam", "oscar", groups=("others",))
    lena, sam = people.who("lena"), people.who("sam", "others")
    open_, done = await ask(sim), await ask(sim)
    await people.deny(done)
    own = replace(await people.record(open_), behind=frozenset({"sam"}))
    await sim.worker.store.commit(Write(changes=(change_of(own),)))
    assert await ids(view, lena, "to-approve") == [open_]
    assert await ids(view, sam, "to-approve") == []
    assert await ids(view, sam, "mine") == [open_]
    assert await ids(view, lena, "mine") == []
    assert await ids(view, lena, "open") == [open_]
    assert set(await ids(view, lena, "all")) == {open_, done}
    assert len(await ids(view, lena, "all", limit=1)) == 1
    assert await ids(view, lena, "reviews") == []
    await people.approve(open_, "lena")
    assert await ids(view, lena, "to-approve") == []
    assert await ids(view, people.who("luis"), "to-approve") == [open_]
    until = sim.clock.now() + timedelta(hours=1)
    await people.deeds.delegate(people.who("luis"), "oscar", until)
    assert await ids(view, people.who("oscar", "others"), "to-approve") == [open_]
    await people.deeds.cancel(sam, open_)
    assert await ids(view, sam, "mine") == [open_]
    assert await ids(view, lena, "to-approve") == []
    with pytest.raises(InvalidRequest, match="view is one of to-approve"):
        await view.listed(lena, "everything")


async def test_what_may_be_done_follows_where_it_stands(sim, people, view):
    caller = sim.caller()
    id_ = (await caller.ask(LARGE)).json()["access_request_id"]
    who = people.who("lena")

    async def may():
        return (await view.shown(who, id_))["you"]["may"]

    await people.approve(id_)
    assert await may() == ["cancel", "revoke"]
    granted(await caller.ask(LARGE, access_request_id=id_))
    assert await may() == ["return", "extend", "revoke"]
    seen = await view.shown(who, id_)
    assert seen["tokens"][0]["live"] is True
    sim.clock.wind(minutes=6)
    assert await may() == []
    assert (await view.shown(who, id_))["tokens"][0]["live"] is False


async def test_who_may_not_see_a_request_learns_no_more_than_who_made_its_id_up(sim, people, view):
    id_ = await ask(sim)

    class OnlyLists:
        def allows(self, person, action, request=None):
            return request is None

    blind = replace(view, desk=replace(view.desk, roles=OnlyLists()))
    told = []
    for each in (id_, "made-up"):
        with pytest.raises(NoSuchRequest) as caught:
            await blind.shown(people.who("lena"), each)
        told.append(caught.value.description)
    assert told[0] == told[1]
    assert await blind.listed(people.who("lena"), "open") == []
    with pytest.raises(NotAllowed):
        await view.listed(people.who("stranger"), "open")


async def test_long_lists_are_quick_for_each_request_is_read_once(sim, people, view):
    record = await people.record(await ask(sim))
    who = people.who("lena")
    many = [
        replace(record, request=replace(record.request, id=f"r-{number}"), revision=0)
        for number in range(2000)
    ]
    for start in range(0, len(many), 1000):
        changes = tuple(change_of(each) for each in many[start : start + 1000])
        await sim.worker.store.commit(Write(changes=changes))
    await view.listed(who, "to-approve", limit=50)  # reads them all
    sim.clock.wind(seconds=30)
    await people.approve("r-7", "lena")
    await view.listed(who, "to-approve", limit=50)
    began = time.perf_counter()
    assert len(await view.listed(who, "to-approve", limit=50)) == 50
    assert time.perf_counter() - began < 1  # it takes a twentieth of that
    assert (await people.record("r-7")).status is Status.PENDING
    assert len(view.index._alive) == 2001
