"""Where the microseconds go: py-spy on the server while it issues."""

from __future__ import annotations

import asyncio
import re
import signal
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
_TOP = 30
_THREAD = re.compile(r"thread \((\d+)\): (.*)")
_LONG_PATHS = re.compile(r"(?<=\()(?:.*/)?(?:site-packages|src|python3\.\d+)/")
# What py-spy takes for work because a pinned thread that wakes up stands in the queue.
_WAITING = re.compile(r"_worker \(concurrent/|wait \(threading|\S*select\S* \(select")
# What stands around everything and so says nothing.
_FRAME = re.compile(
    r"<module>|.*\((?:typer|threading|asyncio/runners|concurrent|uvicorn/(?:main|server|_compat)|"
    r"fleeting/cli|fleeting/server/serving|contextlib)"
)


@dataclass(slots=True)
class Thread:
    """The samples of one thread, and its processor time per token."""

    name: str
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

    def microseconds(self, counts: Counter[str]) -> dict[str, float]:
        """Turn samples into processor time per token."""
        return {frame: count / self.samples * self.cpu_us for frame, count in counts.items()}


@dataclass(slots=True)
class Profile:
    """The threads of one server under one load."""

    requests: int
    threads: dict[int, Thread]

    def read(self, path: Path) -> None:
        """Read py-spy's collapsed stacks."""
        for line in path.read_text().splitlines():
            stack, _, count = line.rpartition(" ")
            head, *frames = [_LONG_PATHS.sub("", frame) for frame in stack.split(";")]
            found = _THREAD.match(head)
            thread = self.threads.get(int(found[1])) if found else None
            if (
                thread is not None
                and found is not None
                and frames
                and not _WAITING.match(frames[-1])
            ):
                thread.name = found[2]
                thread.add(frames, int(count))

    def total(self, kind: str) -> Counter[str]:
        """Add the threads up: processor time per token by function, `own` or `inclusive`."""
        total: Counter[str] = Counter()
        for thread in self.threads.values():
            for frame, spent in thread.microseconds(getattr(thread, kind)).items():
                total[frame] += spent  # type: ignore[assignment]
        return total


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
    url = side.callers.token_url
    await load.measure(url, await side.requests(mode, 1000))
    requests = await side.requests(mode, 3000)
    before = processes.thread_seconds(side.pid)
    clean = await load.measure(url, requests)
    after = processes.thread_seconds(side.pid)
    per_token = {tid: (after[tid] - before.get(tid, 0.0)) / clean.requests * 1e6 for tid in after}
    profile = Profile(
        clean.requests, {tid: Thread("", cpu) for tid, cpu in per_token.items() if cpu > 1}
    )
    await _spy(side, await side.requests(mode, int(clean.rate * seconds)), output)
    profile.read(output)
    return profile


async def _spy(side: Side, requests: list[bytes], output: Path) -> None:
    """Run py-spy over the server while it answers `requests`."""
    spy = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "py-spy"),
        *("record", "--pid", str(side.pid), "--format", "raw", "--function", "--threads"),
        *("--output", str(output), "--rate", str(_RATE_HZ), "--duration", "120"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        await asyncio.sleep(0.5)
        await load.measure(side.callers.token_url, requests)
    finally:
        if spy.returncode is None:
            spy.send_signal(signal.SIGINT)
        _, errors = await asyncio.wait_for(spy.communicate(), 60)
    if spy.returncode:
        raise processes.StartError(f"py-spy failed: {errors.decode(errors='replace')[-500:]}")


def _blocks(title: str, profile: Profile) -> list[Table | str]:
    whole = sum(thread.cpu_us for thread in profile.threads.values())
    threads = Table(("thread", "µs/token"))
    by_cpu = sorted(profile.threads.values(), key=lambda thread: -thread.cpu_us)
    threads.rows += [
        (thread.name or "(idle in Python)", f"{thread.cpu_us:.0f}") for thread in by_cpu
    ]
    inclusive, own = profile.total("inclusive"), profile.total("own")
    for frame in [frame for frame in inclusive if _FRAME.match(frame)]:
        del inclusive[frame]
    files: Counter[str] = Counter()
    for frame, spent in own.items():
        files[_file(frame)] += spent
    return [
        f"### {title}\n\n{whole:.0f} µs of processor time per token, in threads:",
        threads,
        _table("function and all it calls", inclusive, whole),
        _table("function alone", own, whole),
        _table("file alone", files, whole),
    ]


def _file(frame: str) -> str:
    return frame.rpartition("(")[2].partition(":")[0].rstrip(")")


def _table(header: str, spent: Counter[str], whole: float) -> Table:
    table = Table((header, "share", "µs/token"))
    for name, each in spent.most_common(_TOP):
        table.rows.append((f"`{name}`", f"{each / whole:.1%}", f"{each:.0f}"))
    return table


_WHAT = """py-spy samples each thread of the server {rate} times a second under the issue load; a \
thread's samples share out its processor time per token, as the kernel counted it in a round \
without py-spy. Time in C (SQLite, OpenSSL, Cedar) counts to the Python function that called it."""
