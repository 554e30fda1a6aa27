import asyncio

import pytest

from fleeting.ports import StoreUnavailableError, WriteRefusedError
from fleeting.stores.group_commit import GroupCommit


class Backend:
    """Doubles numbers, refuses 13, and keeps the batches; waits while its gate is shut."""

    def __init__(self):
        self.batches = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fault = None

    async def apply(self, numbers):
        await self.gate.wait()
        self.batches.append(list(numbers))
        if self.fault is not None:
            raise self.fault
        if 13 in numbers:
            raise WriteRefusedError("13")
        return [2 * number for number in numbers]


@pytest.fixture
async def backend():
    return Backend()


async def submitted(group, numbers):
    tasks = [asyncio.create_task(group.submit(number)) for number in numbers]
    await asyncio.sleep(0.01)
    return tasks


async def test_an_idle_backend_is_given_a_wish_at_once(backend):
    group = GroupCommit(backend.apply)
    assert [await group.submit(number) for number in (1, 2)] == [2, 4]
    assert backend.batches == [[1], [2]]


async def test_wishes_that_come_while_the_backend_is_busy_are_done_together(backend):
    group = GroupCommit(backend.apply, batch=3)
    backend.gate.clear()
    tasks = await submitted(group, [0])
    tasks += await submitted(group, range(1, 6))
    backend.gate.set()
    assert await asyncio.gather(*tasks) == [0, 2, 4, 6, 8, 10]
    assert backend.batches == [[0], [1, 2, 3], [4, 5]]


async def test_a_failing_backend_fails_every_wish_of_the_batch_and_no_other(backend):
    group = GroupCommit(backend.apply)
    backend.fault = StoreUnavailableError("disk full")
    results = await asyncio.gather(*map(group.submit, range(3)), return_exceptions=True)
    assert [str(result) for result in results] == ["disk full"] * 3
    assert len({id(result) for result in results}) == 3
    backend.fault = None
    assert await group.submit(4) == 8


async def test_one_bad_wish_is_found_and_its_neighbours_are_done(backend):
    group = GroupCommit(backend.apply)
    numbers = [*range(5), 13, *range(5, 12), 13]
    results = await asyncio.gather(*map(group.submit, numbers), return_exceptions=True)
    for number, result in zip(numbers, results, strict=True):
        assert isinstance(result, WriteRefusedError) if number == 13 else result == 2 * number


async def test_beyond_its_limit_the_queue_refuses_at_once(backend):
    group = GroupCommit(backend.apply, batch=1, waiting=2)
    backend.gate.clear()
    tasks = await submitted(group, [0])
    tasks += await submitted(group, [1, 2])
    with pytest.raises(StoreUnavailableError, match="2 requests are waiting"):
        await group.submit(3)
    backend.gate.set()
    assert await asyncio.gather(*tasks) == [0, 2, 4]


async def test_a_caller_that_left_while_waiting_is_not_served(backend):
    group = GroupCommit(backend.apply)
    backend.gate.clear()
    tasks = await submitted(group, [0])
    tasks += await submitted(group, [1, 2])
    tasks[1].cancel()
    await asyncio.sleep(0)
    backend.gate.set()
    assert [await tasks[0], await tasks[2]] == [0, 4]
    assert backend.batches == [[0], [2]]


@pytest.mark.parametrize("fault", [None, StoreUnavailableError("x"), WriteRefusedError("13")])
async def test_a_caller_that_left_in_the_middle_changes_nothing_for_others(backend, fault):
    group = GroupCommit(backend.apply)
    backend.gate.clear()
    tasks = await submitted(group, [13 if isinstance(fault, WriteRefusedError) else 1, 2])
    backend.fault = fault if isinstance(fault, StoreUnavailableError) else None
    tasks[0].cancel()
    backend.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1] == 4 or str(results[1]) == "x"


async def test_when_all_callers_left_there_is_nothing_to_do(backend):
    group = GroupCommit(backend.apply)
    backend.gate.clear()
    tasks = await submitted(group, [0])
    tasks += await submitted(group, [1])
    tasks[1].cancel()
    await asyncio.sleep(0)
    backend.gate.set()
    assert await tasks[0] == 0
    await group.close()
    assert backend.batches == [[0]]


async def test_closing_finishes_what_was_taken_and_takes_nothing_more(backend):
    group = GroupCommit(backend.apply, batch=1)
    backend.gate.clear()
    tasks = await submitted(group, range(3))
    closing = asyncio.create_task(group.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailableError, match="closed"):
        await group.submit(9)
    backend.gate.set()
    await closing
    assert [task.result() for task in tasks] == [0, 2, 4]
    await group.close()


async def test_a_loop_that_ends_tells_those_who_wait(backend):
    group = GroupCommit(backend.apply)
    backend.gate.clear()
    [task] = await submitted(group, [1])
    group._runner.cancel()
    with pytest.raises(StoreUnavailableError, match="going down"):
        await task
