"""The processes under measurement: pinned, waited for, and always ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

SERVER_CORE = 0
GENERATOR_CORE = 1
_START_SECONDS = 30.0
_STOP_SECONDS = 10.0


class StartError(RuntimeError):
    """A server did not become ready."""


def pin_generator() -> None:
    """Keep this process on its own core."""
    os.sched_setaffinity(0, {GENERATOR_CORE})


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(
    command: Sequence[str],
    ready_url: str,
    *,
    core: int = SERVER_CORE,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server pinned to `core` until the block ends; wait until `ready_url` answers.

    Raises:
        StartError: it ended or stayed silent; the message carries its last output.
    """
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *command],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            process_group=0,
        )
        try:
            _await_ready(process, ready_url, log.fileno())
            yield process
        finally:
            stop(process)


def _await_ready(process: subprocess.Popen[bytes], url: str, log: int) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            if httpx.get(url, timeout=1.0, trust_env=False).status_code < 500:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    tail = os.pread(log, 1_000_000, 0)[-3000:].decode(errors="replace")
    raise StartError(f"{process.args!r} is not ready at {url}; it said:\n{tail}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process group that was started here: SIGTERM, then SIGKILL."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def rss_mib(pid: int) -> float:
    """Resident memory of a process in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(f"process {pid} has no resident memory")


def cpu_seconds(pid: int) -> float:
    """Processor time a process and those below it have used so far."""
    return sum(_cpu_seconds(each) for each in descendants(pid))


def thread_seconds(pid: int) -> dict[int, float]:
    """Processor time that each thread of a process has used so far, by thread id."""
    tasks = Path(f"/proc/{pid}/task")
    return {int(task.name): _cpu_seconds(f"{pid}/task/{task.name}") for task in tasks.iterdir()}


def machine_seconds() -> float:
    """Processor time that all of the machine has used so far."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _cpu_seconds(task: int | str) -> float:
    fields = Path(f"/proc/{task}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descendants(pid: int) -> list[int]:
    """Return `pid` and every process below it."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found
