"""The demo's people: added, signed in by links and acting over HTTP as anybody is and does."""

import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from fleeting.demo.addresses import Addresses
from fleeting.demo.commands import CommandFailedError, output_of
from fleeting.demo.expecting import expect
from fleeting.demo.installing import CONFIG, OWNER
from fleeting.demo.recording import Deed

LEADS = "payments-leads"
_OPERATORS = "fleeting-operators"
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')
_OK, _SEE_OTHER = 200, 303


@dataclass(frozen=True, slots=True)
class Role:
    """Somebody of the demo. what: who they are in it, for the screen."""

    id: str
    groups: tuple[str, ...]
    what: str

    @property
    def name(self) -> str:
        """What people call them."""
        return self.id.title()


ROLES = (
    Role("ada", (LEADS, _OPERATORS), f"approves: of {LEADS}, and an operator"),
    Role("ben", (LEADS,), f"approves: of {LEADS}"),
    Role(OWNER, (LEADS,), f"owns the bot: of {LEADS}, too, but cannot approve for it"),
)


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody who is signed in: their browser's cookie and form token go with every call."""

    role: Role
    http: httpx.Client

    def shown(self, id_: str) -> dict[str, Any]:
        """Return all that they may see of a request."""
        return self._get(f"/api/requests/{id_}")

    def reviews(self) -> list[dict[str, Any]]:
        """Return the break-glass accesses that nobody has reviewed yet."""
        listed = self._get("/api/requests", view="all")["requests"]
        return [each for each in listed if each["review"] and each["review"]["open"]]

    def do(self, id_: str, deed: str, **body: Any) -> Deed:  # noqa: ANN401 -- it is JSON
        """Do something to a request."""
        return self._post(f"/api/requests/{id_}/{deed}", body)

    def approve(self, id_: str) -> Deed:
        """Approve a request as it is shown to them, and nothing else."""
        return self.do(id_, "approve", offer=self.shown(id_)["offer"]["digest"])

    def revoke_all(self, client_id: str, reason: str) -> Deed:
        """End everything of a client."""
        return self._post("/api/revoke", {"client": client_id, "reason": reason})

    def _get(self, path: str, **params: str) -> dict[str, Any]:
        response = self.http.get(path, params=params)
        expect(f"status of GET {path} for {self.role.name}", _OK, response.status_code)
        found: dict[str, Any] = response.json()
        return found

    def _post(self, path: str, body: dict[str, Any]) -> Deed:
        response = self.http.post(path, json=body)
        return Deed(path, body, response.status_code, response.json())


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody of the demo, signed in."""

    ada: Colleague
    ben: Colleague
    owner: Colleague


@contextmanager
def cast(directory: Path, addresses: Addresses) -> Iterator[Cast]:
    """Add the demo's people, sign them in, and return them for as long as the block runs.

    Raises:
        CommandFailedError: they could not be added.
    """
    links = _all("add", directory, [(role.id, *_declared(role)) for role in ROLES])
    with ExitStack() as browsers:
        found = [
            _signed_in(role, link, browsers.enter_context(_browser(addresses)))
            for role, link in zip(ROLES, links, strict=True)
        ]
        yield Cast(*found)


def new_links(directory: Path) -> list[tuple[Role, str]]:
    """Return a one-time link for each of the people, for whoever watches.

    Raises:
        CommandFailedError: there are none.
    """
    links = _all("link", directory, [(role.id,) for role in ROLES])
    return list(zip(ROLES, links, strict=True))


def _declared(role: Role) -> Iterator[str]:
    yield from ("--name", role.name)
    for group in role.groups:
        yield from ("--group", group)


def _all(command: str, directory: Path, people: Sequence[tuple[str, ...]]) -> list[str]:
    with ThreadPoolExecutor() as threads:
        return list(threads.map(partial(_link, command, directory), people))


def _link(command: str, directory: Path, arguments: tuple[str, ...]) -> str:
    config = str(directory / CONFIG)
    said = output_of("people", command, *arguments, "-c", config, "--sign-in", "--json")
    return str(json.loads(said)["link"])


def _browser(addresses: Addresses) -> httpx.Client:
    return httpx.Client(
        base_url=addresses.issuer,
        headers={"Origin": addresses.issuer},
        trust_env=False,
        timeout=30,
    )


def _signed_in(role: Role, link: str, http: httpx.Client) -> Colleague:
    """Open a link and say yes there, as its reader does; its form token is good for the API."""
    used = http.post(link, headers={"Content-Type": "application/x-www-form-urlencoded"})
    found = _CSRF.search(http.get("/").text)
    if used.status_code != _SEE_OTHER or found is None:
        raise CommandFailedError(f"{role.name} could not sign in: {used.status_code}")
    http.headers["X-CSRF-Token"] = found[1]
    return Colleague(role, http)
