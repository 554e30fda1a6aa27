"""A directory in which a page's examples run as a reader runs them: files, a shell, servers."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import pytest
from typer.testing import CliRunner

from fleeting.cli.app import app
from tests.cli.approving import sign_in
from tests.docs.markdown import ROOT, Block

BIN = Path(sys.executable).parent
ISSUER, RESOURCE = "http://127.0.0.1:8400", "http://127.0.0.1:8401"
_DONE = "the-command-has-ended"
_ALONE = re.compile(r"(?:\.venv/bin/)?fleeting [^|<>$&;`\\]*")
_SERVERS = re.compile(r"^(?:fleeting serve|uvicorn)\b")
_PATIENCE_SECONDS = 90.0  # on a machine that is busy with other things


class Failure(AssertionError):
    """An example did not do what its page says."""


class Playground:
    """One page's world: its own directory, its own ports, a shell that remembers."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        ports = {ISSUER: free_port(), RESOURCE: free_port()}
        self._ports = {url.rpartition(":")[2]: str(port) for url, port in ports.items()}
        self.issuer, self.resource = (f"http://127.0.0.1:{port}" for port in ports.values())
        self._config = ""
        self._person = ""
        self._names: dict[str, Any] = {"__name__": "example"}
        self._shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=directory,
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("FLEETING_")}
        return {
            **kept,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT / 'src'}",
            "COLUMNS": "120",
            "NO_COLOR": "1",
            "PYTHONWARNINGS": "ignore",
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        """End the shell and every server that it started: they are one process group."""
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(self._shell.pid, signal.SIGTERM)
            self._shell.wait(5)
        with suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait()
        for stream in (self._shell.stdin, self._shell.stdout):
            if stream is not None:
                stream.close()

    def here(self, text: str) -> str:
        """Return *text* with this playground's ports and programs."""
        for port, own in self._ports.items():
            text = re.sub(rf"\b{port}\b", own, text)
        return text.replace(".venv/bin/", "")

    def write(self, name: str, text: str) -> None:
        """Write a file of the page."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.here(text))

    def python(self, block: Block) -> None:
        """Execute a block after those before it, in this directory."""
        before, path = Path.cwd(), list(sys.path)
        os.chdir(self.directory)
        sys.path.insert(0, str(self.directory))
        try:
            exec(compile(self.here(block.text), block.place, "exec"), self._names)
        finally:
            os.chdir(before)
            sys.path[:] = path

    def console(self, block: Block) -> None:
        """Run the commands of a block; what it shows of their output must be there."""
        commands = commands_of(block.text)
        self.act_as(block.remarked("as") or "nobody")
        for place, (command, shown) in enumerate(commands):
            expected = block.remarked("exit") if place == len(commands) - 1 else None
            if _SERVERS.match(self.here(command)):
                self.start(command)
                continue
            code, output = self.run(command)
            if code != int(expected or 0):
                raise Failure(f"{block.place}: exit code {code}\n$ {command}\n{output}")
            check_output(block, command, [self.here(line) for line in shown], output)

    def add_people(self, *names: str) -> None:
        """Add people to the leads; each is signed in on a command line of their own."""
        for name in names:
            self.run(f"fleeting people add {name} --group payments-leads")
            self.act_as(name)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("XDG_CONFIG_HOME", str(self.directory / "home" / name))
                sign_in(Path(self._config), name)

    def act_as(self, name: str) -> None:
        """Let commands find the logins of *name* alone, whoever runs the tests."""
        if name != self._person:
            self._person = name
            self._run_in_shell(f"export XDG_CONFIG_HOME={self.directory / 'home' / name}")

    def run(self, command: str) -> tuple[int, str]:
        """Run one command; return its exit code and output."""
        if _ALONE.fullmatch(command):
            return self._run_here(shlex.split(self.here(command), comments=True)[1:])
        code, output = self._run_in_shell(command)
        if command.startswith("export "):
            _, said = self._run_in_shell("printenv FLEETING_CONFIG")
            self._config = said.strip()
        return code, output

    def _run_here(self, arguments: list[str]) -> tuple[int, str]:
        """Run a command of ours in this process: starting Python anew for each takes seconds."""
        environment = {
            "COLUMNS": "120",
            "NO_COLOR": "1",
            "FLEETING_CONFIG": self._config,
            "XDG_CONFIG_HOME": str(self.directory / "home" / self._person),
        }
        before = Path.cwd()
        os.chdir(self.directory)
        try:
            done = CliRunner().invoke(app, arguments, env=environment)
        finally:
            os.chdir(before)
        if arguments[0] == "init":
            self._move()
        return done.exit_code, done.output

    def _run_in_shell(self, command: str) -> tuple[int, str]:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{self.here(command)}\ncode=$?; echo; echo {_DONE} $code\n")
        self._shell.stdin.flush()
        watchdog = threading.Timer(_PATIENCE_SECONDS, self._shell.kill)
        watchdog.start()
        lines: list[str] = []
        try:
            for line in self._shell.stdout:
                if line.startswith(_DONE):
                    return int(line.split()[1]), "".join(lines)
                lines.append(line)
        finally:
            watchdog.cancel()
        raise Failure(f"no end of it:\n$ {command}\n{''.join(lines)}")

    def _move(self) -> None:
        """Put a new installation on the ports of this playground."""
        for config in self.directory.glob("*/fleeting.toml"):
            config.write_text(self.here(config.read_text()))

    def start(self, *commands: str) -> None:
        """Start servers in the background, and wait until all of them answer."""
        for url, log in [self._start(command) for command in commands]:
            await_answer(url, log)

    def _start(self, command: str) -> tuple[str, Path]:
        ours = self.here(command)
        if ours.startswith("uvicorn"):
            ours, url = f"{ours} --no-access-log", self.resource
        else:
            url = f"{self.issuer}/readyz"
        name = shlex.split(ours)[0]
        log = self.directory / f"{name}.log"
        self.run(f"{ours} >{log} 2>&1 &")
        return url, log


def commands_of(text: str) -> list[tuple[str, list[str]]]:
    """Return the commands of a console block, each with the lines shown after it."""
    commands: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            commands.append((line[2:], []))
        elif line.startswith("> "):
            command, shown = commands[-1]
            commands[-1] = (f"{command}\n{line[2:]}", shown)
        elif line and commands:
            commands[-1][1].append(line)
    return commands


def check_output(block: Block, command: str, shown: list[str], output: str) -> None:
    """Find every line *shown* in *output*, in order; ``…`` stands for anything."""
    rest = output.splitlines()
    for line in shown:
        place = next((i for i, got in enumerate(rest) if shows(line, got)), None)
        if place is None:
            raise Failure(f"{block.place}: this line does not come:\n{line}\n$ {command}\n{output}")
        rest = rest[place + 1 :]


def shows(pattern: str, line: str) -> bool:
    """Say whether *line* is what a page shows, spaces aside; ``…`` stands for anything."""
    parts = " ".join(pattern.split()).split("…")
    return re.fullmatch(".*".join(map(re.escape, parts)), " ".join(line.split())) is not None


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_answer(url: str, log: Path) -> None:
    """Wait until *url* answers anything."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            httpx.get(url, trust_env=False, timeout=2)
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise Failure(f"{url} does not answer:\n{log.read_text()}")
