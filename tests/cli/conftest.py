"""Run the commands as a user does: in this process, or as processes on real HTTP."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.processes import Server, make_installation, run, serving

SCREEN = {"COLUMNS": "80", "NO_COLOR": "1"}


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch, tmp_path) -> None:
    """Keep what the developer's shell says out of the tests, and what commands set inside."""
    for name in [name for name in os.environ if name.startswith("FLEETING_")]:
        monkeypatch.delenv(name)
    for name, value in SCREEN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def fleeting():
    return run


@pytest.fixture
def config(tmp_path) -> Path:
    """A fresh installation on free ports."""
    return make_installation(tmp_path / "here")


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    """One server for all tests that leave it as it is."""
    with serving(make_installation(tmp_path_factory.mktemp("served"))) as (server, _):
        yield server
