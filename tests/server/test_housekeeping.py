from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

import pytest

from fleeting.cli.verifying import genuine
from fleeting.core.evidence import EntryKind
from fleeting.core.ledger_verification import verify_ledger
from fleeting.ports import StoreUnavailableError
from fleeting.server import housekeeping
from fleeting.server.housekeeping import prune_once, sign_checkpoint
from tests.simulator import (
    REFUND,
    Installation,
    WoundClock,
    claims_of,
    eventually,
    simulator,
    start,
)


async def test_a_worker_says_when_it_started_and_when_it_stopped(tmp_path):
    async with simulator(tmp_path) as sim:
        store = sim.worker.store
        loaded, entry = [chained.entry for chained in await sim.ledger()]
        assert loaded.kind == EntryKind.POLICY_LOADED
        assert entry.kind == EntryKind.SERVER_STARTED
        assert entry.body["policy_digest"] == sim.worker.policy.bundle.digest
    kinds = [chained.entry.kind async for chained in store.entries()]
    assert kinds[1:3] == [EntryKind.SERVER_STARTED, EntryKind.SERVER_STOPPED]
    assert kinds[-1] == EntryKind.CHECKPOINT


async def test_a_worker_whose_store_is_gone_at_the_end_still_stops(tmp_path, log):
    async with simulator(tmp_path) as sim:
        sim.worker.store.available = False
    assert any("without a last checkpoint" in line["event"] for line in log)


async def test_a_store_that_cannot_be_opened_stops_the_start_and_lets_go(tmp_path):
    installation = Installation(tmp_path, database="sqlite:////nowhere/at/all.db").write()
    async with AsyncExitStack() as stack:
        with pytest.raises(StoreUnavailableError):
            await start(installation, stack, WoundClock())


async def test_what_outlived_its_use_is_pruned_and_the_ledger_kept(sim):
    token = await sim.caller().token(REFUND)
    sim.clock.wind(days=2)
    await prune_once(sim.worker)
    assert await sim.worker.store.find(claims_of(token)["jti"]) is None
    assert len(await sim.recorded(EntryKind.TOKEN_ISSUED)) == 1


async def test_the_ledger_is_kept_for_as_long_as_it_is_told(tmp_path):
    async with simulator(tmp_path, settings="ledger_keep_days = 30") as sim:
        await sim.caller().token(REFUND)
        sim.clock.wind(days=29)
        await sim.caller().token(REFUND)
        await prune_once(sim.worker)
        assert len(await sim.recorded(EntryKind.TOKEN_ISSUED)) == 2
        sim.clock.wind(days=2)
        await prune_once(sim.worker)
        assert len(await sim.recorded(EntryKind.TOKEN_ISSUED)) == 1


async def test_what_is_pruned_is_signed_and_the_rest_verifies(tmp_path):
    async with simulator(tmp_path, settings="ledger_keep_days = 30") as sim:
        await sim.caller().token(REFUND)
        sim.clock.wind(days=31)
        await prune_once(sim.worker)
        (entry,) = await sim.recorded(EntryKind.LEDGER_PRUNED)
        assert "signature" in entry.body
        verify = genuine(sim.worker.signing_keys.everything())
        reader = partial(verify_ledger, verify=verify)
        assert (await sim.worker.store.examine(reader)).findings == ()


async def test_pruning_goes_on_in_batches_until_all_is_done(sim, monkeypatch):
    for _ in range(5):
        await sim.caller().token(REFUND)
    monkeypatch.setattr(housekeeping, "_PRUNE_ROWS", 2)
    monkeypatch.setattr(housekeeping, "_PRUNE_PAUSE_SECONDS", 0)
    sim.clock.wind(days=2)
    await prune_once(sim.worker)
    assert sim.worker.store.tables.tokens == {}
    assert sim.worker.store.tables.proofs == {}


async def test_checkpoints_tie_the_ledger_together_and_it_verifies(sim):
    await sim.caller().token(REFUND)
    await sign_checkpoint(sim.worker)
    await sim.caller().token(REFUND)
    await sign_checkpoint(sim.worker)
    kinds = [chained.entry.kind for chained in await sim.ledger()]
    assert kinds.count(EntryKind.CHECKPOINT) == 2
    found = await sim.worker.store.examine(verify_ledger)
    assert (found.findings, found.checkpoints) == ((), 2)


async def test_house_is_kept_while_it_serves_and_goes_on_after_a_fault(tmp_path, monkeypatch, log):
    monkeypatch.setattr(housekeeping, "_PRUNE_EVERY", timedelta(milliseconds=10))
    calls = []

    async def faulty(worker):
        calls.append(worker)
        if len(calls) == 1:
            raise StoreUnavailableError("gone for a moment")
        if len(calls) == 2:
            raise ZeroDivisionError

    monkeypatch.setattr(housekeeping, "prune_once", faulty)
    async with simulator(tmp_path):
        await eventually(lambda: len(calls) >= 3)
    events = [line["event"] for line in log]
    assert "housekeeping put off" in events
    assert "bug in housekeeping" in events
