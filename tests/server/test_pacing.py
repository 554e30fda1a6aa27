import asyncio
import gc
import time

import pytest

from fleeting.server.pacing import paced


def work(count, seconds=0.0):
    for _ in range(count):
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            pass
        yield
    return "done"


def idle():
    return False


async def test_work_is_done_and_answers():
    assert await paced(work(10), idle) == "done"
    assert gc.isenabled()


async def test_what_the_work_raises_is_raised():
    def fails():
        yield
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await paced(fails(), idle)
    assert gc.isenabled()


async def test_where_collecting_is_off_it_stays_off():
    gc.disable()
    try:
        await paced(work(1), idle)
        assert not gc.isenabled()
    finally:
        gc.enable()


async def test_others_get_their_turn_between_slices():
    turns = []

    async def other():
        while True:
            turns.append(time.perf_counter())
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await paced(work(50, 0.001), idle)
    task.cancel()
    assert len(turns) >= 50


async def test_while_the_server_is_busy_the_work_waits_but_not_for_ever():
    started = time.perf_counter()
    await paced(work(10, 0.001), lambda: True)
    assert time.perf_counter() - started > 0.01 * 2


async def test_it_goes_on_as_soon_as_the_server_is_idle():
    asked = []

    def busy():
        asked.append(None)
        return len(asked) == 1

    await paced(work(20, 0.001), busy)
    assert len(asked) >= 3
