"""Tell enforcement points that a task of theirs has ended, where they asked to be told.

AuthZEN Access Request and Approval Profile (draft 1) §13, cited as ARAP: a notification and no
more, to a declared URI, signed; what came of it is for the enforcement point to look up. One worker
tells it, in the background, and nothing ever waits for it.
"""

import asyncio
import hashlib
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any

import httpx
import structlog

from fleeting.core.access_requests import Callback, RequestRecord
from fleeting.core.lifecycle import Status
from fleeting.core.tasks import PENDING, ended_as, notice_json, submitted_of
from fleeting.core.transport import is_loopback
from fleeting.ports import Clock, Record, Store, StoreUnavailableError, Write
from fleeting.server.background import Background
from fleeting.server.rendering import encode
from fleeting.usecases.asking_people import ATTEMPTS
from fleeting.usecases.following_tasks import found_task
from fleeting.usecases.minting import Signer
from fleeting.usecases.request_rows import change_of, read_row, states_of
from fleeting.usecases.rules import RulesSource

CALLBACK_TYP = "fleeting-callback+jwt"
"""The JWS ``typ`` of the bearer token that comes along; our keys verify it."""

_LIFE = timedelta(seconds=60)
_PAUSES = (timedelta(seconds=1), timedelta(seconds=5), timedelta(seconds=30))
_WITHIN = timedelta(seconds=15)
"""How long one attempt may take, however slowly the answer trickles in."""

_UNICAST = IPv6Network("2000::/3")
"""Where public IPv6 is: beside it lies what leads to IPv4 (NAT64), or is site-local."""

_OK = range(200, 300)
_NO_CALLBACK = '"callback":null'
_ENDED = frozenset(states_of([it for it in Status if it not in (Status.REQUESTED, Status.PENDING)]))

log = structlog.get_logger("fleeting.server")

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host."""


async def system_addresses(host: str, port: int) -> Sequence[str]:
    """Return the addresses of *host* as the system knows them.

    Raises:
        OSError: it knows none.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


@dataclass(frozen=True, slots=True)
class Post:
    """How one attempt is made: with a client that follows no redirects, by our signature."""

    http: httpx.AsyncClient
    signer: Signer
    clock: Clock
    issuer: str
    resolve: Resolve = system_addresses
    within: timedelta = _WITHIN

    async def __call__(self, uri: str, told: dict[str, Any]) -> str | None:
        """Return what went wrong, or None."""
        body = encode(told)
        try:
            target, host = await self._target(httpx.URL(uri))
            headers = {
                "Host": host,
                "Content-Type": "application/json",
                "Authorization": f"Bearer {self._token(uri, told['task']['id'], body)}",
            }
            extensions = {"sni_hostname": httpx.URL(uri).host}
            sending = self.http.stream(
                "POST", target, content=body, headers=headers, extensions=extensions
            )
            async with asyncio.timeout(self.within.total_seconds()), sending as response:
                status = response.status_code  # its body is not read
        except (httpx.HTTPError, OSError, ValueError) as error:
            return f"{type(error).__name__}: {error}"
        return None if status in _OK else f"HTTP status {status}"

    async def _target(self, url: httpx.URL) -> tuple[httpx.URL, str]:
        """Return the URL by address, which stays what was checked (ARAP §21.4.1), and the host.

        Raises:
            ValueError: an address is no public one (ATTACKS 25), where loopback is not declared.
        """
        port = url.port or (443 if url.scheme == "https" else 80)
        addresses = await self.resolve(url.host, port)
        own = is_loopback(url.host)
        wrong = [each for each in addresses if not _may(each, loopback=own)]
        if wrong or not addresses:
            raise ValueError(f"{url.host} is not at a public address: {', '.join(wrong)}")
        return url.copy_with(host=addresses[0]), url.netloc.decode()

    def _token(self, uri: str, task: str, body: bytes) -> str:
        now = self.clock.now()
        claims = {
            "iss": self.issuer,
            "aud": uri,
            "iat": int(now.timestamp()),
            "exp": int((now + _LIFE).timestamp()),
            "sub": task,
            "body_sha256": hashlib.sha256(body).hexdigest(),
        }
        return self.signer.sign(CALLBACK_TYP, claims)


