"""Run the commands as a user does, in an installation of their own."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fleeting.cli.app import app


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch, tmp_path) -> None:
    """Keep what the developer's shell says out of the tests, and what commands set inside."""
    for name in [name for name in os.environ if name.startswith("FLEETING_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)


def run(*arguments: object, **more) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(each) for each in arguments], **more)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def fleeting():
    return run


@pytest.fixture
def config(tmp_path) -> Iterator[Path]:
    """A fresh installation on free ports."""
    issuer, resource = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    done = run("init", "here", "--issuer", issuer, "--resource", resource)
    assert done.exit_code == 0, done.output
    return tmp_path / "here" / "fleeting.toml"
