"""Standing work: one plan is approved, and its tokens are issued one by one within it."""

import asyncio
import json

import pytest

from fleeting.core.durations import parse_duration
from fleeting.core.evidence import EntryKind
from fleeting.core.lifecycle import Status
from tests.people import office
from tests.simulator import REFUND, granted, simulator
from tests.usecases.test_collect_token import pending, refusal

POLICIES = """
@id("refund-plans")
@lifetime("5m") @uses("1") @approval("1 of payments-leads") @plan("20 in 4h")
permit (principal in Group::"support", action == Action::"payment_refund:refund", resource);

@id("small-reads")
@lifetime("5m") @plan("5 in 1h")
permit (principal in Group::"support", action == Action::"scope:payments:read", resource);

@id("payouts-alone")
@lifetime("5m") @uses("1") @approval("1 of payments-leads")
permit (principal in Group::"support", action == Action::"payout:send", resource);
"""
BOUNDS = {**REFUND, "amount": 10_000}
PLAN = {"calls": 10, "duration": "2h", "totals": {"payment_refund.amount": 25_000}}


@pytest.fixture
async def sim(tmp_path):
    async with simulator(tmp_path, policies=POLICIES) as running:
        yield running


@pytest.fixture
async def people(sim):
    return await office(sim)


async def planned(caller, plan=None, bounds=BOUNDS):
    body = pending(await caller.ask(bounds, plan=json.dumps(PLAN | (plan or {}))))
    return body["access_request_id"]


async def approved(sim, people, plan=None):
    caller = sim.caller()
    id_ = await planned(caller, plan)
    await people.approve(id_, "lena")
    return caller, id_


async def test_tokens_of_a_plan_come_one_by_one_each_within_it(sim, people):
    caller, id_ = await approved(sim, people)
    for amount in (10_000, 2_000, 3_000):
        claims = granted(await caller.ask({**BOUNDS, "amount": amount}, access_request_id=id_))
        assert claims["authorization_details"] == [{**BOUNDS, "amount": amount}]
    record = await people.record(id_)
    assert (record.status, record.calls) == (Status.GRANTED, 3)
    assert record.spent == {"payment_refund.amount": 15_000}
    issued = await sim.recorded(EntryKind.TOKEN_ISSUED)
    assert {entry.request_id for entry in issued} == {id_}
    assert len({entry.txn for entry in issued}) == 3


AT_ONCE = """
@id("small-refunds")
@lifetime("60s") @uses("1")
permit (principal in Group::"support", action == Action::"payment_refund:refund", resource)
when { context.operation.amount <= 5000 };
"""


async def test_what_would_need_nobody_by_itself_comes_of_the_plan_too(tmp_path):
    """The path of least ceremony has no plan; that it needs none must not close the plan."""
    async with simulator(tmp_path, policies=POLICIES + AT_ONCE) as sim:
        people = await office(sim)
        caller, id_ = await approved(sim, people)
        for amount in (10_000, 5_000):
            granted(await caller.ask({**BOUNDS, "amount": amount}, access_request_id=id_))
        record = await people.record(id_)
        assert (record.calls, record.spent) == (2, {"payment_refund.amount": 15_000})


async def test_what_is_beyond_the_plan_asks_again(sim, people):
    caller, id_ = await approved(sim, people)
    granted(await caller.ask(BOUNDS, access_request_id=id_))
    other = pending(await caller.ask({**BOUNDS, "payment_id": "43"}, access_request_id=id_))
    assert other["access_request_id"] != id_
    granted(await caller.ask(BOUNDS, access_request_id=id_))
    too_much = pending(await caller.ask(BOUNDS, access_request_id=id_))
    assert too_much["access_request_id"] != id_
    granted(await caller.ask({**BOUNDS, "amount": 5_000}, access_request_id=id_))


async def test_no_more_tokens_than_calls_come_however_many_ask_at_once(sim, people):
    caller, id_ = await approved(sim, people, {"calls": 3, "totals": {}})
    answers = await asyncio.gather(
        *(caller.ask({**BOUNDS, "amount": 1 + n}, access_request_id=id_) for n in range(12))
    )
    assert sorted(each.status_code for each in answers) == [200] * 3 + [400] * 9
    assert (await people.record(id_)).calls == 3
    assert len(await sim.recorded(EntryKind.TOKEN_ISSUED)) == 3


async def test_totals_hold_however_many_ask_at_once(sim, people):
    caller, id_ = await approved(sim, people)
    answers = await asyncio.gather(
        *(caller.ask({**BOUNDS, "amount": 4_000}, access_request_id=id_) for _ in range(10))
    )
    assert sum(each.status_code == 200 for each in answers) == 6
    assert (await people.record(id_)).spent == {"payment_refund.amount": 24_000}


async def test_a_plan_ends_with_its_time_and_its_tokens_with_it(sim, people):
    caller, id_ = await approved(sim, people)
    granted(await caller.ask(BOUNDS, access_request_id=id_))
    sim.clock.wind(hours=1, minutes=58)
    claims = granted(await caller.ask({**BOUNDS, "amount": 1}, access_request_id=id_))
    assert claims["exp"] - claims["iat"] == 120
    sim.clock.wind(minutes=2)
    refusal(await caller.ask({**BOUNDS, "amount": 1}, access_request_id=id_), "invalid_grant")
    assert (await people.record(id_)).status is Status.ENDED