def _may(address: str, *, loopback: bool) -> bool:
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if loopback:
        return found.is_loopback
    if isinstance(found, IPv6Address) and found not in _UNICAST:
        return False
    return found.is_global and not found.is_multicast


class Callbacks:
    """What is under way to enforcement points (ARAP §13)."""

    def __init__(
        self,
        store: Store,
        rules: RulesSource,
        post: Post,
        pauses: Sequence[timedelta] = _PAUSES,
    ) -> None:
        """Read tasks from *store*; pauses: before each further attempt."""
        self._store = store
        self._rules = rules
        self._post = post
        self._pauses = pauses
        self._background = Background()

    def notice(self, row: Record) -> None:
        """Look at a changed access request in the background, where somebody is to be told."""
        if row.state not in _ENDED or _NO_CALLBACK in row.text or '"callback":' not in row.text:
            return
        record = self._read(row)
        if record is None or not _wants(record):
            return
        if self._background.is_full:
            log.error("callback not posted: too many are under way", access_request_id=row.id)
            return
        self._background.begin(self._tell(submitted_of(record).task))

    async def close(self) -> None:
        """Let go of what is still under way."""
        await self._background.close()

    def _read(self, row: Record) -> RequestRecord | None:
        try:
            return read_row(row, self._rules.rules().installation.catalogue.types)
        except ValueError:
            log.exception("an access request cannot be read", access_request_id=row.id)
            return None

    async def _tell(self, task: str) -> None:
        """Tell of the end of *task*, if it has ended and nobody else tells it."""
        installation = self._rules.rules().installation
        try:
            records = await self._ours(task)
        except StoreUnavailableError as error:
            log.warning("callback not posted", task=task, cause=str(error))
            return
        if not records:
            return
        callback = submitted_of(records[0]).callback
        client_id = records[0].request.client.client_id
        resource = installation.guards.get(client_id)
        if callback is None or resource is None or callback.uri not in resource.callback_uris:
            log.warning("callback not posted: its URI is not declared any more", task=task)
            return
        await self._deliver(callback.uri, notice_json(records, installation.issuer))

    async def _ours(self, task: str) -> Sequence[RequestRecord]:
        """Return the requests of *task* if its end is for this worker to tell: who marks it first.

        Raises:
            StoreUnavailableError: the store cannot answer.
        """
        for _ in range(ATTEMPTS):
            types = self._rules.rules().installation.catalogue.types
            records = await found_task(task, self._store, types)
            if not records or not _is_news(records):
                return ()
            outcome = await self._store.commit(Write(changes=(change_of(_told(records[0])),)))
            if not outcome.stale:
                return records
        return ()

    async def _deliver(self, uri: str, told: dict[str, Any]) -> None:
        for pause in (*self._pauses, None):
            trouble = await self._post(uri, told)
            if trouble is None:
                return
            log.warning("callback not posted", uri=uri, cause=trouble, again=pause is not None)
            if pause is not None:
                await asyncio.sleep(pause.total_seconds())


def _wants(record: RequestRecord) -> bool:
    """Say whether anybody is still to be told of *record*'s task."""
    callback = None if record.submitted is None else record.submitted.callback
    return callback is not None and not callback.told


def _told(first: RequestRecord) -> RequestRecord:
    submitted = submitted_of(first)
    callback = submitted.callback
    told = None if callback is None else replace(callback, told=True)
    return replace(first, submitted=replace(submitted, callback=told))


def _is_news(records: Sequence[RequestRecord]) -> bool:
    """Say whether the task has ended, in a way that was asked for."""
    callback: Callback | None = submitted_of(records[0]).callback
    status = ended_as(records)
    if callback is None or callback.told or status == PENDING:
        return False
    return not callback.events or status in callback.events
