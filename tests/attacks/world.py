"""A real installation: ``fleeting serve`` with two workers, and guarded APIs as processes."""

import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from fleeting.server.world import SystemClock
from tests.simulator import PAYMENTS, SECRETS, Installation, Parties, free_port

_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Never used, on loopback: without it, each client would read every certificate authority."""
FLEETING = Path(sys.executable).with_name("fleeting")

GUARDED_API = """
import sys
import uvicorn
from fleeting.resource import Guard, GuardMiddleware, body, operation, path, protect

issuer, resource, types, secret, port = sys.argv[1:]

async def app(scope, receive, send):
    await receive()
    await send({"type": "http.response.start", "status": 201, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})

guard = Guard(issuer=issuer, resource=resource, types=types, client_id="payments-api",
              secret=secret, base_url=f"http://127.0.0.1:{port}")
refund = operation("payment_refund", payment_id=path("payment_id"), amount=body("amount"),
                   currency=body("currency"))
rules = [protect("POST", "/payments/{payment_id}/refunds", refund)]
guarded = GuardMiddleware(app, guard, rules)
uvicorn.run(guarded, host="127.0.0.1", port=int(port), log_level="warning", lifespan="off")
"""


@dataclass
class World:
    """One installation, served by two workers; its database and how to break and mend it."""

    installation: Installation
    database: Any = None
    process: "subprocess.Popen[bytes] | None" = None
    logs: list[Path] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The issuer."""
        return self.installation.issuer

    def start(self) -> None:
        """Serve, until both workers are ready."""
        log = self.installation.directory / f"server-{len(self.logs)}.log"
        self.logs.append(log)
        command = [FLEETING, "serve", "-c", self.installation.config, "--workers", "2"]
        with log.open("wb") as out:
            self.process = subprocess.Popen([*map(str, command)], stdout=out, stderr=out)
        wait_until(lambda: log.read_text().count('"started"') == 2 and self.is_ready(), log)

    def stop(self) -> None:
        """Stop in order, as SIGTERM does."""
        if self.process is not None:
            self.process.terminate()
            assert self.process.wait(20) in (0, -15)
            self.process = None

    def is_ready(self) -> bool:
        """Ask /readyz."""
        try:
            answer = httpx.get(f"{self.url}/readyz", trust_env=False, timeout=10, verify=_TLS)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200

    def parties(self, http: httpx.AsyncClient) -> Parties:
        """Return its clients."""
        return Parties(self.installation, http, SystemClock())

    def said(self) -> str:
        """Return all that it ever logged."""
        return "".join(log.read_text() for log in self.logs)


def wait_until(condition: Any, log: Path, seconds: float = 60) -> None:
    """Wait for a process, or fail with what it said."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def client() -> httpx.AsyncClient:
    """Return a client with connections of its own."""
    return httpx.AsyncClient(trust_env=False, timeout=30, verify=_TLS)


@contextmanager
def guarded_apis(world: World, number: int) -> Iterator[list[str]]:
    """Run *number* processes of one guarded API, and return where they are."""
    config = str(world.installation.config)
    ports = [free_port() for _ in range(number)]
    arguments = [world.url, PAYMENTS, config, SECRETS["payments-api"]]
    processes = [
        subprocess.Popen([sys.executable, "-c", GUARDED_API, *arguments, str(port)])
        for port in ports
    ]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    try:
        for url in urls:
            wait_until(lambda it=url: _answers(it), world.logs[-1])
        yield urls
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, verify=_TLS).status_code == 403
    except httpx.HTTPError:
        return False
