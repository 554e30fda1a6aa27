"""Where the microseconds go: py-spy on the server while it issues."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench import fleeting_side, load, processes
from bench.callers import MODES, Side
from bench.report import Section, Table, say

_RATE_HZ = 500
_TOP = 25
_PACKAGES = re.compile(r"(?:.*/)?(?:site-packages|src|python3\.\d+)/")


@dataclass(slots=True)
class Profile:
    """Samples by function, and what one sample is worth."""

    requests: int
    cpu_us: float
    samples: int = 0
    own: Counter[str] = field(default_factory=Counter)
    inclusive: Counter[str] = field(default_factory=Counter)

    def add(self, stack: list[str], count: int) -> None:
        """Count one collapsed stack, outermost frame first."""
        self.samples += count
        self.own[stack[-1]] += count
        for frame in set(stack):
            self.inclusive[frame] += count

    def microseconds(self, count: int) -> float:
        """Turn samples into processor time per request."""
        return count / self.samples * self.cpu_us if self.samples else 0.0


def measure(*, quick: bool = False) -> Section:
    """Profile both modes."""
    seconds = 4 if quick else 12
    blocks: list[Table | str] = [_WHAT.format(rate=_RATE_HZ)]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        side = stack.enter_context(fleeting_side.running(directory / "fleeting"))
        for mode, title in MODES.items():
            say(f"profile: {title}")
            profile = load.run(_profile(side, mode, seconds, directory / f"{mode}.txt"))
            blocks += _blocks(title, profile)
    return Section("Where the microseconds go", blocks)


async def _profile(side: Side, mode: str, seconds: int, output: Path) -> Profile:
    warm = await load.measure(side.callers.token_url, await side.requests(mode, 2000))
    requests = await side.requests(mode, int(warm.rate * seconds))
    pid = processes.descendants(side.pid)[-1]
    spy = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "py-spy"),
        *("record", "--pid", str(pid), "--format", "raw", "--function", "--output", str(output)),
        *("--rate", str(_RATE_HZ), "--duration", str(seconds + 30)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    await asyncio.sleep(1.0)
    before = processes.cpu_seconds(side.pid)
    measured = await load.measure(side.callers.token_url, requests)
    cpu = processes.cpu_seconds(side.pid) - before
    if spy.returncode is None:
        spy.send_signal(2)
    _, errors = await asyncio.wait_for(spy.communicate(), 60)
    profile = Profile(measured.requests, cpu / measured.requests * 1e6)
    _read(output, profile, errors)
    return profile


def _read(path: Path, profile: Profile, errors: bytes) -> None:
    if not path.exists():
        raise RuntimeError(f"py-spy wrote nothing: {errors.decode(errors='replace')[-500:]}")
    for line in path.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [_PACKAGES.sub("", frame) for frame in stack.split(";")]
        if _busy(frames):
            profile.add(frames, int(count))


def _busy(frames: list[str]) -> bool:
    return bool(frames) and not frames[-1].startswith(("wait (threading", "_worker (concurrent"))


def _blocks(title: str, profile: Profile) -> list[Table | str]:
    head = (
        f"### {title}\n\n{profile.cpu_us:.0f} µs of processor time per token over "
        f"{profile.requests:,} tokens."
    )
    return [
        head,
        _table("function and all it calls", profile, profile.inclusive),
        _table("function alone", profile, profile.own),
    ]


def _table(header: str, profile: Profile, counts: Counter[str]) -> Table:
    table = Table((header, "share", "µs/token"))
    for frame, count in counts.most_common(_TOP):
        share = count / profile.samples
        table.rows.append((f"`{frame}`", f"{share:.1%}", f"{profile.microseconds(count):.0f}"))
    return table


_WHAT = """py-spy samples the server {rate} times a second under the issue load; shares of samples \
are turned into microseconds by the server's processor time per token. Time in C (SQLite, OpenSSL, \
uvloop) counts to the Python function that called it."""
