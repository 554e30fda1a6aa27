"""Memory: the resident size of a worker over 200,000 tokens."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import fleeting_side, load, processes
from bench.callers import Side
from bench.report import Section, Table, say

TOKENS = 200_000
QUICK_TOKENS = 20_000
_STEPS = 20
_FLAT_MIB = 16.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Resident size after so many tokens."""

    tokens: int
    mib: float


def measure(*, quick: bool = False) -> Section:
    """Issue bound tokens (each leaves a proof id, an assertion id and a ledger entry) and watch."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "fleeting"
        side = stack.enter_context(fleeting_side.running(directory))
        samples: list[Sample] = load.run(_watch(side, QUICK_TOKENS if quick else TOKENS))
        database = sum(path.stat().st_size for path in directory.glob("*.db*")) / 2**20
    return _section(samples, database)


async def _watch(side: Side, total: int) -> list[Sample]:
    step = total // _STEPS
    samples = []
    for number in range(1, _STEPS + 1):
        requests = await side.requests("dpop", step)
        await load.measure(side.callers.token_url, requests)
        sample = Sample(number * step, sum(map(processes.rss_mib, processes.descendants(side.pid))))
        samples.append(sample)
        say(f"memory: {sample.tokens:,} tokens: {sample.mib:.1f} MiB")
    return samples


def _section(samples: list[Sample], database: float) -> Section:
    table = Table(("tokens", "resident MiB"))
    table.rows += [(f"{each.tokens:,}", f"{each.mib:.1f}") for each in samples[1::2]]
    half = samples[len(samples) // 2]
    growth = samples[-1].mib - half.mib
    verdict = (
        f"From {half.tokens:,} to {samples[-1].tokens:,} tokens: {growth:+.1f} MiB "
        f"({'flat' if growth <= _FLAT_MIB else '**not flat**'}: at most {_FLAT_MIB:.0f} MiB). "
        f"The database has {database:,.0f} MiB then."
    )
    return Section("Memory", [_WHAT, table, verdict])


_WHAT = """Resident size of the one worker while it issues DPoP-bound tokens to a client that \
authenticates with private_key_jwt, on SQLite."""
