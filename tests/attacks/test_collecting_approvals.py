"""Approvals: whose they are, what they are of, and how often (ATTACKS 5, 28, 33)."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from fleeting.core.evidence import EntryKind
from fleeting.core.lifecycle import Status
from tests.people import office
from tests.simulator import POLICIES, REFUND, granted, new_key, simulator, start
from tests.usecases.test_collect_token import LARGE, asked, pending, refusal

TWO = {**LARGE, "payment_id": "43"}


@pytest.fixture
async def people(sim):
    return await office(sim)


async def with_policies(sim, text):
    """Put other policies in force."""
    for path in (sim.installation.directory / "policies").glob("*.cedar"):
        path.write_text(text)
    sim.worker.reloading.wish()
    await sim.worker.reloading.poll()


async def test_an_approval_of_one_request_is_no_approval_of_another(sim, people):
    caller = sim.caller()
    approved, other = await asked(caller), await asked(caller, TWO)
    await people.approve(approved)
    refusal(await caller.ask(TWO, access_request_id=approved), "invalid_grant")
    pending(await caller.ask(TWO, access_request_id=other))


async def test_an_id_is_worth_nothing_to_who_overheard_it(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    await people.approve(id_)
    for thief in (sim.caller("release-bot"), sim.caller(proof_key=new_key()), sim.caller("legacy")):
        refusal(await thief.ask(LARGE, access_request_id=id_), "invalid_grant")
    assert not await sim.recorded(EntryKind.TOKEN_ISSUED)


async def test_what_policy_forbids_after_the_approval_is_not_issued(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    await people.approve(id_)
    await with_policies(sim, POLICIES.replace("amount <= 500000", "amount <= 40000"))
    refusal(await caller.ask(LARGE, access_request_id=id_), "access_denied")
    assert (await people.record(id_)).status is Status.DENIED
    await with_policies(sim, POLICIES)
    refusal(await caller.ask(LARGE, access_request_id=id_), "access_denied")
    assert len(await sim.recorded(EntryKind.REQUEST_DENIED)) == 1


async def test_where_policy_asks_for_more_people_by_now_the_old_votes_are_too_few(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    await people.approve(id_)
    more = "2 of payments-leads, then 1 of finance"
    await with_policies(sim, POLICIES.replace("2 of payments-leads", more))
    told = refusal(await caller.ask(LARGE, access_request_id=id_), "access_denied")
    assert "other approvals" in told


async def test_of_what_was_approved_together_nothing_is_issued_alone(sim, people):
    caller = sim.caller()
    id_ = await asked(caller, LARGE, TWO)
    await people.approve(id_)
    no_43 = """
@id("never-43") forbid (principal, action == Action::"payment_refund:refund", resource)
when { context.operation.payment_id == "43" };
"""
    await with_policies(sim, POLICIES + no_43)
    refusal(await caller.ask(LARGE, TWO, access_request_id=id_), "access_denied")


async def test_a_shorter_life_in_policy_counts_for_what_was_approved_before(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    await people.approve(id_)
    await with_policies(
        sim,
        POLICIES.replace(
            '@lifetime("5m") @uses("1") @approval', '@lifetime("90s") @uses("1") @approval'
        ),
    )
    claims = granted(await caller.ask(LARGE, access_request_id=id_))
    assert claims["exp"] - claims["iat"] == 90


async def test_cancel_against_collect_has_one_outcome(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    await people.approve(id_)
    form = {"access_request_id": id_, "action": "cancel"}
    collect, cancel = await asyncio.gather(
        caller.ask(LARGE, access_request_id=id_), caller.post("/access-request", form, proves=True)
    )
    status = (await people.record(id_)).status
    assert (collect.status_code == 200) == (status is Status.GRANTED)
    assert (cancel.status_code == 200) == (status is Status.CANCELLED)


@pytest.mark.parametrize("plenty", [6])
async def test_in_two_workers_on_one_database_one_token_is_collected(tmp_path, plenty):
    async with (
        simulator(tmp_path, database="sqlite:///fleeting.db") as sim,
        AsyncExitStack() as more,
    ):
        sibling = await start(sim.installation, more, sim.clock)
        people, key = await office(sim), new_key()
        callers = [each.caller(proof_key=key) for each in (sim, sibling)]
        id_ = await asked(callers[0])
        await people.approve(id_)
        for caller in callers:
            await caller.ask(REFUND)  # for its nonce
        before = len(await sim.recorded(EntryKind.TOKEN_ISSUED))
        answers = await asyncio.gather(
            *(callers[n % 2].ask(LARGE, access_request_id=id_) for n in range(plenty))
        )
        assert sorted(it.status_code for it in answers) == [200] + [400] * (plenty - 1)
        assert {it.json()["error"] for it in answers if it.status_code == 400} == {"invalid_grant"}
        assert len(await sim.recorded(EntryKind.TOKEN_ISSUED)) == before + 1


async def test_one_client_fills_its_own_queue_and_nobody_else_s(tmp_path):
    settings = "open_requests_per_client = 3\nopen_requests = 5"
    async with simulator(tmp_path, settings=settings) as sim:
        caller = sim.caller()
        for n in range(3):
            await asked(caller, {**LARGE, "payment_id": f"p-{n}"})
        told = refusal(await caller.ask(LARGE), "access_denied")
        assert "3 access requests of this client wait" in told
        assert await asked(caller, {**LARGE, "payment_id": "p-0"})  # it waits already
        other = sim.caller("legacy")
        for n in range(2):
            await asked(other, {**LARGE, "payment_id": f"p-{n}"})
        refusal(await other.ask(LARGE), "temporarily_unavailable", 503)
        granted(await caller.ask(REFUND))  # what needs nobody is served
        await (await office(sim)).deny(await asked(caller, {**LARGE, "payment_id": "p-0"}))
        await sim.worker.asking.counter.waiting.follow()
        await asked(caller)


async def test_polls_leave_nothing_in_the_ledger_however_fast_they_come(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    before = len(await sim.ledger())
    for _ in range(20):
        assert (await caller.ask(LARGE, access_request_id=id_)).status_code == 400
    assert len(await sim.ledger()) == before
