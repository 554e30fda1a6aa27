"""Who is away names who votes in their place; one seat, and for a time."""

from datetime import timedelta

import pytest

from fleeting.core.approvals import offer_digest
from fleeting.core.errors import InvalidRequest, NotAllowed
from fleeting.core.evidence import EntryKind
from fleeting.core.lifecycle import Status
from tests.people import office
from tests.simulator import REFUND

LARGE = {**REFUND, "amount": 50_000}


@pytest.fixture
async def people(sim):
    found = await office(sim)
    await found.know("dora", groups=("others",))
    return found


async def ask(sim):
    return (await sim.caller().ask(LARGE)).json()["access_request_id"]


async def approve(people, id_, who, *groups):
    seen = offer_digest(await people.record(id_))
    return await people.deeds.approve(people.who(who, *groups), id_, seen)


async def test_a_stand_in_votes_in_the_place_of_who_is_away_and_then_they_do_not(sim, people):
    id_ = await ask(sim)
    until = sim.clock.now() + timedelta(hours=1)
    person = await people.deeds.delegate(people.who("lena"), "dora", until)
    assert [it.to for it in person.delegations] == ["dora"]
    record = await approve(people, id_, "dora", "others")
    assert (record.votes[0].instead_of, record.votes[0].group) == ("lena", "payments-leads")
    with pytest.raises(NotAllowed, match="in your place"):
        await approve(people, id_, "lena")
    sim.clock.wind(seconds=1)
    await people.deeds.delegate(people.who("lena"), None)
    assert (await approve(people, id_, "luis")).status is Status.APPROVED
    entries = [it.entry for it in await sim.ledger() if it.entry.kind is EntryKind.PERSON_CHANGED]
    assert [it.body["away"] and it.body["away"]["to"] for it in entries] == ["dora", None]


async def test_who_is_back_or_whose_time_is_over_votes_for_themselves_alone(sim, people):
    id_ = await ask(sim)
    until = sim.clock.now() + timedelta(minutes=1)
    await people.deeds.delegate(people.who("lena"), "dora", until)
    sim.clock.wind(minutes=1)
    with pytest.raises(NotAllowed):
        await approve(people, id_, "dora", "others")
    await people.deeds.delegate(people.who("lena"), "dora", until + timedelta(minutes=5))
    sim.clock.wind(seconds=1)
    await people.deeds.delegate(people.who("lena"), None)
    with pytest.raises(NotAllowed):
        await approve(people, id_, "dora", "others")


@pytest.mark.parametrize(
    ("to", "hours", "told"),
    [
        ("nobody", 1, "another person who is known"),
        ("lena", 1, "another person who is known"),
        ("dora", 0, "until when"),
        ("dora", 24 * 61, "until when"),
    ],
)
async def test_only_somebody_else_stands_in_and_only_for_a_time(sim, people, to, hours, told):
    until = sim.clock.now() + timedelta(hours=hours)
    with pytest.raises(InvalidRequest, match=told):
        await people.deeds.delegate(people.who("lena"), to, until)
