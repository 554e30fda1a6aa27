"""Issue: tokens per second against the peer, like for like, twice."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import fleeting_side, load, peer_side, processes
from bench.callers import MODES, Side
from bench.load import Round, Summary
from bench.report import Section, Table, say
from fleeting.policy import Verify

TARGET = 1.5
_BEARER = "basic"
_DECIDED = {
    "before: Cedar alone": Verify.CEDAR_ONLY,
    "compiled, permits confirmed": Verify.PERMITS,
    "compiled, one in 100 confirmed": Verify.SAMPLE,
}


@dataclass(frozen=True, slots=True)
class Size:
    """How much to measure."""

    warm_up: int
    requests: int
    rounds: int


FULL = Size(warm_up=4000, requests=4000, rounds=7)
QUICK = Size(warm_up=1000, requests=1000, rounds=3)


@dataclass(frozen=True, slots=True)
class Timed:
    """One round, the server's processor time in it, and that of everything else on the machine."""

    round: Round
    cpu_seconds: float
    others_seconds: float


@dataclass(frozen=True, slots=True)
class Measured:
    """The medians of one side in one mode; `busy` is a share of one core."""

    summary: Summary
    cpu_us: float
    generator_busy: float
    others_busy: float


def measure(*, quick: bool = False) -> Section:
    """Run both sides and both modes, rounds interleaved."""
    size = QUICK if quick else FULL
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sides: list[Side] = [stack.enter_context(fleeting_side.running(directory / "fleeting"))]
        if peer_side.available():
            sides.append(stack.enter_context(peer_side.running(directory)))
        measured = {mode: load.run(_mode(sides, mode, size)) for mode in MODES}
    section = _section(measured, size)
    section.blocks += [_ENGINES, _table({_BEARER: _engines(size)})]
    return section


def _engines(size: Size) -> dict[str, Measured]:
    """Measure issuing before there was a compiled engine, and with it."""
    text = fleeting_side.policy_text(fleeting_side.POLICIES - 1) + fleeting_side.BLOCKED
    with ExitStack() as stack:
        sides = []
        for name, verify in _DECIDED.items():
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            deciding = fleeting_side.Deciding(name, text, verify)
            running = fleeting_side.running(directory / "fleeting", deciding=deciding)
            sides.append(stack.enter_context(running))
        return load.run(_mode(sides, _BEARER, size))


async def _mode(sides: Sequence[Side], mode: str, size: Size) -> dict[str, Measured]:
    rounds: dict[str, list[Timed]] = {side.name: [] for side in sides}
    for side in sides:
        say(f"issue: {MODES[mode]}: warming up {side.name}")
        await load.measure(side.callers.token_url, await side.requests(mode, size.warm_up))
    for number in range(size.rounds):
        for side in sides:
            timed = await _round(side, mode, size.requests)
            rounds[side.name].append(timed)
            rate = f"{timed.round.rate:,.0f}/s"
            say(f"issue: {MODES[mode]}: round {number + 1}: {side.name} {rate}")
    return {name: _measured(each) for name, each in rounds.items()}


async def _round(side: Side, mode: str, count: int) -> Timed:
    requests = await side.requests(mode, count)
    own, whole = processes.cpu_seconds(side.pid), processes.machine_seconds()
    measured = await load.measure(side.callers.token_url, requests)
    own = processes.cpu_seconds(side.pid) - own
    whole = processes.machine_seconds() - whole
    return Timed(measured, own, whole - own - measured.generator_busy * measured.seconds)


def _measured(rounds: Sequence[Timed]) -> Measured:
    return Measured(
        Summary.of([each.round for each in rounds]),
        statistics.median(each.cpu_seconds / each.round.requests for each in rounds) * 1e6,
        max(each.round.generator_busy for each in rounds),
        statistics.median(each.others_seconds / each.round.seconds for each in rounds),
    )


def _section(measured: dict[str, dict[str, Measured]], size: Size) -> Section:
    table = _table(measured)
    busy = max(each.generator_busy for sides in measured.values() for each in sides.values())
    ours = _OURS.format(size=size, busy=busy)
    if not peer_side.available():
        return Section("Issue", [ours, table, "Left out: the peer needs Node.js and npm."])
    return Section(
        "Issue", [ours + _PEER.format(peer=peer_side.version()), table, _ratios(measured)]
    )


def _table(measured: dict[str, dict[str, Measured]]) -> Table:
    header = (
        "mode",
        "side",
        "tokens/s",
        "p50 ms",
        "p99 ms",
        "slowest to fastest",
        "CPU µs/token",
        "others",
    )
    table = Table(header)
    for mode, sides in measured.items():
        table.rows += [_row(MODES[mode], name, each) for name, each in sides.items()]
    return table


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
        f"{each.others_busy:.0%}",
    )


_OURS = """16 connections ask for `client_credentials` with one `authorization_details` object \
and one `resource`, for an ES256 `at+jwt`. Fleeting decides over 100 policies and commits token \
and ledger entry durably to SQLite before it answers. {size.rounds} rounds of {size.requests:,} \
requests, sides alternating; requests are signed before each round with the server's current \
nonce. CPU is the server process's own; the generator kept its core at most {busy:.0%} busy. \
Others: what everything else on the machine used of one core meanwhile, kernel included."""
_PEER = """ The peer is {peer} with its in-memory adapter and the same request: no policy, nothing \
durable."""
_ENGINES = """Before and after the compiled engine, measured likewise, with the bearer tokens that \
leave deciding the largest share: one policy more reads the payment, and every request has a \
payment of its own, so that none is answered from memory. Before: `verify = "cedar-only"`; after: \
`"permits"`, the default, under which Cedar still has to confirm every decision that is not \
remembered, so that these gain nothing, and `"sample"`, under which one in 100 is confirmed."""
