"""Run ``fleeting …`` as its users do: as a process, told everything by its arguments."""

import os
import subprocess
import sys
import termios
from contextlib import suppress
from pathlib import Path

_CHUNK_BYTES = 65_536
_PREFIXES = ("FLEETING_", "PAYMENTS_")


class CommandFailedError(Exception):
    """A command that the demo needs did not work; the message carries what it said."""


def programs() -> Path:
    """Return the directory of this environment's programs, ``fleeting`` among them."""
    return Path(sys.executable).parent


def fleeting(*arguments: str) -> list[str]:
    """Return the command line of ``fleeting`` with *arguments*."""
    return [str(programs() / "fleeting"), *arguments]


def as_argument(id_: str) -> str:
    """Return *id_* as it can be pasted behind a command, even where it begins like an option."""
    return f"-- {id_}" if id_.startswith("-") else id_


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
    said = done.stderr if done.returncode else done.stdout
    return _succeeded(arguments[0], done.returncode, said)


def printed(*arguments: str) -> str:
    """Return what ``fleeting`` with *arguments* prints where we print: in a terminal as wide.

    Raises:
        CommandFailedError: it failed.
    """
    if not sys.stdout.isatty():
        return output_of(*arguments)
    ours, its = os.openpty()
    termios.tcsetwinsize(its, termios.tcgetwinsize(sys.stdout.fileno()))
    process = subprocess.Popen(  # noqa: S603 -- our own command
        fleeting(*arguments), stdin=subprocess.DEVNULL, stdout=its, stderr=its, env=environment()
    )
    os.close(its)
    text = _read_all(ours).decode(errors="replace").replace("\r\n", "\n")
    return _succeeded(arguments[0], process.wait(), text)


def _read_all(terminal: int) -> bytes:
    chunks = []
    with suppress(OSError):  # how Linux says that nobody writes any more
        while chunk := os.read(terminal, _CHUNK_BYTES):
            chunks.append(chunk)
    os.close(terminal)
    return b"".join(chunks)


def _succeeded(command: str, code: int, said: str) -> str:
    if code:
        raise CommandFailedError(f"fleeting {command} failed ({code}): {said.strip()}")
    return said
