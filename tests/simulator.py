"""The whole system in memory: an installation, its worker, a clock to wind, and callers.

``Simulator`` drives the application in-process; ``serve`` runs the same installation as a real
server process. A ``Caller`` makes assertions and DPoP proofs as an honest client does; every part
of what it sends can be replaced, so that attacks can be written down.
"""

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from fleeting.core.evidence import ChainedEntry, Entry
from fleeting.core.jose import SigningKey
from fleeting.server.app import app_of
from fleeting.server.connections import BoundedProtocol
from fleeting.server.housekeeping import life
from fleeting.server.wiring import Worker, build_worker
from fleeting.server.world import SystemClock
from tests.callers import JWT_TYPE, Caller, Parties, first_operation
from tests.installation import (
    DEPLOYMENT,
    DEPLOYMENTS,
    IDP,
    ISSUER,
    PAYMENTS,
    PAYOUT,
    POLICIES,
    REFUND,
    SECRETS,
    START,
    Installation,
    claims_of,
    header_of,
    jws,
    new_key,
    public_jwk,
    sign,
)

__all__ = [
    "DEPLOYMENT",
    "DEPLOYMENTS",
    "IDP",
    "ISSUER",
    "JWT_TYPE",
    "PAYMENTS",
    "PAYOUT",
    "POLICIES",
    "REFUND",
    "SECRETS",
    "START",
    "Caller",
    "Installation",
    "Parties",
    "Served",
    "Simulator",
    "WoundClock",
    "claims_of",
    "eventually",
    "first_operation",
    "free_port",
    "granted",
    "header_of",
    "jws",
    "listening",
    "new_key",
    "public_jwk",
    "refused",
    "serve",
    "sign",
    "simulator",
    "start",
]


class WoundClock:
    """A clock that stands still until it is wound."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def now(self) -> datetime:
        """See ``ports.Clock``."""
        return self.at

    def wind(self, **by: float) -> datetime:
        """Go on, or back, by a ``timedelta``'s arguments."""
        self.at += timedelta(**by)
        return self.at


@dataclass
class Simulator(Parties):
    """An installation, its worker and its application, all in this process."""

    worker: Worker
    clock: WoundClock

    @property
    def keys(self) -> dict[str, SigningKey]:
        """The private keys of clients, guards and the identity provider."""
        return self.installation.keys

    async def get(self, path: str) -> httpx.Response:
        """Fetch a document of the server."""
        return await self.http.get(self.installation.issuer + path)

    async def ledger(self) -> list[ChainedEntry]:
        """Return every entry so far, in order."""
        return [entry async for entry in self.worker.store.entries()]

    async def recorded(self, kind: str = "") -> list[Entry]:
        """Return the entries of one kind, or of every kind but the server's own."""
        entries = [chained.entry for chained in await self.ledger()]
        if kind:
            return [entry for entry in entries if entry.kind == kind]
        return [entry for entry in entries if entry.request_id]


@asynccontextmanager
async def simulator(
    directory: Path, *, http: httpx.AsyncClient | None = None, **changes: Any
) -> AsyncIterator[Simulator]:
    """Run an installation in *directory*; *changes* are those of ``Installation``.

    http: by which the worker fetches other parties' documents.
    """
    installation = Installation(directory, **changes).write()
    async with AsyncExitStack() as stack:
        yield await start(installation, stack, WoundClock(), http=http)


def loopback() -> httpx.AsyncClient:
    """Return a client of other parties without a trust store, which takes long to read."""
    return httpx.AsyncClient(verify=False, trust_env=False, follow_redirects=False)


async def start(
    installation: Installation,
    stack: AsyncExitStack,
    clock: WoundClock,
    *,
    http: httpx.AsyncClient | None = None,
) -> Simulator:
    """Start a worker of *installation*; several on one SQLite file are siblings."""
    worker = build_worker(installation.load(), clock=clock, http=http or loopback())
    await stack.enter_async_context(life(worker))
    transport = httpx.ASGITransport(app_of(worker), raise_app_exceptions=True)
    client = await stack.enter_async_context(httpx.AsyncClient(transport=transport))
    return Simulator(installation, client, clock, worker)


@asynccontextmanager
async def listening(sim: Simulator) -> AsyncIterator[uvicorn.Server]:
    """Serve a simulator's worker on its issuer's own port: real HTTP, and all else in reach."""
    port = int(sim.installation.issuer.rpartition(":")[2])
    config = uvicorn.Config(
        app_of(sim.worker),
        port=port,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    server.capture_signals = nullcontext  # type: ignore[method-assign] -- they are pytest's
    task = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    try:
        yield server
    finally:
        server.should_exit = True
        await task


_SERVE = """
import sys
from pathlib import Path
from fleeting.server.serving import serve
from fleeting.server.settings import load_settings
serve(Path(sys.argv[1]), load_settings(Path(sys.argv[1])))
"""


@dataclass
class Served:
    """A server process and where it is."""

    installation: Installation
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def url(self) -> str:
        """The issuer."""
        return self.installation.issuer

    def terminate(self) -> None:
        """Tell it to stop in order."""
        self.process.send_signal(signal.SIGTERM)

    @asynccontextmanager
    async def parties(self) -> AsyncIterator[Parties]:
        """Return its clients, over real HTTP, on the machine's clock."""
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(trust_env=False, timeout=20, limits=limits) as http:
            yield Parties(self.installation, http, SystemClock())


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serve(
    directory: Path, *, workers: int = 1, host: str = "127.0.0.1", **changes: Any
) -> Iterator[Served]:
    """Run an installation as a real server on loopback, ready when this yields."""
    changes.setdefault("database", "sqlite:///fleeting.db")
    settings = f"workers = {workers}\n" + changes.pop("settings", "")
    issuer = changes.pop("issuer", "") or f"http://{host}:{free_port()}"
    installation = Installation(directory, issuer=issuer, settings=settings, **changes).write()
    log = directory / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(installation.config)], stdout=out, stderr=out
        )
    served = Served(installation, process, log)
    try:
        _wait_until_ready(served)
        yield served
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(served: Served) -> None:
    deadline = time.monotonic() + 60  # for machines that have much else to do
    while time.monotonic() < deadline:
        if served.process.poll() is not None:
            break
        try:
            if httpx.get(f"{served.url}/readyz", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise AssertionError(f"the server did not start:\n{served.log.read_text()}")


async def eventually(condition: Any, *, seconds: float = 5.0) -> None:
    """Wait until *condition* holds, or fail."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 -- whatever it waits for, it has no event
            await asyncio.sleep(0.01)


def refused(response: httpx.Response, error: str, status: int = 400) -> str:
    """Check that *response* is a refusal as RFC 6749 §5.2 has it, and return its description."""
    body = response.json()
    assert (response.status_code, body["error"]) == (status, error), response.text
    assert body.keys() - {"would_allow"} == {"error", "error_description", "request_id"}
    description: str = body["error_description"]
    assert all(" " <= character <= "~" for character in description)
    assert not {'"', "\\"} & set(description)
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-request-id"] == body["request_id"]
    return description


def granted(response: httpx.Response) -> dict[str, Any]:
    """Check that *response* is a token response, and return the claims of its token."""
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    return claims_of(response.json()["access_token"])
