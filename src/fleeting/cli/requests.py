"""``fleeting requests`` and ``fleeting show``: what waits for people, and what became of it."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fleeting.cli.approving import Id
from fleeting.cli.login import Issuer
from fleeting.cli.options import AsJson, Config
from fleeting.cli.terminal import CommandError, note, out, say, say_json, say_json_line

if TYPE_CHECKING:
    from fleeting.cli.console_api import ConsoleApi

_EVERY_SECONDS = 2.0


def requests(
    config: Config = None,
    *,
    to_approve: Annotated[
        bool, typer.Option("--to-approve", help="Those that wait for you (the default).")
    ] = False,
    mine: Annotated[bool, typer.Option("--mine", help="Those that you stand behind.")] = False,
    open_: Annotated[bool, typer.Option("--open", help="All that are not over.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="All that you may see.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on, until Ctrl-C.")] = False,
    issuer: Issuer = None,
    as_json: AsJson = False,
) -> None:
    """List access requests: those that wait for you to approve, unless told otherwise.

    --watch keeps the table up to date; with --json it prints a line for every request, whenever it
    is new, changes, or leaves the list ("gone").
    """
    from fleeting.cli.console_api import console_of
    from fleeting.cli.requests_text import requests_table

    view = _view(to_approve=to_approve, mine=mine, open_=open_, all_=all_)
    with console_of(config, issuer) as api:
        if watch:
            _watch(api, view, as_json=as_json)
        elif as_json:
            say_json(api.listed(view))
        else:
            say(requests_table(api.listed(view), view))


def show(id_: Id, config: Config = None, *, issuer: Issuer = None, as_json: AsJson = False) -> None:
    """Show a request as those see it who decide: what exactly, for whom, why, and who said what."""
    from fleeting.cli.console_api import console_of
    from fleeting.cli.requests_text import request_text

    with console_of(config, issuer) as api:
        request = api.shown(api.whole_id(id_))
    if as_json:
        say_json(request)
    else:
        say(request_text(request))


def _view(*, to_approve: bool, mine: bool, open_: bool, all_: bool) -> str:
    chosen = {"to-approve": to_approve, "mine": mine, "open": open_, "all": all_}
    named = [view for view, wanted in chosen.items() if wanted]
    if len(named) > 1:
        raise typer.BadParameter(f"one of --{' and --'.join(named)}, not both")
    return named[0] if named else "to-approve"


def _watch(api: "ConsoleApi", view: str, *, as_json: bool) -> None:
    try:
        if as_json:
            _print_changes(api, view)
        else:
            _refresh(api, view)
    except KeyboardInterrupt:  # the way to end it
        return


def _refresh(api: "ConsoleApi", view: str) -> None:
    """Keep a table up to date on a terminal, and leave the last one; elsewhere, print changes."""
    from rich.live import Live

    from fleeting.cli.requests_text import requests_table

    screen = out()
    if not screen.is_terminal:
        _print_tables(api, view)
        return
    found: list[dict[str, Any]] = []
    with (
        Live(console=screen, screen=True, auto_refresh=False) as live,
        suppress(KeyboardInterrupt),  # the way to end it
    ):
        for found, trouble in _looks(api, view):
            live.update(requests_table(found, view, trouble), refresh=True)
    say(requests_table(found, view))


def _print_tables(api: "ConsoleApi", view: str) -> None:
    from fleeting.cli.requests_text import requests_table

    known: list[dict[str, Any]] | None = None
    for found, _ in _looks(api, view):
        if found != known:
            say(requests_table(found, view))
        known = found


def _looks(api: "ConsoleApi", view: str) -> Iterator[tuple[list[dict[str, Any]], str]]:
    """Yield what there is, again and again, and what went wrong just now."""
    found = api.listed(view)
    yield found, ""
    while True:
        time.sleep(_EVERY_SECONDS)
        trouble = ""
        try:
            found = api.listed(view)
        except CommandError as error:
            _check_lasting(error)
            trouble = str(error)
        yield found, trouble


def _print_changes(api: "ConsoleApi", view: str) -> None:
    known: dict[str, dict[str, Any]] = {}
    said = ""
    for listed, trouble in _looks(api, view):
        if trouble and trouble != said:
            note(trouble)
        said = trouble
        found = {str(each["id"]): each for each in listed}
        for id_, each in found.items():
            if known.get(id_) != each:
                say_json_line(each)
        for id_ in known.keys() - found.keys():
            say_json_line({"id": id_, "gone": True})
        known = found


def _check_lasting(error: CommandError) -> None:
    """Raise *error* if waiting will not help: a session that is over stays over."""
    from fleeting.cli.console_api import ApiRefusalError

    if isinstance(error, ApiRefusalError) and error.status < 500:  # noqa: PLR2004 -- HTTP
        raise error
