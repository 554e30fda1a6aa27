"""How commands are grouped, and the one place that turns expected errors into messages."""

import inspect
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import typer
from rich.markup import escape
from typer.core import TyperCommand, TyperGroup

from fleeting.cli.terminal import CommandError, fail

_DASHED_ID = re.compile(r"-[A-Za-z0-9_-]{19,}")


class Commands(TyperGroup):
    """Commands whose expected errors end in a message and exit code 1, never in a traceback."""

    def invoke(self, *args: Any) -> Any:  # noqa: ANN401 -- whatever the command returns
        """Run the command."""
        try:
            return super().invoke(*args)
        except Exception as error:
            message = told(error)
            if message is None:
                raise
            fail(message)


class TakesIds(TyperCommand):
    """A command whose argument may be an id that begins with ``-``, as one in 64 does."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 -- typer's own
        """Parse the arguments, ids last."""
        if "--" not in args:
            ids = [each for each in args if _DASHED_ID.fullmatch(each)]
            args = [*(each for each in args if each not in ids), *(["--", *ids] if ids else [])]
        return super().parse_args(ctx, args)


def group(name: str, summary: str, *examples: str) -> typer.Typer:
    """Return a group of commands; *examples* end its help."""
    app = typer.Typer(
        name=name,
        cls=Commands,
        help=summary,
        epilog=_epilog(examples),
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback()(lambda: None)  # so that one command alone is still a group
    return app


def add(
    app: typer.Typer,
    command: Callable[..., None],
    *examples: str,
    name: str | None = None,
    cls: type[TyperCommand] | None = None,
) -> None:
    """Add *command* to *app*; its docstring and *examples* are its help."""
    text = inspect.cleandoc(command.__doc__ or "")
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    help_ = "\n\n".join(escape(paragraph) for paragraph in paragraphs)
    app.command(name, cls=cls, help=help_, epilog=_epilog(examples))(command)


def _epilog(examples: tuple[str, ...]) -> str:
    """Return the end of a help text; a line that is indented goes on with the one before."""
    prompted = (f"  {line}" if line.startswith(" ") else f"$ {line}" for line in examples)
    return "\n".join(["Examples:", *(f"  {line}".replace("[", r"\[") for line in prompted)])


def told(error: Exception) -> str | None:
    """Return what to tell of an expected error; None for a bug, which may show its traceback."""
    if isinstance(error, tuple(_expected())):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return None


def _expected() -> Iterator[type[Exception]]:
    from fleeting.client import FleetingError
    from fleeting.policy import PolicyProblems
    from fleeting.ports import StoreUnavailableError
    from fleeting.server.reloading import UnusableSetError
    from fleeting.server.settings import SettingsError
    from fleeting.server.signing_keys import SigningKeysError
    from fleeting.usecases.change_people import PeopleChangeError
    from fleeting.usecases.change_policy import PolicyChangeError

    yield from (CommandError, SettingsError, SigningKeysError)
    yield from (PolicyProblems, UnusableSetError, PolicyChangeError, PeopleChangeError)
    yield from (StoreUnavailableError, FleetingError)
