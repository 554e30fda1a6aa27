"""No use is given twice and no acknowledged record is lost: between tasks, threads, processes."""

import asyncio
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fleeting.core.evidence import EntryKind
from fleeting.core.ledger_verification import verify_ledger
from fleeting.core.model import Spend
from fleeting.ports import Write

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
AUDIENCE = "https://payments.example"
WORKER = Path(__file__).with_name("worker.py")


def worker(url, *arguments):
    return subprocess.Popen(
        [sys.executable, WORKER, url, *arguments], stdout=subprocess.PIPE, text=True
    )


async def test_of_many_racing_tasks_as_many_win_as_there_are_uses(backend, token):
    stores = [await backend.store() for _ in range(3)]
    record = token(uses=7)
    await stores[0].commit(Write(token=record))

    async def attempt(number):
        spend = Spend(record.jti, f"use-{number}", AUDIENCE)
        return (await stores[number % 3].commit(Write(spend=spend))).spend.use

    uses = await asyncio.gather(*(attempt(number) for number in range(90)))
    assert sorted(use for use in uses if use) == [1, 2, 3, 4, 5, 6, 7]
    assert (await stores[1].find(record.jti)).used == 7


async def test_one_use_id_wins_one_use_however_many_ask_with_it_at_once(backend, token):
    stores = [await backend.store() for _ in range(3)]
    record = token(uses=5)
    await stores[0].commit(Write(token=record))
    spend = Write(spend=Spend(record.jti, "same", AUDIENCE))
    results = await asyncio.gather(*(stores[number % 3].commit(spend) for number in range(30)))
    assert {result.spend.use for result in results} == {1}
    assert [result.spend.repeated for result in results].count(False) == 1
    assert (await stores[0].find(record.jti)).used == 1


async def test_a_claim_is_taken_by_one_of_many_stores(backend, claim):
    stores = [await backend.store() for _ in range(3)]
    wishes = [Write(claims=(claim(number), claim(19 - number))) for number in range(20)]
    outcomes = await asyncio.gather(*(store.commit(wish) for wish in wishes for store in stores))
    won = [outcome for outcome in outcomes if outcome.replayed is None]
    assert 0 < len(won) <= 10


async def test_tokens_spent_crosswise_by_many_stores_all_get_their_uses(backend, token):
    stores = [await backend.store() for _ in range(3)]
    records = [token(uses=3) for _ in range(20)]
    await asyncio.gather(*(stores[0].commit(Write(token=record)) for record in records))

    async def spend_all(number, order):
        wishes = [Write(spend=Spend(it.jti, f"use-{number}", AUDIENCE)) for it in order]
        return await asyncio.gather(*(stores[number].commit(wish) for wish in wishes))

    orders = [records, records[::-1], records[10:] + records[:10]]
    outcomes = await asyncio.gather(*(spend_all(*numbered) for numbered in enumerate(orders)))
    assert all(outcome.spend.use for each in outcomes for outcome in each)
    assert {(await stores[0].find(record.jti)).used for record in records} == {3}


async def test_of_many_racing_threads_as_many_win_as_there_are_uses(backend, token):
    record = token(uses=5)
    await (await backend.store()).commit(Write(token=record))
    won = []

    async def race(name):
        store = await backend.store()
        backend.stores.remove(store)
        spends = [Spend(record.jti, f"{name}-{number}", AUDIENCE) for number in range(20)]
        outcomes = await asyncio.gather(*(store.commit(Write(spend=it)) for it in spends))
        won.extend(outcome.spend.use for outcome in outcomes if outcome.spend.use)
        await store.close()

    threads = [threading.Thread(target=lambda n=n: asyncio.run(race(n))) for n in range(4)]
    for thread in threads:
        thread.start()
    await asyncio.to_thread(lambda: [thread.join() for thread in threads])
    assert sorted(won) == [1, 2, 3, 4, 5]


async def test_of_many_racing_processes_as_many_win_as_there_are_uses(database, token):
    store = await database.store()
    now = datetime.now(UTC)
    record = token(uses=30, issued_at=now, expires_at=now + timedelta(hours=1))
    await store.commit(Write(token=record))
    processes = [worker(database.url, "spend", record.jti) for _ in range(3)]
    outputs = [await asyncio.to_thread(process.communicate) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    lines = [line for output, _ in outputs for line in output.splitlines()]
    assert sorted(int(line[4:]) for line in lines if line.startswith("use")) == [*range(1, 31)]
    assert sorted(int(line[6:]) for line in lines if line.startswith("claim")) == [*range(100)]
    spent = [it for it in await store.story("race") if it.entry.kind is EntryKind.TOKEN_SPENT]
    assert sorted(it.entry.body["use"] for it in spent) == [*range(1, 31)]
    verification = await store.examine(verify_ledger)
    assert [it for it in verification.findings if it.writer] == []
    assert (verification.entries, verification.chains) == (150, 3)


async def test_a_killed_writer_has_lost_nothing_that_it_acknowledged(database):
    store = await database.store()
    processes = [worker(database.url, "load", name) for name in ("a", "b")]
    for process in processes:
        while not process.stdout.readline().startswith("spent"):
            pass
    await asyncio.sleep(0.7)
    for process in processes:
        process.kill()
    lines = [line for it in processes for line in it.communicate()[0].splitlines()]
    issued = {line.split()[1] for line in lines if line.startswith("issued")}
    spent = [line.split()[1] for line in lines if line.startswith("spent") and line[-1] != "-"]
    assert len(spent) > 50

    entries = [chained.entry async for chained in store.entries()]
    recorded = [it.jti for it in entries if it.kind is EntryKind.TOKEN_ISSUED]
    uses = [it.jti for it in entries if it.kind is EntryKind.TOKEN_SPENT]
    assert issued <= set(recorded)
    assert set(spent) <= set(uses)
    assert len(uses) == len(set(uses))
    for jti in recorded:
        assert (await store.find(jti)).used == uses.count(jti) <= 1
    verification = await store.examine(verify_ledger)
    assert (verification.findings, verification.chains) == ((), 2)
