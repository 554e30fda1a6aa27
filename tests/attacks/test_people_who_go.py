"""Who is disabled or removed: nothing that was theirs is good any more (ATTACKS 30)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fleeting.core.lifecycle import Status
from fleeting.core.people import Person
from fleeting.core.people_text import write_device
from fleeting.core.signing_in import DeviceAuthorization, DeviceStatus, LinkKind, digest
from fleeting.ports import RecordChange, RecordKind, Write
from fleeting.usecases.change_people import ChangePeople
from fleeting.usecases.people import KnownPeople
from tests.people import office
from tests.usecases.test_collect_token import LARGE, pending, refusal


@pytest.fixture
async def people(sim):
    return await office(sim)


@pytest.fixture
def changing(sim):
    return ChangePeople(sim.worker.store, sim.clock, "operator")


async def test_who_was_disabled_after_the_last_vote_gets_no_token(sim, people, changing):
    caller, token = sim.caller(), sim.user_token(sub="alice")
    await people.know("alice")
    id_ = pending(await caller.exchange(token, LARGE))["access_request_id"]
    await people.approve(id_)
    await changing.disable("alice")
    answer = await caller.exchange(token, LARGE, access_request_id=id_)
    assert "was disabled" in refusal(answer, "access_denied")
    assert (await people.record(id_)).status is Status.DENIED


async def test_a_link_of_somebody_who_is_removed_lets_nobody_in_under_their_name(sim, changing):
    await changing.add(Person("bob", "Bob", frozenset({"payments-leads"})))
    await changing.link("bob", LinkKind.SIGN_IN, "the-old-link")
    await changing.remove("bob")
    await changing.add(Person("bob", "Another Bob", frozenset({"payments-leads"})))
    assert await sim.worker.store.record(RecordKind.ENROLMENT, digest("the-old-link")) is None


async def test_nor_does_a_command_line_that_they_let_in(sim, changing):
    await changing.add(Person("bob", "Bob"))
    now = sim.clock.now()
    device = DeviceAuthorization("k" * 43, "BCDF-GHJK", now + timedelta(minutes=10))
    said = replace(device, status=DeviceStatus.APPROVED, person="bob", signed_in_at=now)
    kept = RecordChange(RecordKind.DEVICE, digest("code"), 0, "approved", write_device(said))
    other = replace(said, person="lena")
    lena = RecordChange(RecordKind.DEVICE, digest("lena's"), 0, "approved", write_device(other))
    await sim.worker.store.commit(Write(changes=(kept, lena)))
    await changing.remove("bob")
    assert await sim.worker.store.record(RecordKind.DEVICE, digest("code")) is None
    assert await sim.worker.store.record(RecordKind.DEVICE, digest("lena's")) is not None


async def test_nor_does_whoever_gets_their_name_stand_in_for_anybody(sim, people, changing):
    await people.know("bob", "mia")
    until = sim.clock.now() + timedelta(days=7)
    await people.deeds.delegate(people.who("lena"), "bob", until)
    await people.deeds.delegate(people.who("luis"), "mia", until)
    await changing.remove("bob")
    known = KnownPeople(sim.worker.store)
    assert (await known.person("lena")).delegations == ()
    assert [each.to for each in (await known.person("luis")).delegations] == ["mia"]
