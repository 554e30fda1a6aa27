"""An installation as DESIGN §7 has it: its file, policies and keys, and what they sign."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey

from fleeting.core.jose import SigningKey, decode_base64url, encode_base64url
from fleeting.server.settings import Settings, load_settings
from fleeting.server.signing_keys import create_key

ISSUER = "http://127.0.0.1:8400"
PAYMENTS = "http://127.0.0.1:8401"
DEPLOYMENTS = "http://127.0.0.1:8402"
IDP = "https://idp.example.com"
SECRETS = {
    "payments-api": "payments-api-secret-Jt2w9cVxRk0",
    "legacy": "legacy-secret-Zq8n4sLmWy7",
}
START = datetime(2026, 1, 1, 12, tzinfo=UTC)

REFUND = {
    "type": "payment_refund",
    "actions": ["refund"],
    "payment_id": "42",
    "amount": 5000,
    "currency": "EUR",
}
"""An operation that policy permits support-bot: 60 seconds, one use."""
DEPLOYMENT = {
    "type": "deployment",
    "actions": ["start", "scale"],
    "service": "shop",
    "replicas": 3,
    "health": "0.95",
    "regions": ["north", "south"],
    "folder": "/srv/shop",
}
"""An operation with every kind of field that policy permits release-bot: 3 uses."""
PAYOUT = {"type": "payout", "actions": ["send"], "account": "DE02", "amount": "50.00"}
"""An operation of a sensitive type that policy permits support-bot: 2 uses."""

TOML = """
issuer = "{issuer}"
database = "{database}"
policies = "policies"
{settings}
[types.payment_refund]
description = "Refund one payment"
actions = ["refund"]
[types.payment_refund.fields]
payment_id = {{ kind = "exact", type = "string" }}
amount     = {{ kind = "at_most", type = "integer", unit = "cent" }}
currency   = {{ kind = "one_of", type = "string", values = ["EUR", "USD"] }}
note       = {{ kind = "text", optional = true }}

[types.deployment]
description = "Change a deployment"
actions = ["start", "stop", "scale"]
[types.deployment.fields]
service  = {{ kind = "exact", type = "string", pattern = "[a-z]+" }}
replicas = {{ kind = "at_most", type = "integer", maximum = 100 }}
health   = {{ kind = "at_least", type = "decimal" }}
regions  = {{ kind = "one_of", type = "string" }}
folder   = {{ kind = "path", type = "string" }}
force    = {{ kind = "exact", type = "boolean", optional = true }}
note     = {{ kind = "text", optional = true }}

[types.payout]
description = "Pay out"
actions = ["send"]
sensitive = true
[types.payout.fields]
account = {{ kind = "exact", type = "string" }}
amount  = {{ kind = "at_most", type = "decimal" }}

[[resources]]
identifier = "{payments}"
types = ["payment_refund", "payout"]
scopes = ["payments:read", "payments:list"]
max_lifetime = "5m"
client_id = "payments-api"
jwks_file = "keys/payments-api.jwks.json"

[[resources]]
identifier = "{deployments}"
types = ["deployment"]
scopes = ["deployments:read"]
client_id = "deployments-api"
jwks_file = "keys/deployments-api.jwks.json"

[[clients]]
client_id = "support-bot"
jwks_file = "keys/support-bot.jwks.json"
grant_types = ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"]
types = ["payment_refund", "payout"]
groups = ["support"]

[[clients]]
client_id = "release-bot"
jwks_file = "keys/release-bot.jwks.json"
grant_types = ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"]
groups = ["release"]

[[clients]]
client_id = "payments-api"
secret_sha256 = "{payments_secret}"

[[clients]]
client_id = "deployments-api"
jwks_file = "keys/deployments-api.jwks.json"

[[clients]]
client_id = "legacy"
secret_sha256 = "{legacy_secret}"
grant_types = ["client_credentials"]
groups = ["support"]
insecure_bearer = true

[[identity_providers]]
issuer = "{idp}"
jwks_file = "keys/idp.jwks.json"
audience = "fleeting"
[identity_providers.claims]
groups = "groups"
department = "department"

[context]
purpose = {{ type = "string", required = false, max_length = 500 }}
ticket  = {{ type = "string", required = false, pattern = "[A-Z]+-[0-9]+" }}
{tables}
"""

POLICIES = """
@id("small-refunds")
@lifetime("60s") @uses("1")
permit (principal in Group::"support", action == Action::"payment_refund:refund", resource)
when { context.operation.amount <= 5000 };

@id("large-refunds")
@lifetime("5m") @uses("1") @approval("2 of payments-leads")
permit (principal in Group::"support", action == Action::"payment_refund:refund", resource)
when { context.operation.amount <= 500000 };

@id("refunds-are-single-use") @reason("refund tokens are single-use and live at most five minutes")
forbid (principal, action == Action::"payment_refund:refund", resource)
unless { context.limits.uses == 1 && context.limits.lifetime <= 300 };

