"""Commands to try by hand while both servers stay: each works as it is pasted."""

import time
from collections.abc import Sequence
from pathlib import Path

from fleeting.demo.addresses import Addresses
from fleeting.demo.commands import as_argument
from fleeting.demo.screen import Screen
from fleeting.demo.servers import Server
from fleeting.demo.watching import exports, print_links

_ORDER = '{"amount":2500,"currency":"EUR"}'
_TOO_MUCH = '{"amount":600000,"currency":"EUR"}'
_LARGE = '{"amount":60000,"currency":"EUR"}'
_WATCH_SECONDS = 0.5


def print_commands(screen: Screen, directory: Path, addresses: Addresses, txn: str) -> None:
    """Print what to try; txn: the first refund's."""
    refunds = f"{addresses.resource}/payments/42/refunds"
    json_type = "-H 'Content-Type: application/json'"
    screen.heading("Try it by hand")
    screen.command(exports(directory), "in another terminal, first of all")
    for meaning, command in (
        (
            "a call without a token: 401, with a challenge",
            f"curl -i {refunds} {json_type} -H 'Accept-Txn-Challenge: ?1' -d '{_ORDER}'",
        ),
        (
            "the same as the bot: token and refund",
            f"fleeting request POST {refunds} --json-body '{_ORDER}'",
        ),
        ("more than policy permits", f"fleeting request POST {refunds} --json-body '{_TOO_MUCH}'"),
        ("reading, by a scope", f"fleeting request GET {addresses.resource}/payments/42"),
        ("one request's whole story", f"fleeting explain {as_argument(txn)}"),
        ("the ledger as it grows", "fleeting audit tail --follow"),
        ("nothing was altered", "fleeting audit verify"),
        (f"after a change in {directory / 'policies'}", "fleeting policy check"),
    ):
        screen.command(command, meaning)
    _print_people(screen, directory, addresses)


def _print_people(screen: Screen, directory: Path, addresses: Addresses) -> None:
    """Print how to decide something oneself: what to ask for, and who to be."""
    refunds = f"{addresses.resource}/payments/44/refunds"
    screen.heading("Approve something yourself")
    screen.command(
        f"fleeting request POST {refunds} --json-body '{_LARGE}'",
        "600.00 wait for two people: leave it waiting, and be them in another terminal",
    )
    screen.say("Each link signs its reader in once, for 15 minutes:")
    print_links(screen, directory)
    for meaning, command in (
        ("a new link, when one is used up or too old", "fleeting people link ada --sign-in"),
        ("what waits: on the pages", addresses.issuer),
        ("or here, as who is signed in in the browser", "fleeting login"),
        ("what waits for you; then: fleeting approve ID", "fleeting requests"),
    ):
        screen.command(command, meaning)


def stay(servers: Sequence[Server]) -> None:
    """Return never: until a signal ends the demo, or a server ends by itself.

    Raises:
        ServerFailedError: a server ended.
    """
    while True:
        for server in servers:
            server.check_alive()
        time.sleep(_WATCH_SECONDS)
