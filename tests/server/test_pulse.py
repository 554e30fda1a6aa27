import asyncio
from datetime import timedelta

import pytest

from fleeting.ports import Cutoff, CutoffKind, Write
from fleeting.server.pulse import Pulse
from fleeting.stores.memory import MemoryStore
from fleeting.usecases.revocation_feed import RevocationFeed
from tests.simulator import START, WoundClock, eventually

CUT = Write(cutoffs=(Cutoff(CutoffKind.CLIENT, "bot", START, START + timedelta(hours=1)),))


@pytest.fixture
def store():
    return MemoryStore(clock=WoundClock())


@pytest.fixture
def pulse(store):
    made = Pulse(RevocationFeed(store, store, WoundClock()), timedelta(seconds=0))
    made.listeners = 1
    return made


async def test_where_nobody_listens_nothing_is_read(store, pulse):
    pulse.listeners = 0
    await store.commit(CUT)
    pulse.wake()
    await pulse.round()
    assert (pulse.beats, pulse.feed.id) == (0, "0")


async def test_a_round_wakes_all_streams_for_news_and_for_a_beat(store, pulse):
    turn = pulse.turn
    await pulse.round()
    assert turn.is_set()
    assert not pulse.turn.is_set()
    assert pulse.beats == 1


async def test_between_beats_only_news_wakes_anybody(store):
    pulse = Pulse(RevocationFeed(store, store, WoundClock()), timedelta(hours=1))
    pulse.listeners = 1
    await pulse.round()
    turn = pulse.turn
    await pulse.round()
    assert not turn.is_set()
    await store.commit(CUT)
    await pulse.round()
    assert turn.is_set()
    assert pulse.beats == 1


async def test_what_was_committed_here_is_told_without_waiting_for_the_next_round(store, pulse):
    await store.commit(CUT)
    pulse.wake()
    async with asyncio.timeout(1):
        await pulse.turn.wait()
    assert pulse.feed.id.startswith("1-")


async def test_where_many_listen_a_flood_of_revocations_is_told_in_turns(store):
    pulse = Pulse(RevocationFeed(store, store, WoundClock()), timedelta(hours=1))
    pulse.listeners = 5000
    await pulse.round()
    await store.commit(CUT)
    turn = pulse.turn
    await pulse.round()
    assert not turn.is_set()  # half a second has not passed
    pulse.listeners = 1
    await pulse.round()
    assert turn.is_set()


async def test_a_store_that_cannot_be_read_has_no_pulse_and_is_logged_once(store, pulse, log):
    store.available = False
    for _ in range(3):
        await pulse.round()
    assert pulse.beats == 0
    assert [line["event"] for line in log] == ["revocations cannot be read: guards hear nothing"]
    store.available = True
    await pulse.round()
    assert pulse.beats == 1


async def test_the_end_is_told_to_all_streams(pulse):
    turn = pulse.turn
    pulse.stop()
    await eventually(turn.is_set)
    assert pulse.stopping
