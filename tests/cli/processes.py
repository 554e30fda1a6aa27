"""``fleeting`` as a process on real HTTP, and the parties that call what it serves."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from typer.testing import CliRunner, Result

from fleeting.cli.app import app
from fleeting.client import Token, TokenClient
from fleeting.client.identity import clock, make_identity
from fleeting.server.settings import load_settings

PROGRAM = Path(sys.executable).with_name("fleeting")
REFUND = {
    "type": "payment_refund",
    "actions": ["refund"],
    "payment_id": "42",
    "amount": 5000,
    "currency": "EUR",
}


def run(*arguments: object, **more) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(each) for each in arguments], **more)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_installation(directory: Path) -> Path:
    issuer, resource = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    done = run("init", directory, "--issuer", issuer, "--resource", resource)
    assert done.exit_code == 0, done.output
    return directory / "fleeting.toml"


@contextmanager
def process(*arguments: object, **more) -> Iterator[subprocess.Popen]:
    """Run ``fleeting`` as a process, and end it with SIGTERM."""
    command = [str(PROGRAM), *map(str, arguments)]
    running = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: v for name, v in os.environ.items() if not name.startswith("FLEETING_")},
        **more,
    )
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.communicate(timeout=20)
        finally:
            running.kill()


@dataclass(frozen=True)
class Server:
    """A running installation, and the parties that call it."""

    config: Path
    issuer: str
    resource: str

    def key(self, client: str) -> Path:
        return self.config.parent / "keys" / f"{client}.jwk.json"

    def tokens(self) -> TokenClient:
        return TokenClient(self.issuer, "support-bot", self.key("support-bot"))

    def token(self, **fields) -> Token:
        return self.tokens().obtain(
            authorization_details=[{**REFUND, **fields}], context={"ticket": "INC-7"}, wait=0
        )

    def spend(self, token: Token, use_id: str) -> dict:
        """Spend as the guard of the payments API does."""
        guard = make_identity(self.issuer, "payments-api", self.key("payments-api"))
        _, fields = guard.authentication(clock())
        operation = httpx.Response(200, json=dict(token.authorization_details[0])).text
        form = {"token": token.value, "use_id": use_id, "operation": operation, **fields}
        answer = httpx.post(f"{self.issuer}/spend", data=form, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextmanager
def serving(config: Path, *arguments: object) -> Iterator[tuple[Server, subprocess.Popen]]:
    settings = load_settings(config, {})
    server = Server(config, settings.issuer, settings.resources[0].resource.identifier)
    with process("serve", "-c", config, *arguments) as running:
        await_ready(f"{server.issuer}/readyz", running)
        yield server, running


def await_ready(url: str, running: subprocess.Popen) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert running.poll() is None, running.stderr.read()
        try:
            if httpx.get(url, trust_env=False, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError("it is not ready after a minute")
