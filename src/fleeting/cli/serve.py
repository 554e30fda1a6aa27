"""``fleeting serve``: run the authorization server of an installation."""

import asyncio
import os
import re
import socket
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from fleeting.cli.options import Config
from fleeting.cli.terminal import FAILED, CommandError, note

if TYPE_CHECKING:
    from fleeting.server.settings import Settings

_BIND = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:]+):[0-9]{1,5}")


def _host_and_port(text: str | None) -> str | None:
    if text is not None and _BIND.fullmatch(text) is None:
        raise typer.BadParameter(f"{text!r}: write HOST:PORT, such as 127.0.0.1:8400")
    return text


def serve(
    config: Config = None,
    *,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="How many processes serve.")
    ] = None,
    bind: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            callback=_host_and_port,
            help="Where to listen.",
            show_default="the issuer's host and port",
        ),
    ] = None,
) -> None:
    """Serve an installation until it is told to stop.

    On SIGTERM or Ctrl-C it finishes what it started, commits, and exits. A SQLite database is
    made and migrated; a PostgreSQL one is migrated by 'fleeting db upgrade'. Logs are JSON lines
    on standard error.
    """
    from fleeting.server import serving
    from fleeting.server.settings import config_path, load_settings

    # Through the environment, so that worker processes read the same settings.
    if workers is not None:
        os.environ["FLEETING_WORKERS"] = str(workers)
    if bind is not None:
        os.environ["FLEETING_BIND"] = bind
    path = config_path(config)
    settings = load_settings(path)
    _check_port(*settings.bind)
    asyncio.run(_check_database(settings))
    if sys.stderr.isatty():
        host, port = settings.bind
        note(f"{settings.issuer} on {host}:{port}, {settings.workers} worker(s); Ctrl-C stops it")
    try:
        serving.serve(path, settings)
    except SystemExit as ended:  # the reason stands in the log
        raise typer.Exit(FAILED if ended.code else 0) from None


def _check_port(host: str, port: int) -> None:
    """Find out before workers are started whether there is anywhere to listen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"cannot listen on {host}:{port}: {error.strerror}: stop what does, or take "
                "another place with --bind HOST:PORT"
            ) from None


async def _check_database(settings: "Settings") -> None:
    from fleeting.server.world import SystemClock
    from fleeting.stores import open_store

    store = open_store(settings.database, clock=SystemClock(), base_dir=settings.directory)
    try:
        await store.open()
    finally:
        await store.close()
