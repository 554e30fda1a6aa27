"""Options that several commands take, in the same words."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from fleeting.core.durations import parse_duration

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="FLEETING_CONFIG",
        show_default="./fleeting.toml",
        help="The installation's fleeting.toml.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

_AGO = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(text: str) -> timedelta:
    """Read an option such as ``10s``; a wrong one is a usage error."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def moment(text: str, now: datetime) -> datetime:
    """Read ``24h`` (so long ago) or an ISO instant, in UTC where it does not say.

    Raises:
        typer.BadParameter: it is neither.
    """
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        message = f"{text!r} is neither a duration such as 24h nor a time such as 2026-10-01T12:00Z"
        raise typer.BadParameter(message) from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def pairs(option: str, given: Iterable[str]) -> dict[str, str]:
    """Read a repeated ``NAME=VALUE`` option; a wrong or repeated one is a usage error."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{text!r}: write {option} NAME=VALUE")
        if name in found:
            raise typer.BadParameter(f"{option} {name}=… is given twice")
        found[name] = value
    return found
