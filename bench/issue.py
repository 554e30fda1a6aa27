"""Issue: tokens per second against the peer, like for like, twice."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import fleeting_side, load, peer_side, processes
from bench.callers import MODES, Side
from bench.load import Round, Summary
from bench.report import Section, Table, say

TARGET = 1.5


@dataclass(frozen=True, slots=True)
class Size:
    """How much to measure."""

    warm_up: int
    requests: int
    rounds: int


FULL = Size(warm_up=4000, requests=4000, rounds=7)
QUICK = Size(warm_up=1000, requests=1000, rounds=3)


@dataclass(frozen=True, slots=True)
class Measured:
    """The rounds of one side in one mode, and the server's processor time in them."""

    summary: Summary
    cpu_us: float
    generator_busy: float


def measure(*, quick: bool = False) -> Section:
    """Run both sides and both modes, rounds interleaved."""
    size = QUICK if quick else FULL
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sides: list[Side] = [stack.enter_context(fleeting_side.running(directory / "fleeting"))]
        if peer_side.available():
            sides.append(stack.enter_context(peer_side.running(directory)))
        measured = {mode: load.run(_mode(sides, mode, size)) for mode in MODES}
    return _section(measured, size)


async def _mode(sides: Sequence[Side], mode: str, size: Size) -> dict[str, Measured]:
    rounds: dict[str, list[Round]] = {side.name: [] for side in sides}
    cpu = dict.fromkeys(rounds, 0.0)
    for side in sides:
        say(f"issue: {MODES[mode]}: warming up {side.name}")
        await load.measure(side.callers.token_url, await side.requests(mode, size.warm_up))
    for number in range(size.rounds):
        for side in sides:
            requests = await side.requests(mode, size.requests)
            before = processes.cpu_seconds(side.pid)
            measured = await load.measure(side.callers.token_url, requests)
            cpu[side.name] += processes.cpu_seconds(side.pid) - before
            rounds[side.name].append(measured)
            say(f"issue: {MODES[mode]}: round {number + 1}: {side.name} {measured.rate:,.0f}/s")
    total = size.rounds * size.requests
    return {
        name: Measured(
            Summary.of(each), cpu[name] / total * 1e6, max(one.generator_busy for one in each)
        )
        for name, each in rounds.items()
    }


def _section(measured: dict[str, dict[str, Measured]], size: Size) -> Section:
    header = ("mode", "side", "tokens/s", "p50 ms", "p99 ms", "slowest to fastest", "CPU µs/token")
    table = Table(header)
    for mode, sides in measured.items():
        table.rows += [_row(MODES[mode], name, each) for name, each in sides.items()]
    busy = max(each.generator_busy for sides in measured.values() for each in sides.values())
    ours = _OURS.format(size=size, busy=busy)
    if not peer_side.available():
        return Section("Issue", [ours, table, "Left out: the peer needs Node.js and npm."])
    return Section(
        "Issue", [ours + _PEER.format(peer=peer_side.version()), table, _ratios(measured)]
    )


def _ratios(measured: dict[str, dict[str, Measured]]) -> Table:
    table = Table(("mode", "Fleeting to peer", f"at least {TARGET}"))
    for mode, sides in measured.items():
        ratio = sides["Fleeting"].summary.rate / sides["oidc-provider"].summary.rate
        table.rows.append((MODES[mode], f"{ratio:.2f}", "yes" if ratio >= TARGET else "**no**"))
    return table


def _row(mode: str, name: str, each: Measured) -> tuple[str, ...]:
    found = each.summary
    return (
        mode,
        name,
        f"{found.rate:,.0f}",
        f"{found.p50_ms:.2f}",
        f"{found.p99_ms:.2f}",
        found.spread,
        f"{each.cpu_us:.0f}",
    )


_OURS = """16 connections ask for `client_credentials` with one `authorization_details` object \
and one `resource`, for an ES256 `at+jwt`. Fleeting decides over 100 policies and commits token \
and ledger entry durably to SQLite before it answers. {size.rounds} rounds of {size.requests:,} \
requests, sides alternating; requests are signed before each round with the server's current \
nonce. CPU is the server process's own; the generator kept its core at most {busy:.0%} busy."""
_PEER = """ The peer is {peer} with its in-memory adapter and the same request: no policy, nothing \
durable."""
