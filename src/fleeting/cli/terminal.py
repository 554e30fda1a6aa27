"""What a command says: to people on a terminal, to programs as JSON, and of errors on stderr."""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from fleeting.core.declaring import UNSAFE

FAILED = 1
"""The exit code of a command that did its work and found that something is wrong."""


class CommandError(Exception):
    """A command cannot do what was asked; the message says why and what to do instead."""


_TRAILING_BLANKS = re.compile(r" +$", re.MULTILINE)


class _Screen(Console):
    """A console that nothing it shows can steer: whatever was forgotten to be cleaned, is here."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Spell out what could steer a terminal; what the console itself says to it stays."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=harmless(segment.text))

    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401 -- as it is there
        """Print, without the blanks that fill a table's last column where no one sees columns."""
        if self.is_terminal:
            super().print(*objects, **options)
            return
        with self.capture() as captured:
            super().print(*objects, **options)
        self.file.write(_TRAILING_BLANKS.sub("", captured.get()))
        self.file.flush()


def out() -> Console:
    """Return standard output, as it is now; colours only on a terminal, and never if NO_COLOR."""
    return _Screen(highlight=False, soft_wrap=not sys.stdout.isatty())


def err() -> Console:
    """Return standard error, likewise."""
    return _Screen(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())


def say(what: RenderableType = "") -> None:
    """Print for people; a text is taken literally, never as markup."""
    out().print(what if not isinstance(what, str) else Text(what))


def say_file(text: str) -> None:
    """Print what another program may take, to the letter; a terminal is not steered by it."""
    typer.echo(harmless(text) if sys.stdout.isatty() else text, nl=False)


def say_json(value: Any) -> None:  # noqa: ANN401 -- it is JSON
    """Print *value* for programs: one JSON document, in ASCII so that it steers no terminal."""
    typer.echo(json.dumps(value, indent=2))


def say_json_line(value: Any) -> None:  # noqa: ANN401 -- it is JSON
    """Print *value* as one line of JSON, at once."""
    typer.echo(json.dumps(value, separators=(",", ":")))
    sys.stdout.flush()


def note(message: str) -> None:
    """Say something beside the result, on standard error."""
    err().print(Text(harmless(message), style="dim"))


def complain(message: str) -> None:
    """Say on standard error what is wrong."""
    err().print(Text.assemble(("error: ", "bold red"), harmless(message)))


def harmless(text: str) -> str:
    """Return *text* with its lines as they are, and spelt out what could steer a terminal.

    Messages quote what others wrote: names of files in their branch, what stands in their policies.
    """
    return UNSAFE.sub(lambda it: it[0] if it[0] in "\n\t" else f"\\u{ord(it[0]):04x}", text)


def fail(message: str = "") -> NoReturn:
    """Say what is wrong, if it was not said yet, and end with exit code 1."""
    if message:
        complain(message)
    raise typer.Exit(FAILED)


def counted(count: int, one: str, many: str = "") -> str:
    """Return ``1 file`` or ``2 files``."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
