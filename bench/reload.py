"""Reload: token latencies while a set of 1,000 policies is built and put in force, and before."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench import fleeting_side, load, wire
from bench.fleeting_side import FleetingSide
from bench.report import Section, Table, say

POLICIES = 1000
TARGET = 2.0
_QUIET_SECONDS = 2.0
_REQUESTS = 20_000
_KINDS = {"one policy of them changes": 1, "all of them change": POLICIES}


@dataclass(slots=True)
class Load:
    """Callers that ask all the time; taken: every request's start and latency in seconds."""

    requests: Iterator[bytes]
    taken: list[tuple[float, float]] = field(default_factory=list)
    ended: bool = False

    async def call(self, url: str, pause: float) -> None:
        """Ask, think for *pause* seconds, ask again."""
        connection = await wire.open_connection(url)
        while not self.ended:
            sent = time.perf_counter()
            load.check_all([await connection.exchange(next(self.requests))])
            self.taken.append((sent, time.perf_counter() - sent))
            await asyncio.sleep(pause)
        connection.close()

    def between(self, start: float, end: float) -> list[float]:
        """Return the latencies in ms of what was in flight then."""
        found = [took for sent, took in self.taken if sent <= end and sent + took >= start]
        return sorted(took * 1000 for took in found)


@dataclass(frozen=True, slots=True)
class Reloaded:
    """One reload: the latencies before it and during it, and how long it took."""

    before: list[float]
    during: list[float]
    seconds: float


def measure(*, quick: bool = False) -> Section:
    """Reload under a load that leaves the server room, and under one that leaves it none."""
    rounds = 2 if quick else 5
    table = Table(("callers", "change", "p99 before ms", "p99 during ms", "times", "reload s"))
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        side = stack.enter_context(fleeting_side.running(directory / "fleeting"))
        load.run(_grow(side))
        for callers, pause in ((4, 0.01), (16, 0.0)):
            for kind, changed in _KINDS.items():
                say(f"reload: {callers} callers: {kind}")
                reloads = load.run(_reloads(side, callers, pause, changed, rounds))
                table.rows.append(_row(callers, kind, reloads))
    return Section("Reload", [_WHAT.format(rounds=rounds), table])


def _row(callers: int, kind: str, reloads: list[Reloaded]) -> tuple[str, ...]:
    before = statistics.median(_p99(each.before) for each in reloads)
    during = statistics.median(_p99(each.during) for each in reloads)
    took = statistics.median(each.seconds for each in reloads)
    times = f"{during / before:.2f}" + ("" if during / before <= TARGET else " (above)")
    return str(callers), kind, f"{before:.2f}", f"{during:.2f}", times, f"{took:.2f}"


def _p99(latencies: list[float]) -> float:
    return latencies[min(len(latencies) - 1, len(latencies) * 99 // 100)]


async def _grow(side: FleetingSide) -> None:
    """Bring the set to its size; the installation has a smaller one."""
    old = await _live(side)
    _write(side, 0, POLICIES)
    while await _live(side) == old:  # noqa: ASYNC110 -- it is in another process
        await asyncio.sleep(0.1)


async def _reloads(
    side: FleetingSide, callers: int, pause: float, changed: int, rounds: int
) -> list[Reloaded]:
    asking = Load(itertools.cycle(side.callers.basic(_REQUESTS)))
    tasks = [
        asyncio.create_task(asking.call(side.callers.token_url, pause)) for _ in range(callers)
    ]
    await asyncio.sleep(_QUIET_SECONDS)
    found = [await _reload(side, asking, changed) for _ in range(rounds)]
    asking.ended = True
    await asyncio.gather(*tasks)
    return found


async def _reload(side: FleetingSide, asking: Load, changed: int) -> Reloaded:
    old, quiet = await _live(side), time.perf_counter()
    while time.perf_counter() < quiet + _QUIET_SECONDS:  # asking as often as below
        await asyncio.sleep(0.05)
        await _live(side)
    started = time.perf_counter()
    _write(side, time.time_ns(), changed)
    while await _live(side) == old:  # noqa: ASYNC110 -- it is in another process
        await asyncio.sleep(0.05)
    ended = time.perf_counter()
    await asyncio.sleep(0.5)
    return Reloaded(asking.between(quiet, started), asking.between(started, ended), ended - started)


def _write(side: FleetingSide, mark: int, changed: int) -> None:
    """Save the policies with *changed* of them marked, so that they are not the same text."""
    text = fleeting_side.policy_text(POLICIES)
    marked = text.replace('@lifetime("60s")', f'@lifetime("60s") @description("{mark}")', changed)
    (side.directory / "policies" / "bench.cedar").write_text(marked)


async def _live(side: FleetingSide) -> str:
    url = f"{side.callers.issuer}/readyz"
    answer = await wire.once(wire.request_bytes("GET", url), url)
    live: str = answer.json()["policy"]["live"]
    return live


_WHAT = f"""The p99 of `POST /token` (client_secret_basic, bearer) in the two seconds before a \
file of {POLICIES:,} policies is saved, and from then until the server decides by it. The policies \
are written alike, each for a group of its own; what did not change is not checked again. Medians \
of {{rounds}} reloads. Four callers pause 10 ms between requests; sixteen never do, and leave the \
server no idle moment. At most {TARGET} times is wanted."""