async def test_in_the_last_moment_of_a_plan_no_token_comes_of_it(sim, people):
    caller, id_ = await approved(sim, people)
    granted(await caller.ask({**BOUNDS, "amount": 1}, access_request_id=id_))
    sim.clock.wind(hours=1, minutes=59, seconds=59, milliseconds=500)
    pending(await caller.ask({**BOUNDS, "amount": 2}, access_request_id=id_))


async def test_a_plan_that_waits_is_asked_for_with_less_or_as_it_was(sim, people):
    caller = sim.caller()
    id_ = await planned(caller)
    sim.clock.wind(seconds=6)
    plan = json.dumps(PLAN)
    pending(await caller.ask(BOUNDS, plan=plan, access_request_id=id_))
    sim.clock.wind(seconds=6)
    pending(await caller.ask({**BOUNDS, "amount": 1}, access_request_id=id_))
    wider = {**BOUNDS, "amount": 10_001}
    refusal(await caller.ask(wider, access_request_id=id_), "invalid_grant")
    another = json.dumps(PLAN | {"calls": 9})
    response = await caller.ask(BOUNDS, plan=another, access_request_id=id_)
    refusal(response, "invalid_grant")


@pytest.mark.parametrize("plan", [{"calls": 21}, {"duration": "5h"}])
async def test_a_larger_plan_than_policy_permits_is_denied(sim, plan):
    response = await sim.caller().ask(BOUNDS, plan=json.dumps(PLAN | plan))
    assert "at most 20 tokens in 4h" in refusal(response, "access_denied")


async def test_where_policy_permits_no_plan_it_is_denied(sim):
    payout = {"type": "payout", "actions": ["send"], "account": "DE02", "amount": "5.00"}
    plan = json.dumps({"calls": 2, "duration": "1h"})
    response = await sim.caller().ask(payout, plan=plan)
    assert "permits no plan" in refusal(response, "access_denied")
    response = await sim.caller("release-bot").ask(scope="deployments:read", plan=plan)
    refusal(response, "access_denied")


async def test_a_plan_that_needs_nobody_is_approved_by_policy_at_once(sim, people):
    caller = sim.caller()
    plan = json.dumps({"calls": 2, "duration": "1h"})
    id_ = pending(await caller.ask(scope="payments:read", plan=plan))["access_request_id"]
    for _ in range(2):
        granted(await caller.ask(scope="payments:read", access_request_id=id_))
    assert (await people.record(id_)).calls == 2
    again = await caller.ask(scope="payments:read", access_request_id=id_)
    granted(again)  # beyond the plan, and permitted without one
    assert "access_request_id" not in again.json()
    assert len(await sim.recorded(EntryKind.REQUEST_APPROVED)) == 1


async def test_a_plan_is_narrowed_and_extended(sim, people):
    caller, id_ = await approved(sim, people)
    granted(await caller.ask({**BOUNDS, "amount": 1}, access_request_id=id_))
    sim.clock.wind(hours=1, minutes=50)
    longer = await people.deeds.extend(people.who("lena"), id_, parse_duration("1h"))
    await people.approve(longer.id, "luis")
    sim.clock.wind(minutes=30)
    granted(await caller.ask({**BOUNDS, "amount": 2}, access_request_id=id_))


async def test_a_smaller_plan_in_policy_ends_what_was_agreed(sim, people):
    caller, id_ = await approved(sim, people)
    granted(await caller.ask({**BOUNDS, "amount": 1}, access_request_id=id_))
    for path in (sim.installation.directory / "policies").glob("*.cedar"):
        path.write_text(POLICIES.replace("20 in 4h", "2 in 1h"))
    sim.worker.reloading.wish()
    await sim.worker.reloading.poll()
    response = await caller.ask({**BOUNDS, "amount": 1}, access_request_id=id_)
    assert "at most 2 tokens in 1h" in refusal(response, "access_denied")


@pytest.mark.parametrize(
    "plan",
    [
        "x",
        "[]",
        "{}",
        '{"calls": 0, "duration": "1h"}',
        '{"calls": true, "duration": "1h"}',
        '{"calls": 1}',
        '{"calls": 1, "duration": 3600}',
        '{"calls": 1, "duration": "2d"}',
        '{"calls": 1, "duration": "1h", "more": 1}',
        '{"calls": 1, "duration": "1h", "totals": 3}',
        '{"calls": 1, "duration": "1h", "totals": {"amount": 3}}',
        '{"calls": 1, "duration": "1h", "totals": {"payment_refund.currency": 3}}',
        '{"calls": 1, "duration": "1h", "totals": {"payout.amount": "3.00"}}',
        '{"calls": 1, "duration": "1h", "totals": {"payment_refund.amount": "3"}}',
        '{"calls": 1, "duration": "1h", "totals": {"payment_refund.amount": -1}}',
    ],
)
async def test_what_is_no_plan_is_said_to_be_none(sim, plan):
    assert "plan" in refusal(await sim.caller().ask(BOUNDS, plan=plan), "invalid_request")
