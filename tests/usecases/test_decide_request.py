"""What people do with a request besides voting on it: each deed once, recorded, told."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fleeting.core.errors import InvalidRequest, NoSuchRequest, NotAllowed, RequestChanged
from fleeting.core.evidence import EntryKind
from fleeting.core.lifecycle import Status
from fleeting.core.model import SCOPE_TYPE
from fleeting.core.offers import Narrowing
from fleeting.core.operations import parse_operation
from fleeting.core.people import ConsoleAction
from fleeting.core.request_deeds import Deed
from tests.people import office
from tests.simulator import REFUND, claims_of, granted

LARGE = {**REFUND, "amount": 50_000}


@pytest.fixture
async def people(sim):
    return await office(sim)


@pytest.fixture
def caller(sim):
    return sim.caller()


async def ask(caller):
    return (await caller.ask(LARGE)).json()["access_request_id"]


async def collect(caller, people, id_):
    await people.approve(id_)
    response = await caller.ask(LARGE, access_request_id=id_)
    granted(response)
    return response.json()["access_token"]


def less(sim, **changes):
    types = sim.worker.policy.rules().installation.catalogue.types
    return Narrowing(operations=(parse_operation({**LARGE, **changes}, types),))


async def kinds(sim):
    return [entry.kind for entry in await sim.recorded()]


async def test_a_no_is_final_and_needs_a_reason(sim, people, caller):
    id_ = await ask(caller)
    with pytest.raises(InvalidRequest, match="reason is needed"):
        await people.deeds.deny(people.who("lena"), id_, " ")
    record = await people.deny(id_, "too much")
    assert (record.status, record.reason) == (Status.DENIED, "too much")
    with pytest.raises(RequestChanged, match="denied"):
        await people.deny(id_)
    with pytest.raises(RequestChanged, match="denied"):
        await people.approve(id_)
    found = await kinds(sim)
    assert found.count(EntryKind.REQUEST_DENIED) == 1
    assert found.count(EntryKind.ACTION_REFUSED) == 3


async def test_who_stands_behind_it_cancels_it_and_does_not_deny_it(sim, people, caller):
    id_ = await ask(caller)
    await people.know("sam")
    own = replace(await people.record(id_), behind=frozenset({"sam"}))
    await people.deeds.desk.commit(Deed(own, ()), sim.clock.now())
    for deed in (
        people.deeds.deny(people.who("sam"), id_, "no"),
        people.deeds.narrow(people.who("sam"), id_, less(sim, amount=1)),
    ):
        with pytest.raises(NotAllowed):
            await deed
    record = await people.deeds.cancel(people.who("sam"), id_, "no longer needed")
    assert (record.status, record.ended_by) == (Status.CANCELLED, "sam")


async def test_votes_for_more_count_for_less_and_the_token_is_the_narrowed_one(sim, people, caller):
    id_ = await ask(caller)
    await people.approve(id_, "lena")
    record = await people.deeds.narrow(people.who("luis"), id_, less(sim, amount=20_000))
    assert record.offer.operations[0].fields["amount"] == 20_000
    assert len(record.votes) == 1
    await people.approve(id_, "luis")
    claims = granted(await caller.ask(LARGE, access_request_id=id_))
    assert claims["authorization_details"] == [{**LARGE, "amount": 20_000}]


async def test_narrowing_never_makes_wider_nor_what_policy_does_not_permit(sim, people, caller):
    id_ = await ask(caller)
    who = people.who("lena")
    for wanted, told in (
        (less(sim, amount=50_001), "50001 is more than 50000"),
        (Narrowing(lifetime=timedelta(minutes=6)), "6m is more than 5m"),
        (Narrowing(), "changes nothing"),
    ):
        with pytest.raises(InvalidRequest, match=told):
            await people.deeds.narrow(who, id_, wanted)
    before = await people.record(id_)
    assert before.offer == before.asked
    assert before.offer.operations[0].type != SCOPE_TYPE


async def test_questions_and_answers_are_kept_and_recorded(sim, people, caller):
    id_ = await ask(caller)
    await people.deeds.ask(people.who("lena"), id_, "which customer?")
    record = await people.deeds.answer(people.who("luis"), id_, "the one of <b>INC-7</b>")
    assert [it.text for it in record.remarks] == ["which customer?", "the one of <b>INC-7</b>"]
    assert (await kinds(sim))[-2:] == [EntryKind.REQUEST_ASKED, EntryKind.REQUEST_ANSWERED]
    with pytest.raises(InvalidRequest):
        await people.deeds.ask(people.who("lena"), id_, "two\nlines")


@pytest.mark.parametrize("deed", ["return_", "revoke"])
async def test_from_the_commit_on_no_token_of_it_is_spent(sim, people, caller, deed):
    id_ = await ask(caller)
    token = await collect(caller, people, id_)
    record = await getattr(people.deeds, deed)(people.who("lena"), id_, "done")
    assert record.status in (Status.RETURNED, Status.REVOKED)
    answer = (await sim.guard.spend(token)).json()
    assert (answer["active"], answer["reason"]) == (False, "revoked")
    jti = claims_of(token)["jti"]
    published = await sim.worker.store.published(0)
    assert {it.cutoff.value for it in published} >= {id_, jti}
    with pytest.raises(RequestChanged):
        await getattr(people.deeds, deed)(people.who("lena"), id_, "again")


async def test_a_grant_is_extended_by_the_same_people_and_goes_on_under_its_id(sim, people, caller):
    id_ = await ask(caller)
    await collect(caller, people, id_)
    await people.know("sam")
    new = await people.deeds.extend(people.who("sam"), id_, timedelta(minutes=5))
    assert (new.status, new.extends) == (Status.PENDING, id_)
    ended = await people.approve(new.id)
    assert ended.status is Status.ENDED
    granted(await caller.ask(LARGE, access_request_id=id_))
    assert EntryKind.REQUEST_EXTENDED in await kinds(sim)


async def test_what_is_over_is_not_extended_any_more(sim, people, caller):
    id_ = await ask(caller)
    await collect(caller, people, id_)
    await people.know("sam")
    new = await people.deeds.extend(people.who("sam"), id_, timedelta(minutes=1))
    await people.deeds.return_(people.who("sam"), id_)
    record = await people.approve(new.id)
    assert record.status is Status.DENIED
    assert "over" in record.reason
    with pytest.raises(RequestChanged, match="only a grant"):
        await people.deeds.extend(people.who("sam"), id_, timedelta(minutes=1))


async def test_roles_are_asked_for_every_deed_and_who_may_not_see_it_finds_nothing(
    sim, people, caller
):
    id_ = await ask(caller)

    class Nothing:
        def allows(self, person, action, request=None):
            return action is ConsoleAction.VIEW

    deeds = replace(people.deeds, desk=replace(people.deeds.desk, roles=Nothing()))
    who = people.who("lena")
    for deed in (
        deeds.approve(who, id_, "x"),
        deeds.deny(who, id_, "x"),
        deeds.narrow(who, id_, Narrowing()),
        deeds.ask(who, id_, "x"),
        deeds.answer(who, id_, "x"),
        deeds.cancel(who, id_),
        deeds.return_(who, id_),
        deeds.revoke(who, id_),
        deeds.extend(who, id_, timedelta(1)),
        deeds.close_review(who, id_, "x"),
        deeds.delegate(who, None),
        deeds.revoke_all(who, "client", "support-bot", "x"),
    ):
        with pytest.raises(NotAllowed, match="your roles do not let you"):
            await deed

    class Blind:
        def allows(self, person, action, request=None):
            return action is not ConsoleAction.VIEW

    deeds = replace(people.deeds, desk=replace(people.deeds.desk, roles=Blind()))
    with pytest.raises(NoSuchRequest):
        await deeds.deny(who, id_, "x")
    assert (await people.record(id_)).status is Status.PENDING
