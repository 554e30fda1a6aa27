"""Fleeting: an installation in a temporary directory, and its server.

The installation has the keys of the installation contract (DESIGN section 7) and 100 policies:
those that matter to the benchmark's clients, the others permits for other groups.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import processes
from bench.callers import (
    KEY_CLIENT,
    REVIEWED_CLIENT,
    SECRET_CLIENT,
    Callers,
    Side,
    basic_credentials,
)
from fleeting.policy import Verify

POLICIES = 100
SINGLE_USE_CLIENT = "bench-once"
RESOURCE_CLIENT = "payments-api"
_COMMAND = str(Path(sys.executable).parent / "fleeting")

TYPES = """\
[types.payment_refund]
description = "Refund one payment"
actions = ["refund"]
[types.payment_refund.fields]
payment_id = { kind = "exact", type = "string" }
amount = { kind = "at_most", type = "integer", unit = "cent" }
currency = { kind = "one_of", type = "string", values = ["EUR", "USD"] }
note = { kind = "text", optional = true }
"""

_SETTINGS = """\
issuer = "{issuer}"
database = "{database}"
policies = "policies"
open_requests = 20000
open_requests_per_client = 20000
verify = "{verify}"

{TYPES}
[[resources]]
identifier = "{resource}"
types = ["payment_refund"]
max_lifetime = "5m"
client_id = "{RESOURCE_CLIENT}"

[[clients]]
client_id = "{RESOURCE_CLIENT}"
secret_sha256 = "{resource_digest}"
grant_types = []

[[clients]]
client_id = "{SECRET_CLIENT}"
secret_sha256 = "{digest}"
grant_types = ["client_credentials"]
types = ["payment_refund"]
groups = ["support"]
insecure_bearer = true

[[clients]]
client_id = "{REVIEWED_CLIENT}"
secret_sha256 = "{digest}"
grant_types = ["client_credentials"]
types = ["payment_refund"]
groups = ["reviewed"]
insecure_bearer = true

[[clients]]
client_id = "{KEY_CLIENT}"
jwks_file = "keys/bench.jwks.json"
grant_types = ["client_credentials"]
types = ["payment_refund"]
groups = ["support"]

[[clients]]
client_id = "{SINGLE_USE_CLIENT}"
jwks_file = "keys/bench.jwks.json"
grant_types = ["client_credentials"]
types = ["payment_refund"]
groups = ["once"]

[[identity_providers]]
issuer = "https://idp.example.com"
jwks_file = "keys/bench.jwks.json"
audience = "fleeting"
[identity_providers.claims]
groups = "groups"
"""

_RELEVANT = """\
@id("support-refunds")
@lifetime("5m")
permit (principal in Group::"support", action == Action::"payment_refund:refund", resource)
when { context.operation.amount <= 100000000 };

@id("single-use-refunds")
@lifetime("5m") @uses("1")
permit (principal in Group::"once", action == Action::"payment_refund:refund", resource)
when { context.operation.amount <= 100000000 };

@id("reviewed-refunds")
@lifetime("5m") @uses("1") @approval("1 of leads")
permit (principal in Group::"reviewed", action == Action::"payment_refund:refund", resource)
when { context.operation.amount <= 100000000 };

@id("refunds-live-five-minutes")
@reason("refund tokens live at most five minutes")
forbid (principal, action == Action::"payment_refund:refund", resource)
unless { context.limits.lifetime <= 300 };
"""

BLOCKED = """
@id("blocked-payments")
forbid (principal, action == Action::"payment_refund:refund", resource)
when { context.operation.payment_id like "blocked-*" };
"""
"""It reads the payment: about two payments nothing is decided alike."""

_OTHER = """\
@id("team-{number}-refunds")
@lifetime("60s") @uses("1")
permit (principal in Group::"team-{number}", action == Action::"payment_refund:refund", resource)
when {{ context.operation.amount <= {amount} }};
"""


@dataclass(frozen=True, slots=True)
class FleetingSide(Side):
    """A running Fleeting server and its installation."""

    directory: Path
    resource_secret: str

    @property
    def resource_credentials(self) -> str:
        """The Authorization header of the resource server's own client."""
        return basic_credentials(RESOURCE_CLIENT, self.resource_secret)

    @property
    def spend_url(self) -> str:
        """Where guards spend."""
        return f"{self.callers.issuer}/spend"


def policy_text(count: int) -> str:
    """Return a set of `count` policies: the relevant ones, and permits for other groups."""
    others = count - _RELEVANT.count("@id(")
    made = [_OTHER.format(number=number, amount=1000 + number) for number in range(others)]
    return "\n".join([_RELEVANT, *made])


@dataclass(frozen=True, slots=True)
class Deciding:
    """How a server decides, and by what; name: what its figures are called."""

    name: str
    policies: str
    verify: Verify = Verify.PERMITS


_DEFAULT = Deciding("Fleeting", policy_text(POLICIES))


@contextmanager
def running(
    directory: Path,
    *,
    database: str = "sqlite:///fleeting.db",
    core: int = processes.SERVER_CORE,
    resource: str = "http://127.0.0.1:8401",
    deciding: Deciding = _DEFAULT,
) -> Iterator[FleetingSide]:
    """Make an installation, serve it until the block ends."""
    issuer = f"http://127.0.0.1:{processes.free_port()}"
    callers = Callers(issuer, f"{issuer}/token", resource, secrets.token_urlsafe(32))
    resource_secret = secrets.token_urlsafe(32)
    install(directory, callers, database, resource_secret, deciding)
    config = str(directory / "fleeting.toml")
    if database.startswith("postgresql"):
        _run("db", "upgrade", "-c", config)
    command = [_COMMAND, "serve", "-c", config]
    with processes.server(command, f"{issuer}/readyz", core=core, cwd=directory) as process:
        yield FleetingSide(deciding.name, callers, process.pid, directory, resource_secret)


def install(
    directory: Path,
    callers: Callers,
    database: str,
    resource_secret: str,
    deciding: Deciding = _DEFAULT,
) -> None:
    """Write an installation: `fleeting init`, then our own settings, keys and policies."""
    _run("init", str(directory))
    settings = _SETTINGS.format(
        issuer=callers.issuer,
        database=database,
        verify=deciding.verify,
        resource=callers.resource,
        digest=_sha256(callers.secret),
        resource_digest=_sha256(resource_secret),
        TYPES=TYPES,
        RESOURCE_CLIENT=RESOURCE_CLIENT,
        SECRET_CLIENT=SECRET_CLIENT,
        REVIEWED_CLIENT=REVIEWED_CLIENT,
        KEY_CLIENT=KEY_CLIENT,
        SINGLE_USE_CLIENT=SINGLE_USE_CLIENT,
    )
    (directory / "fleeting.toml").write_text(settings)
    (directory / "keys").mkdir(exist_ok=True)
    (directory / "keys" / "bench.jwks.json").write_text(json.dumps(callers.key.jwks))
    for policy in (directory / "policies").glob("*.cedar"):
        policy.unlink()
    (directory / "policies" / "bench.cedar").write_text(deciding.policies)
    (directory / "fleeting.db").unlink(missing_ok=True)


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _run(*arguments: str) -> None:
    done = subprocess.run(
        [_COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        raise processes.StartError(
            f"fleeting {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}"
        )
