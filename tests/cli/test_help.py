import os
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from fleeting import __version__
from fleeting.cli.app import app


def paths(command, names=()):
    yield names
    for name, inner in getattr(command, "commands", {}).items():
        yield from paths(inner, (*names, name))


EVERY = list(paths(typer.main.get_command(app)))


def test_the_commands_are_those_that_the_documentation_names():
    assert {names[0] for names in EVERY if names} == {
        *("init", "serve", "demo", "request", "explain"),
        *("login", "logout", "whoami", "requests", "show"),
        *("approve", "deny", "narrow", "ask", "answer", "review"),
        *("return", "cancel", "extend", "revoke", "away"),
        *("audit", "policy", "people", "keys", "db"),
    }


@pytest.mark.parametrize("names", EVERY, ids=" ".join)
def test_every_help_ends_with_an_example_of_the_command(names):
    done = CliRunner().invoke(app, [*names, "--help"])
    assert done.exit_code == 0
    examples = done.stdout.partition("Examples:")[2]
    assert f"$ {' '.join(('fleeting', *names))}" in examples.replace("FLEETING_DATABASE=", "")


@pytest.mark.parametrize("names", EVERY, ids=" ".join)
def test_no_help_is_wider_than_eighty_columns(names):
    done = CliRunner().invoke(app, [*names, "--help"])
    assert max(len(line) for line in done.stdout.splitlines()) <= 80


def test_the_version_is_the_package_s(fleeting):
    assert fleeting("--version").stdout == f"fleeting {__version__}\n"


def test_an_unknown_command_is_a_usage_error(fleeting):
    assert fleeting("serv").exit_code == 2


def test_without_the_server_s_dependencies_it_says_what_to_install():
    program = (
        "import sys; sys.modules['typer'] = None; sys.argv = ['fleeting']; "
        "import fleeting.cli; fleeting.cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ},
    )
    assert done.returncode == 1
    assert "pip install 'fleeting[server]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_does_not_load_the_server():
    program = (
        "import sys, fleeting.cli.app; "
        "sys.exit(bool({'sqlalchemy', 'cedarpy', 'uvicorn', 'fastapi'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
