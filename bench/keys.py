"""The callers' keys, and what they sign: client assertions (RFC 7523) and DPoP proofs (RFC 9449).

Made in bulk before a timed phase, so it is `cryptography` without a JOSE layer.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

_ES256 = ec.ECDSA(hashes.SHA256())
_COORDINATE_BYTES = 32


def b64url(data: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _segment(value: dict[str, Any]) -> str:
    return b64url(json.dumps(value, separators=(",", ":")).encode())


@dataclass(frozen=True, slots=True)
class Key:
    """An ES256 key pair."""

    private: ec.EllipticCurvePrivateKey
    jwk: dict[str, str]

    @classmethod
    def generate(cls) -> Key:
        """Make a new key."""
        private = ec.generate_private_key(ec.SECP256R1())
        numbers = private.public_key().public_numbers()
        jwk = {
            "kty": "EC",
            "crv": "P-256",
            "x": b64url(numbers.x.to_bytes(_COORDINATE_BYTES)),
            "y": b64url(numbers.y.to_bytes(_COORDINATE_BYTES)),
        }
        return cls(private, jwk)

    @property
    def kid(self) -> str:
        """RFC 7638 thumbprint."""
        members = json.dumps(self.jwk, separators=(",", ":"), sort_keys=True)
        return b64url(hashlib.sha256(members.encode()).digest())

    @property
    def jwks(self) -> dict[str, Any]:
        """The public half as a JWK set."""
        return {"keys": [{**self.jwk, "kid": self.kid, "use": "sig", "alg": "ES256"}]}

    def private_jwk(self) -> dict[str, str]:
        """Return the private half as a JWK."""
        value = self.private.private_numbers().private_value
        return {**self.jwk, "kid": self.kid, "d": b64url(value.to_bytes(_COORDINATE_BYTES))}

    def sign(self, header: str, claims: dict[str, Any]) -> str:
        """Sign `claims` under an encoded header, in compact form."""
        signing_input = f"{header}.{_segment(claims)}"
        r, s = decode_dss_signature(self.private.sign(signing_input.encode(), _ES256))
        signature = r.to_bytes(_COORDINATE_BYTES) + s.to_bytes(_COORDINATE_BYTES)
        return f"{signing_input}.{b64url(signature)}"


@dataclass(frozen=True, slots=True)
class Assertions:
    """Makes client assertions for one client and issuer."""

    key: Key
    client_id: str
    audience: str
    typ: str = "client-authentication+jwt"
    lifetime_seconds: int = 60

    def make(self, count: int) -> list[str]:
        """Sign `count` assertions, each with its own `jti`."""
        header = _segment({"alg": "ES256", "kid": self.key.kid, "typ": self.typ})
        now = int(time.time())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience,
            "iat": now,
            "exp": now + self.lifetime_seconds,
        }
        return [
            self.key.sign(header, {**claims, "jti": secrets.token_urlsafe(16)})
            for _ in range(count)
        ]


@dataclass(frozen=True, slots=True)
class Proofs:
    """Makes DPoP proofs for one key, method and URL."""

    key: Key
    method: str
    url: str

    def make(
        self, count: int, *, nonce: str | None = None, tokens: list[str] | None = None
    ) -> list[str]:
        """Sign `count` proofs; with `tokens`, the n-th is for the n-th token (`ath`)."""
        header = _segment({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.key.jwk})
        claims: dict[str, Any] = {"htm": self.method, "htu": self.url, "iat": int(time.time())}
        if nonce is not None:
            claims["nonce"] = nonce
        return [
            self.key.sign(
                header, {**claims, **_ath(tokens, index), "jti": secrets.token_urlsafe(16)}
            )
            for index in range(count)
        ]


def _ath(tokens: list[str] | None, index: int) -> dict[str, str]:
    if tokens is None:
        return {}
    return {"ath": b64url(hashlib.sha256(tokens[index].encode()).digest())}
