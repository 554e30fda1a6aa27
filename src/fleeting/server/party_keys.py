"""Fetch and keep the public keys of other parties: identity providers and resource servers."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httpx

from fleeting.core.jose import JoseError, KeySet
from fleeting.core.metadata import RESOURCE_METADATA, well_known
from fleeting.server.declared_parties import is_secure
from fleeting.usecases.parties import KeysUnavailableError

FRESH_SECONDS = 300.0
GOOD_FOR_SECONDS = 86_400.0
"""For how long keys count that could not be fetched again: a withdrawn one must end some day."""
_TIMEOUT_SECONDS = 5.0
_MAX_BYTES = 262_144
_PLAIN = {"Accept": "application/json", "Accept-Encoding": "identity"}
_UNREADABLE = (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError)
_BURST = 5
_REFILL_SECONDS = 10.0

Fetch = Callable[[], Awaitable[KeySet]]


@dataclass(slots=True)
class _Party:
    """One party's keys: what is cached, what is under way, and how often we may still ask.

    failing: the last try to fetch them failed, so that an unknown key may be a genuine new one.
    """

    fetch: Fetch
    keys: KeySet | None = None
    fetched_at: float = 0.0
    failing: bool = False
    under_way: "asyncio.Task[KeySet] | None" = None
    tokens: float = _BURST
    refilled_at: float = field(default_factory=monotonic)

    def may_ask(self) -> bool:
        """Take one of the requests that a party must bear: a burst, then one each ten seconds."""
        now = monotonic()
        self.tokens = min(_BURST, self.tokens + (now - self.refilled_at) / _REFILL_SECONDS)
        self.refilled_at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class CachedPartyKeys:
    """Parties' keys, cached; each party is asked once at a time and at a bounded rate.

    Whoever needs no key of a party never waits for it; stale keys serve while new ones are fetched.
    """

    def __init__(self, sources: Mapping[str, Fetch]) -> None:
        self._parties = {party: _Party(fetch) for party, fetch in sources.items()}

    async def keys(self, party: str, *, newest: bool = False) -> KeySet:
        """Return the keys of *party*; see ``usecases.parties.PartyKeys``."""
        known = self._parties[party]
        age = monotonic() - known.fetched_at
        if known.keys is None or age > GOOD_FOR_SECONDS:
            return await self._fetched(known)
        if newest:
            return await self._newest(known)
        if age > FRESH_SECONDS:
            self._start(known)
        return known.keys

    async def _newest(self, party: _Party) -> KeySet:
        """Return the newest keys, or those at hand where they were asked for lately enough.

        Raises:
            KeysUnavailableError: the party does not answer: nobody can say that a key is not its.
        """
        task = self._start(party)
        if task is not None:
            return await asyncio.shield(task)
        if party.keys is None or party.failing:
            raise KeysUnavailableError("its newest keys could not be fetched")
        return party.keys

    async def _fetched(self, party: _Party) -> KeySet:
        task = self._start(party)
        if task is None:
            raise KeysUnavailableError("asked too often lately")
        return await asyncio.shield(task)  # one caller's going away is not the others' loss

    def _start(self, party: _Party) -> "asyncio.Task[KeySet] | None":
        if party.under_way is None and party.may_ask():
            party.under_way = asyncio.create_task(_refresh(party))
            party.under_way.add_done_callback(_seen)
        return party.under_way


async def _refresh(party: _Party) -> KeySet:
    try:
        party.failing = True  # until it answers
        party.keys = await party.fetch()
        party.fetched_at, party.failing = monotonic(), False
        return party.keys
    finally:
        party.under_way = None


def _seen(task: "asyncio.Task[KeySet]") -> None:
    """Look at a failure that nobody may be waiting for."""
    if not task.cancelled():
        task.exception()


def from_file(path: Path) -> Fetch:
    """Return a fetch that reads a JWK Set from a file, anew each time."""

    async def fetch() -> KeySet:
        return read_jwks_file(path)

    return fetch


def read_jwks_file(path: Path) -> KeySet:
    """Read a JWK Set.

    Raises:
        KeysUnavailableError: it is not there, or not a JWK Set.
    """
    try:
        return KeySet.from_jwks(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise KeysUnavailableError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError, JoseError) as error:
        raise KeysUnavailableError(f"{path} is not a JWK Set: {error}") from error


def from_uri(http: httpx.AsyncClient, uri: str) -> Fetch:
    """Return a fetch of a JWK Set over https, or http on loopback."""

    async def fetch() -> KeySet:
        return _key_set(uri, await get_json(http, uri))

    return fetch


def from_resource_metadata(http: httpx.AsyncClient, identifier: str) -> Fetch:
    """Return a fetch of the keys that a resource server publishes in its metadata (RFC 9728 §3)."""

    async def fetch() -> KeySet:
        document = await get_json(http, well_known(identifier, RESOURCE_METADATA))
        if document.get("resource") != identifier:  # RFC 9728 §3.3: MUST be identical
            raise KeysUnavailableError("its metadata are of another resource")
        uri = document.get("txn_challenge_jwks_uri") or document.get("jwks_uri")
        if not isinstance(uri, str) or not _same_origin(uri, identifier):
            raise KeysUnavailableError("its metadata name no JWK Set of its own origin")
        return _key_set(uri, await get_json(http, uri))

    return fetch


def _same_origin(uri: str, identifier: str) -> bool:
    try:
        a, b = urlsplit(uri), urlsplit(identifier)
    except ValueError:
        return False
    return (a.scheme, a.netloc) == (b.scheme, b.netloc)


def _key_set(uri: str, document: Mapping[str, Any]) -> KeySet:
    try:
        return KeySet.from_jwks(document)
    except JoseError as error:
        raise KeysUnavailableError(f"{uri}: {error}") from error


async def get_json(http: httpx.AsyncClient, url: str) -> dict[str, Any]:
    """Fetch a small JSON object: no redirects, bounded in time and size.

    Raises:
        KeysUnavailableError: anything else than 200 with a JSON object.
    """
    try:
        if not is_secure(urlsplit(url)):
            raise KeysUnavailableError(f"{url} is neither https nor http on loopback")
        async with (
            asyncio.timeout(_TIMEOUT_SECONDS),
            http.stream("GET", url, headers=_PLAIN) as response,
        ):
            body = await _read(response)
        document = json.loads(body)
    except _UNREADABLE as error:
        raise KeysUnavailableError(f"{url}: {type(error).__name__} {error}") from error
    if not isinstance(document, dict):
        raise KeysUnavailableError(f"{url} is not a JSON object")
    return document


async def _read(response: httpx.Response) -> bytes:
    if response.status_code != httpx.codes.OK:
        raise KeysUnavailableError(f"{response.url} answers {response.status_code}")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise KeysUnavailableError(f"{response.url} answers compressed")  # small, until unpacked
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _MAX_BYTES:
            raise KeysUnavailableError(f"{response.url} is larger than {_MAX_BYTES} bytes")
    return bytes(body)
