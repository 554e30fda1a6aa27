"""A real OpenID provider: ``oidc-provider`` on Node, from the benchmark's lock (bench/peer)."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.simulator import free_port

_ROOT = Path(__file__).parents[1]
_LIBRARY = _ROOT / "bench/peer/node_modules/oidc-provider/lib/index.js"
_SCRIPT = Path(__file__).parent / "openid" / "provider.mjs"
CLIENT_ID = "fleeting-console"
SECRET = "the-secret-of-the-console-9f2a7c41"

needs_provider = pytest.mark.skipif(
    shutil.which("node") is None or not _LIBRARY.exists(),
    reason="oidc-provider is missing (Debian: apt-get install nodejs npm; then 'make test')",
)

PEOPLE: dict[str, dict[str, Any]] = {
    "alice": {"name": "Alice A.", "groups": ["payments-leads"], "department": "payments"},
    "bob": {"name": "Bob", "groups": ["finance"]},
    "support-bot": {"name": "Not the bot", "groups": []},
}


@dataclass
class OpenIdProvider:
    """A provider that runs, and what an installation declares of it."""

    issuer: str
    directory: Path
    key: dict[str, Any] = field(default_factory=dict)

    def tables(self, *more: str, prefix: str = "") -> str:
        """Return the TOML of an installation whose people sign in here."""
        lines = (
            "[[identity_providers]]",
            f'issuer = "{self.issuer}"',
            f'jwks_uri = "{self.issuer}/jwks"',
            'audience = "fleeting"',
            f'subject_prefix = "{prefix or "p:"}"',
            "[identity_providers.claims]",
            'groups = "groups"',
            'department = "department"',
            "[sign_in]",
            f'provider = "{self.issuer}"',
            f'client_id = "{CLIENT_ID}"',
            'client_secret_file = "keys/console.secret"',
            *more,
        )
        return "\n".join(lines) + "\n"


@contextmanager
def openid_provider(directory: Path, callback: str) -> Iterator[OpenIdProvider]:
    """Run the provider; callback: where it may send people back to."""
    port = free_port()
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "keys").mkdir(exist_ok=True)
    (directory / "keys" / "console.secret").write_text(f"{SECRET}\n")
    client = {
        "client_id": CLIENT_ID,
        "client_secret": SECRET,
        "redirect_uris": [callback],
        "response_types": ["code"],
        "grant_types": ["authorization_code"],
        "token_endpoint_auth_method": "client_secret_basic",
    }
    config = directory / "provider.json"
    config.write_text(json.dumps({"port": port, "clients": [client], "people": PEOPLE}))
    log = directory / "provider.log"
    with log.open("wb") as out:
        command = ["node", str(_SCRIPT), str(_LIBRARY), str(config)]
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        issuer = f"http://localhost:{port}"
        _wait(process, f"{issuer}/.well-known/openid-configuration", log)
        yield OpenIdProvider(issuer, directory)
    finally:
        process.terminate()
        process.wait(10)


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise AssertionError(f"the provider did not start:\n{log.read_text()}")
