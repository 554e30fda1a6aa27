"""What is made less or longer by people stays within what policy and they meant (ATTACKS 28)."""

import json

import pytest

from fleeting.core.access_requests import Plan, Total
from fleeting.core.durations import parse_duration
from fleeting.core.errors import InvalidRequest
from fleeting.core.lifecycle import Status
from fleeting.core.offers import Narrowing
from tests.people import office
from tests.simulator import REFUND, granted, simulator
from tests.usecases.test_collect_token import asked, pending, refusal

POLICIES = """
@id("refunds-of-any-number-of-uses")
@lifetime("5m") @approval("1 of payments-leads") @plan("20 in 4h")
permit (principal in Group::"support", action == Action::"payment_refund:refund", resource);
"""
HOURS, MINUTES = parse_duration("2h"), parse_duration("5m")


@pytest.fixture
async def sim(tmp_path):
    async with simulator(tmp_path, policies=POLICIES) as running:
        yield running


@pytest.fixture
async def people(sim):
    return await office(sim)


async def planned(caller):
    plan = json.dumps({"calls": 10, "duration": "2h"})
    return pending(await caller.ask(REFUND, plan=plan))["access_request_id"]


async def test_a_total_that_an_approver_sets_holds_for_tokens_that_had_any_number_of_uses(
    sim, people
):
    caller = sim.caller()
    id_ = await planned(caller)
    total = Total("payment_refund", "amount", 2 * REFUND["amount"])
    await people.deeds.narrow(people.who("lena"), id_, Narrowing(plan=Plan(10, HOURS, (total,))))
    await people.approve(id_, "lena")
    for _ in range(2):
        claims = granted(await caller.ask(REFUND, access_request_id=id_))
        assert claims["uses"] == 1
    other = pending(await caller.ask(REFUND, access_request_id=id_))
    assert other["access_request_id"] != id_


@pytest.mark.parametrize("name", ["payment_refund.gone", "gone.amount", "payment_refund.currency"])
async def test_a_total_that_would_bound_nothing_is_refused(sim, people, name):
    id_ = await planned(sim.caller())
    type_, _, field = name.partition(".")
    plan = Plan(10, HOURS, (Total(type_, field, 1),))
    with pytest.raises(InvalidRequest, match="is no total"):
        await people.deeds.narrow(people.who("lena"), id_, Narrowing(plan=plan))
    assert (await people.record(id_)).offer.plan.totals == ()


async def test_a_grant_that_is_over_does_not_come_back_by_an_extension(sim, people):
    caller = sim.caller()
    id_ = await asked(caller, REFUND)
    await people.approve(id_, "lena")
    granted(await caller.ask(REFUND, access_request_id=id_))
    extension = await people.deeds.extend(people.who("lena"), id_, MINUTES)
    sim.clock.wind(minutes=5)  # and nobody went the rounds since
    decided = await people.approve(extension.id, "lena")
    assert decided.status is Status.DENIED
    refusal(await caller.ask(REFUND, access_request_id=id_), "invalid_grant")
    assert (await people.record(id_)).status is Status.ENDED
