"""The peer: `oidc-provider` on Node with its in-memory adapter (bench/peer)."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import callers, processes
from bench.callers import Callers, Side

_HOME = Path(__file__).parent / "peer"
_RESOURCE = "http://127.0.0.1:8401"


def available() -> bool:
    """Tell whether there is a Node.js to run the peer."""
    return shutil.which("node") is not None and shutil.which("npm") is not None


def install() -> None:
    """Run `npm ci` once, on demand.

    Raises:
        RuntimeError: the installation failed.
    """
    if (_HOME / "node_modules" / "oidc-provider").is_dir():
        return
    done = subprocess.run(
        ["npm", "ci", "--silent"],
        cwd=_HOME,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"npm ci failed in bench/peer:\n{done.stderr[-2000:]}")


def version() -> str:
    """Name and version of the peer."""
    package = json.loads((_HOME / "node_modules/oidc-provider/package.json").read_text())
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    return f"oidc-provider {package['version']} on Node {node.stdout.strip()}"


@contextmanager
def running(directory: Path) -> Iterator[Side]:
    """Run the peer until the block ends; `directory` takes its configuration."""
    install()
    port = processes.free_port()
    issuer = f"http://127.0.0.1:{port}"
    side = Callers(issuer, f"{issuer}/token", _RESOURCE, secret="peer-" + "s" * 43)
    config = {
        "port": port,
        "resource": side.resource,
        "secretClient": {"id": callers.SECRET_CLIENT, "secret": side.secret},
        "keyClient": {"id": callers.KEY_CLIENT, "jwks": side.key.jwks},
    }
    path = directory / "peer.json"
    path.write_text(json.dumps(config))
    command = ["node", str(_HOME / "peer.mjs"), str(path)]
    ready = f"{issuer}/.well-known/openid-configuration"
    with processes.server(command, ready, env={"NODE_ENV": "production"}) as process:
        yield Side("oidc-provider", side, process.pid)
