"""Who is away makes nobody two people, however they pass it around (ATTACKS 28, 33)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fleeting.core.approvals import offer_digest
from fleeting.core.errors import InvalidRequest, NotAllowed
from fleeting.core.lifecycle import Status
from fleeting.usecases.be_away import MOST_REMEMBERED
from fleeting.usecases.change_people import ChangePeople
from tests.people import office
from tests.usecases.test_collect_token import asked


@pytest.fixture
async def people(sim):
    found = await office(sim)
    await found.know("dora", "eve", groups=("others",))
    return found


@pytest.fixture
async def away(sim, people):
    async def away(who, to):
        until = sim.clock.now() + timedelta(days=1)
        return await people.deeds.delegate(people.who(who), to, until)

    return away


async def vote(people, id_, who):
    seen = offer_digest(await people.record(id_))
    return await people.deeds.approve(people.who(who), id_, seen)


async def test_two_who_stand_in_for_each_other_have_one_vote_each(sim, people, away):
    await away("lena", "luis")
    await away("luis", "lena")
    id_ = await asked(sim.caller())
    assert (await vote(people, id_, "lena")).status is Status.PENDING
    with pytest.raises(NotAllowed, match="voted already"):
        await vote(people, id_, "lena")
    assert (await vote(people, id_, "luis")).status is Status.APPROVED


async def test_who_stands_in_for_two_has_one_vote(sim, people, away):
    await away("lena", "dora")
    await away("luis", "dora")
    id_ = await asked(sim.caller())
    assert (await vote(people, id_, "dora")).status is Status.PENDING
    with pytest.raises(NotAllowed, match="voted already"):
        await vote(people, id_, "dora")


async def test_who_stands_in_passes_it_on_to_nobody_not_even_round_in_a_circle(sim, people, away):
    await away("lena", "dora")
    await away("dora", "eve")
    await away("eve", "lena")
    id_ = await asked(sim.caller())
    with pytest.raises(NotAllowed, match="for payments-leads to decide"):
        await vote(people, id_, "eve")
    assert (await vote(people, id_, "dora")).votes[0].instead_of == "lena"
    with pytest.raises(NotAllowed, match="in your place"):
        await vote(people, id_, "lena")


async def test_one_human_with_two_names_has_one_vote_and_stands_in_for_nobody_of_themselves(
    sim, people, away
):
    known = replace(people.who("mia").person, aliases=frozenset({"p:mia"}))
    await ChangePeople(sim.worker.store, sim.clock, "operator").add(known)
    id_ = await asked(sim.caller())
    assert (await vote(people, id_, "mia")).status is Status.PENDING
    with pytest.raises(NotAllowed, match="voted already"):
        await vote(people, id_, "p:mia")
    with pytest.raises(InvalidRequest, match="another person"):
        await away("mia", "p:mia")


async def test_nobody_fills_their_record_with_whom_they_named(sim, people, away):
    for n in range(MOST_REMEMBERED):
        await away("lena", ("dora", "eve")[n % 2])
        sim.clock.wind(seconds=1)
    with pytest.raises(InvalidRequest, match="too often today"):
        await away("lena", "dora")
    back = await people.deeds.delegate(people.who("lena"), None)  # that they may always say
    assert all(each.until <= sim.clock.now() for each in back.delegations)
    sim.clock.wind(days=2)
    await away("lena", "dora")
