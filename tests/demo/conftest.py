"""The demo's two servers on real HTTP, and a bot that calls them."""

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from fleeting.demo.addresses import Addresses, PortTakenError, reserved
from fleeting.demo.endings import Endings
from fleeting.demo.installing import install
from fleeting.demo.people import cast
from fleeting.demo.performing import serving
from fleeting.demo.scene import scene
from fleeting.demo.screen import Screen
from tests.simulator import free_port

_PATIENCE_SECONDS = 60


def neighbouring_ports() -> Addresses:
    """Return two neighbouring ports that are free, away from those of other demos."""
    for _ in range(100):
        with suppress(PortTakenError), reserved(free_port()) as addresses:
            return addresses
    raise AssertionError("no two neighbouring ports are free")


def paper(width: int = 100) -> tuple[Screen, StringIO]:
    """Return a screen that can be read afterwards."""
    written = StringIO()
    return Screen(Console(file=written, width=width, highlight=False)), written


@pytest.fixture(scope="package")
def stage(tmp_path_factory):
    """Both servers of a fresh installation, and the bot."""
    directory = tmp_path_factory.mktemp("demo")
    addresses = neighbouring_ports()
    screen, _ = paper()
    install(directory, addresses)
    with (
        Endings() as endings,
        serving(directory, addresses, endings, screen),
        scene(directory, addresses, screen) as played,
    ):
        yield played


@pytest.fixture(scope="package")
def people(stage):
    """The demo's people, signed in."""
    with cast(stage.directory, stage.addresses) as people:
        yield people


class Demo:
    """``fleeting demo`` as a process. home: where its temporary directories are."""

    def __init__(self, process: "subprocess.Popen[bytes]", home: Path, output: Path) -> None:
        self.process = process
        self.home = home
        self.output = output
        self.keyboard = -1

    def said(self) -> str:
        if not self.output.exists():
            return ""
        return self.output.read_text(encoding="utf-8", errors="replace")

    def wait(self) -> int:
        return self.process.wait(_PATIENCE_SECONDS)

    def await_saying(self, text: str) -> None:
        until = time.monotonic() + _PATIENCE_SECONDS
        while text not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < until, self.said()
            time.sleep(0.05)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.wait()

    def type(self, text: str) -> None:
        """Type at its terminal."""
        os.write(self.keyboard, text.encode())

    def left_behind(self) -> list[Path]:
        return list(self.home.glob("fleeting-demo-*"))


@contextmanager
def demo_at_a_terminal(home: Path, *arguments: str):
    """Start ``fleeting demo`` where somebody sits and can type."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        _command(*arguments),
        stdin=its,
        stdout=its,
        stderr=its,
        env={**os.environ, "TMPDIR": str(home), "COLUMNS": "100", "TERM": "dumb"},
    )
    os.close(its)
    running = Demo(process, home, home / "output.txt")
    running.keyboard = ours
    threading.Thread(target=_copy, args=(ours, running.output), daemon=True).start()
    try:
        yield running
    finally:
        _end(process)
        os.close(ours)


def _copy(terminal: int, output: Path) -> None:
    with output.open("ab", buffering=0) as written, suppress(OSError):
        while chunk := os.read(terminal, 65_536):
            written.write(re.sub(rb"\r", b"", chunk))


def _command(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("fleeting")), "demo", *arguments]


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
        process.wait(_PATIENCE_SECONDS)


@contextmanager
def demo(home: Path, *arguments: str, **environment: str):
    """Start ``fleeting demo``; it is ended with the block, if it still runs."""
    output = home / "output.txt"
    with output.open("wb") as written:
        process = subprocess.Popen(
            _command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(home), "COLUMNS": "100", **environment},
        )
    try:
        yield Demo(process, home, output)
    finally:
        _end(process)
