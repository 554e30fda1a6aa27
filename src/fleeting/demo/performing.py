"""Run the demo from start to end: make, start, play, keep if asked to, and clean up."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx
from rich.console import Console

from fleeting.client import FleetingError
from fleeting.demo.addresses import HOST, Addresses, PortTakenError, reserved
from fleeting.demo.by_hand import print_commands, stay
from fleeting.demo.commands import CommandFailedError, environment, fleeting
from fleeting.demo.endings import Ended, Endings
from fleeting.demo.installing import CONFIG, install
from fleeting.demo.scene import Scene, StepFailedError, scene
from fleeting.demo.screen import Screen
from fleeting.demo.servers import Server, ServerFailedError, running
from fleeting.demo.steps import STEPS, Found

_FAILED = 1
_TITLE = "Fleeting: just-in-time access for OAuth 2.0"
_INTRO = (
    "A support bot refunds payments. It holds no standing permission: for each refund it gets a "
    "token that says exactly that refund, is bound to its key, lives a minute and is used once. "
    "See what that stops; both servers are real, and so is every call."
)


def run(*, port: int | None = None, keep: bool = False) -> int:
    """Show the demo and return the exit code: 0 only if every step went as it should.

    port: where the authorization server listens; the payments API takes the next one.
    keep: leave both servers running afterwards, until Ctrl-C, and the installation for good.
    """
    try:
        with Endings() as endings, reserved(port) as addresses:
            return _run(addresses, Screen(), endings, keep=keep)
    except Ended as ended:
        return ended.code
    except (PortTakenError, CommandFailedError, ServerFailedError) as error:
        Screen(Console(stderr=True, highlight=False)).failed(str(error))
        return _FAILED


def _run(addresses: Addresses, screen: Screen, endings: Endings, *, keep: bool) -> int:
    if find_spec("fastapi") is None:
        raise CommandFailedError("the demo needs FastAPI: pip install 'fleeting[demo]'")
    with directory_for(endings, keep=keep) as directory:
        screen.title(_TITLE, _INTRO)
        with screen.waiting("making an installation: fleeting init"):
            install(directory, addresses)
        return perform(directory, addresses, screen, endings, keep=keep)


def perform(
    directory: Path, addresses: Addresses, screen: Screen, endings: Endings, *, keep: bool
) -> int:
    """Serve the installation in *directory*, play every step, and return the exit code."""
    with serving(directory, addresses, endings, screen) as servers:
        found = play(directory, addresses, screen)
        if found is None:
            return _FAILED
        if keep:
            print_commands(screen, directory, addresses, found.token.txn or "")
            _stay(servers, screen, directory)
    return 0


def _stay(servers: list[Server], screen: Screen, directory: Path) -> None:
    screen.plain("\nBoth servers go on: Ctrl-C ends them.")
    try:
        stay(servers)
    except Ended:
        screen.plain(f"\nEnded. The installation stays in {directory}")


@contextmanager
def directory_for(endings: Endings, *, keep: bool) -> Iterator[Path]:
    """Make a directory for an installation, and remove it at the end unless it is to be kept."""
    directory: Path | None = None
    try:
        with endings.held():
            directory = Path(tempfile.mkdtemp(prefix="fleeting-demo-"))
        yield directory
    finally:
        if directory is not None and not keep:
            with endings.held():
                shutil.rmtree(directory)


@contextmanager
def serving(
    directory: Path, addresses: Addresses, endings: Endings, screen: Screen
) -> Iterator[list[Server]]:
    """Run the authorization server and the payments API of the installation in *directory*."""
    config = str(directory / CONFIG)
    api = ("uvicorn", "--factory", "fleeting.demo.payments_api:from_environment")
    with (
        running(
            "authorization server",
            fleeting("serve", "-c", config),
            ready_url=f"{addresses.issuer}/readyz",
            log=directory / "server.log",
            endings=endings,
            environment=environment(),
        ) as issuer,
        running(
            "payments API",
            [sys.executable, "-m", *api, "--host", HOST, "--port", str(addresses.port + 1)],
            ready_url=f"{addresses.resource}/health",
            log=directory / "payments-api.log",
            endings=endings,
            environment=environment(
                PAYMENTS_HOME=str(directory),
                PAYMENTS_ISSUER=addresses.issuer,
                PAYMENTS_URL=addresses.resource,
            ),
        ) as payments_api,
    ):
        servers = [issuer, payments_api]
        for server in servers:
            with screen.waiting(f"starting the {server.name}"):
                server.await_ready()
        yield servers


def play(directory: Path, addresses: Addresses, screen: Screen) -> Found | None:
    """Play every step; return what was found, or None where one went otherwise than it says."""
    screen.facts(
        (
            ("issuer", addresses.issuer, "the authorization server: fleeting serve"),
            ("API", addresses.resource, "payments: FastAPI with the guard"),
        )
    )
    found = Found()
    with scene(directory, addresses, screen) as stage:
        for number, step in enumerate(STEPS, start=1):
            screen.step(number, step.title, step.intro)
            try:
                step.play(stage, found)
            except (StepFailedError, CommandFailedError, FleetingError, httpx.HTTPError) as error:
                _tell_failure(stage, number, error)
                return None
    screen.plain()
    screen.passed(f"All {len(STEPS)} steps went as they should: one refund, made once.")
    return found


def _tell_failure(stage: Scene, number: int, error: Exception) -> None:
    stage.show()
    stage.screen.failed(f"step {number} went otherwise: {error}")