@id("usd-is-for-treasury") @reason("refunds in USD are for treasury")
forbid (principal, action == Action::"payment_refund:refund", resource)
when { context.operation.currency.contains("USD") };

@id("support-reads-payments")
@lifetime("10m")
permit (principal in Group::"support", action == Action::"scope:payments:read", resource);

@id("payouts")
@lifetime("2m") @uses("2")
permit (principal in Group::"support", action == Action::"payout:send", resource)
when { context.operation.amount.lessThanOrEqual(decimal("100.00")) };

@id("payouts-with-a-fresh-login")
@lifetime("2m") @uses("1") @step_up("gold") @max_age("5m")
permit (principal in Group::"support", action == Action::"payout:send", resource)
when { context.operation.amount.lessThanOrEqual(decimal("1000.00")) };

@id("releases")
@lifetime("4m") @uses("3")
permit (principal in Group::"release", action in Action::"deployment", resource);

@id("release-reads")
permit (principal in Group::"release", action == Action::"scope:deployments:read", resource);

@id("no-stopping") @reason("deployments are stopped by people")
forbid (principal, action == Action::"deployment:stop", resource);

@id("not-with-force") @reason("nothing is forced on a Friday")
forbid (principal, action in Action::"deployment", resource)
when { context.operation has force && context.operation.force };
"""


def new_key() -> SigningKey:
    """Return a fresh P-256 key."""
    return SigningKey.from_jwk(ECKey.generate_key("P-256").as_dict(private=True))


def public_jwk(key: SigningKey) -> dict[str, Any]:
    """Return the members of *key* that a proof shows."""
    return {name: str(value) for name, value in key.key.as_dict(private=False).items()}


def jws(header: Mapping[str, Any], payload: Mapping[str, Any] | bytes, signature: bytes) -> str:
    """Return a compact JWS whose parts need not fit each other."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    parts = (json.dumps(header).encode(), body, signature)
    return b".".join(map(encode_base64url, parts)).decode()


def sign(
    key: SigningKey,
    claims: Mapping[str, Any],
    *,
    typ: str = "JWT",
    header: Mapping[str, Any] | None = None,
) -> str:
    """Return *claims*, without those that are None, signed by *key*; *header* adds and replaces."""
    full = {"alg": "ES256", "typ": typ, "kid": key.kid, **(header or {})}
    full = {name: value for name, value in full.items() if value is not None}
    said = {name: value for name, value in claims.items() if value is not None}
    return key.sign(typ, said, header=full)


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a JWT, unverified."""
    claims: dict[str, Any] = json.loads(decode_base64url(token.split(".")[1].encode()))
    return claims


def header_of(token: str) -> dict[str, Any]:
    """Return the header of a JWT, unverified."""
    header: dict[str, Any] = json.loads(decode_base64url(token.split(".", maxsplit=1)[0].encode()))
    return header


@dataclass
class Installation:
    """A directory as DESIGN §7 has it, and every private key that goes with it.

    settings: further lines of top-level settings. tables: further TOML tables.
    replace: words of the file → what stands there instead, so that a test can break it.
    """

    directory: Path
    issuer: str = ISSUER
    database: str = "memory://"
    settings: str = ""
    tables: str = ""
    policies: str = POLICIES
    replace: Mapping[str, str] = field(default_factory=dict)
    keys: dict[str, SigningKey] = field(default_factory=dict)
    created_at: datetime = START - timedelta(days=1)

    @property
    def config(self) -> Path:
        """The file that declares it."""
        return self.directory / "fleeting.toml"

    def write(self) -> "Installation":
        """Write files and keys."""
        (self.directory / "keys").mkdir(parents=True, exist_ok=True)
        (self.directory / "policies").mkdir(exist_ok=True)
        for name in ("support-bot", "release-bot", "payments-api", "deployments-api", "idp"):
            key = self.keys[name] = new_key()
            document = {"keys": [key.public().to_jwk()]}
            path = self.directory / "keys" / f"{name}.jwks.json"
            path.write_text(json.dumps(document), encoding="utf-8")
        create_key(self.directory / "keys" / "signing", self.created_at)
        (self.directory / "policies" / "all.cedar").write_text(self.policies, encoding="utf-8")
        self.config.write_text(self._toml(), encoding="utf-8")
        return self

    def _toml(self) -> str:
        hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in SECRETS.items()}
        text = TOML.format(
            issuer=self.issuer,
            database=self.database,
            settings=self.settings,
            tables=self.tables,
            payments=PAYMENTS,
            deployments=DEPLOYMENTS,
            idp=IDP,
            payments_secret=hashes["payments-api"],
            legacy_secret=hashes["legacy"],
        )
        for old, new in self.replace.items():
            assert old in text, old
            text = text.replace(old, new)
        return text

    def load(self) -> Settings:
        """Read it as the server does."""
        return load_settings(self.config, {})
