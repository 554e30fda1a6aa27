"""A throw-away PostgreSQL cluster on loopback, with its default durability."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import processes

_OWNER = "postgres"
_START_SECONDS = 30.0


class MissingError(RuntimeError):
    """PostgreSQL is not installed here."""


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    path = shutil.which("initdb")
    if path is None:
        raise MissingError("PostgreSQL is not installed: apt-get install postgresql")
    return Path(path).parent


def _as_owner() -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["runuser", "-u", _OWNER, "--"] if os.geteuid() == 0 else []


@contextmanager
def running(core: int = processes.GENERATOR_CORE) -> Iterator[str]:
    """Run a cluster pinned to `core` and yield the URL of its empty database.

    Raises:
        MissingError: there is no PostgreSQL here.
    """
    binaries = _binaries()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        if os.geteuid() == 0:
            os.chown(directory, pwd.getpwnam(_OWNER).pw_uid, -1)
        data = str(directory / "data")
        init = [str(binaries / "initdb"), "-D", data, "-A", "trust", "-U", _OWNER]
        subprocess.run([*_as_owner(), *init], check=True, capture_output=True, timeout=60)
        port = processes.free_port()
        options = ["-h", "127.0.0.1", "-p", str(port), "-k", name]
        command = [str(binaries / "postgres"), "-D", data, *options]
        process = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *_as_owner(), *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        try:
            _await_ready(binaries / "pg_isready", port)
            yield f"postgresql://{_OWNER}@127.0.0.1:{port}/postgres"
        finally:
            processes.stop(process)


def _await_ready(pg_isready: Path, port: int) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        command = [str(pg_isready), "-h", "127.0.0.1", "-p", str(port)]
        if subprocess.run(command, check=False, capture_output=True).returncode == 0:
            return
        time.sleep(0.1)
    raise processes.StartError(f"PostgreSQL did not start on port {port}")
