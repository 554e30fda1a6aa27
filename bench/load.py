"""The load: a fixed number of prepared requests over N connections, timed one by one."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import uvloop

from bench import wire

ROUND_TIMEOUT_SECONDS = 120.0


_T = TypeVar("_T")


class BadAnswerError(RuntimeError):
    """The server answered something else than what the benchmark measures."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round measured."""

    requests: int
    seconds: float
    latencies_ms: tuple[float, ...]
    generator_busy: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    def percentile(self, percent: int) -> float:
        """Latency in ms under which `percent` of the requests stayed."""
        index = min(len(self.latencies_ms) - 1, len(self.latencies_ms) * percent // 100)
        return self.latencies_ms[index]


@dataclass(frozen=True, slots=True)
class Summary:
    """Medians over rounds."""

    rate: float
    p50_ms: float
    p99_ms: float
    rates: tuple[float, ...]

    @classmethod
    def of(cls, rounds: Sequence[Round]) -> Summary:
        """Take the median of each figure."""
        return cls(
            rate=statistics.median(each.rate for each in rounds),
            p50_ms=statistics.median(each.percentile(50) for each in rounds),
            p99_ms=statistics.median(each.percentile(99) for each in rounds),
            rates=tuple(each.rate for each in rounds),
        )

    @property
    def spread(self) -> str:
        """The slowest and the fastest round."""
        return f"{min(self.rates):,.0f} to {max(self.rates):,.0f}"


def run(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)


async def measure(
    url: str,
    requests: Sequence[bytes],
    *,
    connections: int = 16,
    check: Callable[[wire.Response], bool] | None = None,
) -> Round:
    """Send every request once, over `connections` connections, and time each.

    Raises:
        BadAnswerError: an answer was not what `check` (default: status 200) wants.
    """
    opened = [await wire.open_connection(url) for _ in range(connections)]
    answers: list[wire.Response] = []
    latencies: list[float] = []
    queue = iter(requests)
    gc.collect()
    gc.disable()
    try:
        busy = time.process_time()
        started = time.perf_counter()
        async with asyncio.timeout(ROUND_TIMEOUT_SECONDS):
            await asyncio.gather(*(_drive(each, queue, latencies, answers) for each in opened))
        seconds = time.perf_counter() - started
        busy = (time.process_time() - busy) / seconds
    finally:
        gc.enable()
        for each in opened:
            each.close()
    check_all(answers, check or is_ok)
    in_order = tuple(sorted(value * 1000 for value in latencies))
    return Round(len(latencies), seconds, in_order, busy)


async def _drive(
    connection: wire.Connection,
    queue: Iterator[bytes],
    latencies: list[float],
    answers: list[wire.Response],
) -> None:
    clock = time.perf_counter
    for request in queue:
        sent = clock()
        answer = await connection.exchange(request)
        latencies.append(clock() - sent)
        answers.append(answer)


def is_ok(answer: wire.Response) -> bool:
    """Tell whether the status is 200."""
    return answer.status == 200


def check_all(
    answers: Sequence[wire.Response], check: Callable[[wire.Response], bool] = is_ok
) -> None:
    """Insist that every answer is what `check` wants.

    Raises:
        BadAnswerError: one is not; the message shows the most frequent kinds.
    """
    bad = [answer for answer in answers if not check(answer)]
    if bad:
        kinds = Counter((answer.status, answer.body[:300]) for answer in bad).most_common(3)
        raise BadAnswerError(
            f"{len(bad)} of {len(answers)} answers are not what is measured: {kinds}"
        )


async def gather_answers(
    url: str, requests: Sequence[bytes], *, connections: int = 16
) -> list[wire.Response]:
    """Send every request once, untimed, and return the answers in order."""
    opened = [await wire.open_connection(url) for _ in range(connections)]
    answers: list[wire.Response | None] = [None] * len(requests)
    queue = iter(enumerate(requests))

    async def drive(connection: wire.Connection) -> None:
        for index, request in queue:
            answers[index] = await connection.exchange(request)

    try:
        async with asyncio.timeout(ROUND_TIMEOUT_SECONDS):
            await asyncio.gather(*(drive(each) for each in opened))
    finally:
        for each in opened:
            each.close()
    return [answer for answer in answers if answer is not None]
