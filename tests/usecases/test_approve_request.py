"""A vote is for what was seen, by who may give it then; the last one is policy's to confirm."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fleeting.core.access_requests import RequestRecord
from fleeting.core.approvals import offer_digest
from fleeting.core.errors import (
    InsufficientUserAuthentication,
    InvalidRequest,
    NoSuchRequest,
    NotAllowed,
    RequestChanged,
    TemporarilyUnavailable,
)
from fleeting.core.evidence import EntryKind
from fleeting.core.lifecycle import Status
from fleeting.core.people import ConsoleAction
from fleeting.policy import PolicySource, load_policies
from fleeting.ports import Write
from fleeting.server.installing import policy_world
from fleeting.usecases.people import KnownPeople
from tests.people import office
from tests.simulator import POLICIES, REFUND

LARGE = {**REFUND, "amount": 50_000}


@pytest.fixture
async def people(sim):
    return await office(sim)


async def ask(sim):
    response = await sim.caller().ask(LARGE)
    return response.json()["access_request_id"]


async def digest(people, id_):
    return offer_digest(await people.record(id_))


async def change_person(sim, id_, **changes):
    kept = await KnownPeople(sim.worker.store).kept(id_)
    await sim.worker.store.commit(Write(changes=(kept.change(replace(kept.person, **changes)),)))


def put_in_force(sim, text):
    rules = sim.worker.policy.rules()
    bundle = load_policies([PolicySource("new.cedar", text)], policy_world(sim.worker.settings))
    sim.worker.policy.swap(replace(rules, policy=bundle))


async def refused(sim):
    (entry,) = await sim.recorded(EntryKind.ACTION_REFUSED)
    return entry


async def test_the_last_vote_approves_it_and_one_window_opens_to_collect_it(sim, people):
    id_ = await ask(sim)
    record = await people.approve(id_, "lena")
    assert (record.status, len(record.votes)) == (Status.PENDING, 1)
    sim.clock.wind(minutes=5)
    record = await people.approve(id_, "luis")
    assert record.status is Status.APPROVED
    assert record.expires_at == sim.clock.now() + timedelta(minutes=15)
    assert record == await people.record(id_)
    assert [entry.kind for entry in await sim.recorded()] == [
        EntryKind.REQUEST_PENDING,
        EntryKind.REQUEST_VOTED,
        EntryKind.REQUEST_VOTED,
        EntryKind.REQUEST_APPROVED,
    ]


async def test_a_vote_for_what_is_not_offered_any_more_is_refused(sim, people):
    id_ = await ask(sim)
    with pytest.raises(RequestChanged, match="it changed"):
        await people.deeds.approve(people.who("lena"), id_, "another digest")
    entry = await refused(sim)
    assert (entry.request_id, entry.body["person"]) == (id_, "lena")
    assert entry.body["action"] == ConsoleAction.APPROVE
    assert not (await people.record(id_)).votes


async def test_who_is_not_asked_may_not_vote_nor_deny_nor_narrow(sim, people):
    id_ = await ask(sim)
    await people.know("oscar", groups=("others",))
    who = people.who("oscar", "others", "payments-leads")  # the session says what is no longer so
    for deed in (
        people.deeds.approve(who, id_, await digest(people, id_)),
        people.deeds.deny(who, id_, "no"),
        people.deeds.narrow(who, id_, None),
    ):
        with pytest.raises(NotAllowed, match="payments-leads"):
            await deed
    with pytest.raises(NotAllowed, match="not known here"):
        await people.deeds.approve(people.who("stranger"), id_, await digest(people, id_))


async def test_an_old_login_must_be_renewed_first(sim, people):
    id_ = await ask(sim)
    who = people.who("lena")
    sim.clock.wind(minutes=1)
    desk = replace(people.deeds.desk, max_age=timedelta(seconds=59))
    deeds = replace(people.deeds, desk=desk)
    with pytest.raises(InsufficientUserAuthentication, match="log in again"):
        await deeds.approve(who, id_, await digest(people, id_))
    await deeds.approve(people.who("lena"), id_, await digest(people, id_))


@pytest.mark.parametrize("changes", [{"disabled": True}, {"groups": frozenset({"others"})}])
async def test_whoever_could_not_vote_any_more_does_not_count_at_the_last_vote(
    sim, people, changes
):
    id_ = await ask(sim)
    await people.know("lou")
    await people.approve(id_, "lena")
    await change_person(sim, "lena", **changes)
    record = await people.approve(id_, "luis")
    assert record.status is Status.PENDING
    assert (await people.approve(id_, "lou")).status is Status.APPROVED


async def test_policy_has_the_last_word_and_may_say_no(sim, people):
    id_ = await ask(sim)
    await people.approve(id_, "lena")
    put_in_force(sim, POLICIES.replace("<= 500000", "<= 40000"))
    record = await people.approve(id_, "luis")
    assert (record.status, record.ended_by) == (Status.DENIED, "fleeting")
    assert "no policy permits" in record.reason
    kinds = [entry.kind for entry in await sim.recorded()]
    assert kinds[-2:] == [EntryKind.REQUEST_VOTED, EntryKind.REQUEST_DENIED]


async def test_policy_may_ask_for_more_people_by_now(sim, people):
    id_ = await ask(sim)
    await people.know("lou")
    await people.approve(id_, "lena")
    put_in_force(sim, POLICIES.replace("2 of payments-leads", "3 of payments-leads"))
    record = await people.approve(id_, "luis")
    assert record.status is Status.PENDING
    assert record.terms.stages[0].count == 3
    assert (await people.approve(id_, "lou")).status is Status.APPROVED


async def test_a_client_that_is_declared_no_more_gets_nothing(sim, people):
    id_ = await ask(sim)
    await people.approve(id_, "lena")
    rules = sim.worker.policy.rules()
    gone = replace(rules.installation, registrations={})
    sim.worker.policy.swap(replace(rules, installation=gone))
    record = await people.approve(id_, "luis")
    assert record.status is Status.DENIED
    assert "not declared any more" in record.reason


async def test_what_expired_cannot_be_approved(sim, people):
    id_ = await ask(sim)
    await people.approve(id_, "lena")
    seen = await digest(people, id_)
    sim.clock.wind(minutes=15)
    with pytest.raises(RequestChanged, match="expired"):
        await people.deeds.approve(people.who("luis"), id_, seen)
    assert (await people.record(id_)).status is Status.EXPIRED
    assert len(await sim.recorded(EntryKind.REQUEST_EXPIRED)) == 1


async def test_what_is_no_request_is_not_found(sim, people):
    with pytest.raises(NoSuchRequest):
        await people.deeds.approve(people.who("lena"), "made-up\x1b", "x")
    entries = [it.entry for it in await sim.ledger() if it.entry.kind is EntryKind.ACTION_REFUSED]
    assert [entry.request_id for entry in entries] == [""]


async def test_a_comment_is_one_line(sim, people):
    id_ = await ask(sim)
    seen = await digest(people, id_)
    with pytest.raises(InvalidRequest, match="comment"):
        await people.deeds.approve(people.who("lena"), id_, seen, "a\x1b[2Jb")
    record = await people.deeds.approve(people.who("lena"), id_, seen, "<b>fine</b>")
    assert record.votes[0].comment == "<b>fine</b>"


async def test_nothing_is_told_where_the_store_cannot_keep_it(sim, people):
    id_ = await ask(sim)
    seen = await digest(people, id_)
    sim.worker.store.available = False
    with pytest.raises(TemporarilyUnavailable):
        await people.deeds.approve(people.who("lena"), id_, seen)
    sim.worker.store.available = True
    record: RequestRecord = await people.record(id_)
    assert not record.votes
