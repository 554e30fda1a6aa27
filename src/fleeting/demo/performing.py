"""Run the demo from start to end: make, start, play, keep if asked to, and clean up."""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import httpx
from rich.console import Console

from fleeting.client import FleetingError
from fleeting.demo import second_act
from fleeting.demo.addresses import HOST, Addresses, PortTakenError, reserved
from fleeting.demo.by_hand import print_commands, stay
from fleeting.demo.commands import CommandFailedError, environment, fleeting
from fleeting.demo.endings import Ended, Endings
from fleeting.demo.expecting import StepFailedError
from fleeting.demo.installing import CONFIG, install
from fleeting.demo.people import cast
from fleeting.demo.scene import Scene, scene
from fleeting.demo.screen import Screen
from fleeting.demo.second_act import SecondAct
from fleeting.demo.servers import Server, ServerFailedError, running
from fleeting.demo.steps import STEPS, Found, Step
from fleeting.demo.watching import Audience, is_somebody_there

_FAILED = 1
_TITLE = "Fleeting: just-in-time access for OAuth 2.0"
_INTRO = (
    "A support bot refunds payments. It holds no standing permission: for each refund it gets a "
    "token that says exactly that refund, is bound to its key, lives a minute and is used once. "
    "See what that stops; both servers are real, and so is every call."
)


@dataclass(frozen=True, slots=True)
class Played:
    """What was played to its end. txn: the first refund's; request: the one that people decided."""

    txn: str
    request: str


def run(*, port: int | None = None, keep: bool = False, auto: bool = False) -> int:
    """Show the demo and return the exit code: 0 only if every step went as it should.

    port: where the authorization server listens; the payments API takes the next one.
    keep: leave both servers running afterwards, until Ctrl-C, and the installation for good.
    auto: let the demo's own people decide, as they do where nobody sits at a terminal.
    """
    audience = Audience(watches=not auto and is_somebody_there())
    try:
        with Endings() as endings, reserved(port) as addresses:
            return _run(addresses, Screen(), endings, audience, keep=keep)
    except Ended as ended:
        return ended.code
    except (PortTakenError, CommandFailedError, ServerFailedError, httpx.HTTPError) as error:
        Screen(Console(stderr=True, highlight=False)).failed(str(error))
        return _FAILED


def _run(
    addresses: Addresses, screen: Screen, endings: Endings, audience: Audience, *, keep: bool
) -> int:
    if find_spec("fastapi") is None:
        raise CommandFailedError("the demo needs FastAPI: pip install 'fleeting[demo]'")
    with directory_for(endings, keep=keep) as directory:
        screen.title(_TITLE, _INTRO)
        with screen.waiting("making an installation: fleeting init"):
            install(directory, addresses)
        return perform(directory, addresses, screen, endings, audience, keep=keep)


def perform(
    directory: Path,
    addresses: Addresses,
    screen: Screen,
    endings: Endings,
    audience: Audience,
    *,
    keep: bool,
) -> int:
    """Serve the installation in *directory*, play every step, and return the exit code."""
    with serving(directory, addresses, endings, screen) as servers:
        played = play(directory, addresses, screen, audience)
        if played is None:
            return _FAILED
        if keep:
            print_commands(screen, directory, addresses, played.txn)
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


def play(
    directory: Path, addresses: Addresses, screen: Screen, audience: Audience
) -> Played | None:
    """Play both acts; return what was found, or None where a step went otherwise than it says."""
    screen.facts(
        (
            ("issuer", addresses.issuer, "the authorization server: fleeting serve"),
            ("API", addresses.resource, "payments: FastAPI with the guard"),
        )
    )
    found = Found()
    with ExitStack() as all_of_it:
        stage = all_of_it.enter_context(scene(directory, addresses, screen))
        if not _play(stage, found, STEPS, first=1):
            return None
        screen.act(second_act.TITLE, second_act.INTRO)
        with screen.waiting("adding its people: fleeting people add"):
            people = all_of_it.enter_context(cast(directory, addresses))
        act = SecondAct(people, audience, all_of_it)
        if not _play(stage, found, act.steps(), first=len(STEPS) + 1):
            return None
    steps = len(STEPS) + len(act.steps())
    screen.plain()
    screen.passed(f"All {steps} steps went as they should: {_refunds(act)}.")
    return Played(found.token.txn or "", act.id)


def _play(stage: Scene, found: Found, steps: Sequence[Step], *, first: int) -> bool:
    for number, step in enumerate(steps, start=first):
        stage.screen.step(number, step.title, step.intro)
        try:
            step.play(stage, found)
        except (StepFailedError, CommandFailedError, FleetingError, httpx.HTTPError) as error:
            _tell_failure(stage, number, error)
            return False
    return True


def _refunds(act: SecondAct) -> str:
    made = len(act.refunds)
    return "one refund, made once" if made == 1 else f"{made} refunds, each made once"


def _tell_failure(stage: Scene, number: int, error: Exception) -> None:
    stage.show()
    stage.screen.failed(f"step {number} went otherwise: {error}")
