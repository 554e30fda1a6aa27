"""Let whoever watches decide: links, commands, and a bounded wait for what they do."""

import os
import select
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleeting.demo.addresses import Addresses
from fleeting.demo.asking import Asking
from fleeting.demo.commands import programs
from fleeting.demo.installing import CONFIG
from fleeting.demo.people import Colleague, new_links
from fleeting.demo.screen import Screen

_PAUSE_SECONDS = 0.5
_LINES_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Audience:
    """Whether somebody is there to decide, and how long they are waited for."""

    watches: bool
    patience_seconds: float = 180.0


def is_somebody_there() -> bool:
    """Whether a person sits at the terminal: they can read, and type."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def print_links(screen: Screen, directory: Path) -> None:
    """Print a one-time link for each of the people."""
    for role, link in new_links(directory):
        screen.command(link, f"{role.name} {role.what}")


def exports(directory: Path) -> str:
    """Return what makes a shell one of this demo's: its logins end with its directory."""
    return (
        f"export PATH={shlex.quote(str(programs()))}:$PATH "
        f"FLEETING_CONFIG={shlex.quote(str(directory / CONFIG))} "
        f"XDG_CONFIG_HOME={shlex.quote(str(directory / 'logins'))}"
    )


def invite(screen: Screen, directory: Path, addresses: Addresses, id_: str) -> None:
    """Say how to decide the request *id_*, on the pages or on the command line."""
    screen.say("It is your turn. Open a link: you are that person in this browser, until another.")
    print_links(screen, directory)
    screen.command(f"{addresses.issuer}/requests/{id_}", "decide it there: narrow, approve, deny")
    screen.command(exports(directory), "or in another terminal, as who is signed in in the browser")
    screen.command("fleeting login")
    screen.command(f"fleeting narrow {id_} amount=45000")
    screen.command(f"fleeting approve {id_}")
    screen.plain()


def await_decision(
    screen: Screen, asked: Asking[Any], owner: Colleague, id_: str, audience: Audience
) -> bool:
    """Wait until the request *id_* is decided, and say so; False: they had rather not."""
    minutes = audience.patience_seconds / 60
    until = time.monotonic() + audience.patience_seconds
    told: set[str] = set()
    screen.say(f"Enter lets Ada and Ben decide; they also do in {minutes:.0f} minutes.", "bold")
    told.update(_timeline(owner.shown(id_)))
    while not asked.ended(0):
        if time.monotonic() > until or _entered():
            return False
        for words in _timeline(owner.shown(id_)):
            if words not in told:
                screen.say(words, "cyan")
            told.add(words)
    return True


def _timeline(request: dict[str, Any]) -> list[str]:
    return [f"{each['at'][11:19]} {each['words']}" for each in request.get("timeline", ())]


def _entered() -> bool:
    """Wait a moment for Enter, and say whether it came; what was typed is thrown away."""
    ready, _, _ = select.select([sys.stdin], [], [], _PAUSE_SECONDS)
    return bool(ready) and bool(os.read(sys.stdin.fileno(), _LINES_BYTES))
