"""A thousand who wait cost one read, and nobody polls faster than is allowed."""

import asyncio
from datetime import timedelta

import pytest

from fleeting.ports import RecordChange, RecordKind, Write
from fleeting.stores.memory import MemoryStore
from fleeting.usecases.turns import Turns
from fleeting.usecases.waiting import Pace, Waiting
from tests.simulator import WoundClock


def change(id_, seen=0):
    return Write(changes=(RecordChange(RecordKind.REQUEST, id_, seen, "pending", "{}"),))


class Counting(MemoryStore):
    reads = 0

    async def records_changed(self, kind, since, limit=1000):
        self.reads += 1
        return await super().records_changed(kind, since, limit)


@pytest.fixture
def clock():
    return WoundClock()


@pytest.fixture
def store(clock):
    return Counting(clock=clock)


async def test_a_thousand_wait_and_the_one_whose_request_changes_is_woken(store, clock):
    waiting = Waiting(store, clock, lambda _row: None)
    await store.commit(change("r-0"))
    woken = []

    async def wait_for(id_):
        with waiting.waiter(id_) as changed:
            await asyncio.wait([changed])
            woken.append(id_)

    async def follow():
        while True:
            await waiting.follow()

    await waiting.follow()
    waiters = [asyncio.create_task(wait_for(f"r-{n}")) for n in range(1000)]
    await asyncio.sleep(0)
    assert len(waiting) == 1000
    following = asyncio.create_task(follow())
    await asyncio.sleep(0.2)
    before = store.reads
    await store.commit(change("r-0", 1))
    async with asyncio.timeout(1):
        await waiters[0]
    assert woken == ["r-0"]
    assert store.reads - before <= 4
    waiting.stop()
    await asyncio.gather(*waiters)
    assert len(waiting) == 0
    following.cancel()


async def test_more_changes_at_one_instant_than_a_page_holds_are_all_seen(store, clock):
    seen = []
    waiting = Waiting(store, clock, lambda row: seen.append(row.id))
    writes = tuple(
        RecordChange(RecordKind.REQUEST, f"r-{n}", 0, "pending", "{}") for n in range(2100)
    )
    await store.commit(Write(changes=writes))
    with waiting.waiter("r-1"):
        await waiting.follow()
        assert len(set(seen)) == 2100
        count = len(seen)
        await waiting.follow()
        assert len(seen) == count


async def test_one_caller_does_not_take_all_the_room(store, clock):
    waiting = Waiting(store, clock, lambda _row: None)
    taken = [waiting.waiter("r-1") for _ in range(8)]
    for each in taken:
        each.__enter__()
    assert not waiting.has_room("r-1")
    assert waiting.has_room("r-2")
    for each in taken:
        each.__exit__(None, None, None)
    assert waiting.has_room("r-1")


def test_the_interval_grows_with_every_poll_that_is_too_early(clock):
    pace = Pace(clock)
    assert not pace.is_too_fast("r")
    assert pace.is_too_fast("r")
    assert pace.interval("r") == timedelta(seconds=10)
    clock.wind(seconds=9.6)
    assert not pace.is_too_fast("r")
    pace.forget("r")
    assert pace.interval("r") == timedelta(seconds=5)


def test_only_so_many_are_remembered(clock, monkeypatch):
    monkeypatch.setattr("fleeting.usecases.waiting._MOST_POLLED", 3)
    pace = Pace(clock)
    for n in range(5):
        pace.is_too_fast(f"r-{n}")
    assert not pace.is_too_fast("r-0")
    assert pace.is_too_fast("r-4")


async def test_turns_are_taken_one_after_the_other_and_forgotten():
    turns, order = Turns(), []

    async def take(n):
        async with turns.of("r"):
            order.append(("in", n))
            await asyncio.sleep(0)
            order.append(("out", n))

    await asyncio.gather(*(take(n) for n in range(3)))
    assert order == [(what, n) for n in range(3) for what in ("in", "out")]
    assert len(turns) == 0
