"""Run ``fleeting …`` as its users do: as a process, told everything by its arguments."""

import os
import subprocess
import sys
from pathlib import Path

_PREFIXES = ("FLEETING_", "PAYMENTS_")


class CommandFailedError(Exception):
    """A command that the demo needs did not work; the message carries what it said."""


def programs() -> Path:
    """Return the directory of this environment's programs, ``fleeting`` among them."""
    return Path(sys.executable).parent


def fleeting(*arguments: str) -> list[str]:
    """Return the command line of ``fleeting`` with *arguments*."""
    return [str(programs() / "fleeting"), *arguments]


def environment(**more: str) -> dict[str, str]:
    """Return our own environment with *more*, without settings meant for other installations."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_PREFIXES)}
    return {**kept, **more}


def output_of(*arguments: str) -> str:
    """Return what ``fleeting`` with *arguments* prints.

    Raises:
        CommandFailedError: it failed.
    """
    done = subprocess.run(  # noqa: S603 -- our own command
        fleeting(*arguments),
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise CommandFailedError(f"fleeting {arguments[0]} failed ({done.returncode}): {said}")
    return done.stdout


def show(*arguments: str) -> None:
    """Let ``fleeting`` with *arguments* print to where we print.

    Raises:
        CommandFailedError: it failed.
    """
    done = subprocess.run(  # noqa: S603 -- our own command
        fleeting(*arguments), check=False, env=environment(), stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise CommandFailedError(f"fleeting {arguments[0]} failed ({done.returncode})")
