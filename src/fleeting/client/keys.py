"""Read a caller's private key from where callers keep it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.jwk import ECKey

from fleeting.core import strict_json
from fleeting.core.jose import SERVER_ALG, JoseError, SigningKey

KeySource: TypeAlias = Mapping[str, Any] | str | os.PathLike[str] | EllipticCurvePrivateKey
"""A private P-256 JWK (as a mapping or as JSON), PEM text, the path of either, or a key object."""

_HINT = "give a private P-256 key: a JWK, its JSON, PEM, the path of either, or a key object"
_PUBLIC_MEMBERS = ("kty", "crv", "x", "y")


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A key that signs assertions and proofs. kid: only where its JWK says so."""

    signing: SigningKey = field(repr=False)
    kid: str | None = None

    def public_jwk(self) -> dict[str, Any]:
        """Return the bare public JWK, as a proof shows it (RFC 9449 §4.2)."""
        jwk = self.signing.key.as_dict(private=False)
        return {name: jwk[name] for name in _PUBLIC_MEMBERS}

    def sign(self, typ: str, claims: Mapping[str, Any], **header: object) -> str:
        """Return *claims* as a JWS of type *typ*."""
        members = {"typ": typ, "alg": SERVER_ALG, **header}
        return self.signing.sign(typ, claims, header=members)


def read_key(source: KeySource) -> PrivateKey:
    """Return the private key that *source* is or names. No message ever shows any of it.

    Raises:
        ValueError: there is no private P-256 key.
    """
    if isinstance(source, EllipticCurvePrivateKey):
        return _from_object(source)
    if isinstance(source, Mapping):
        return _from_jwk(source)
    if isinstance(source, str) and source.lstrip().startswith(("{", "-----BEGIN")):
        return _from_text(source)
    return _from_text(_contents(Path(source)))


def generate_key() -> PrivateKey:
    """Return a new key, for a caller without one of its own to bind tokens to."""
    return _from_object(generate_private_key(SECP256R1()))


def _contents(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        # What was meant as the key itself may have been taken for a path: it is not repeated.
        raise ValueError(f"the key was read as a path, and cannot be: {why}; {_HINT}") from None


def _from_text(text: str) -> PrivateKey:
    if text.lstrip().startswith("-----BEGIN"):
        return _from_pem(text)
    try:
        return _from_jwk(strict_json.loads(text))
    except strict_json.JsonError:
        raise ValueError(f"the key is neither JSON nor PEM; {_HINT}") from None


def _from_pem(text: str) -> PrivateKey:
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError):
        raise ValueError(f"the PEM text holds no unencrypted private key; {_HINT}") from None
    if not isinstance(key, EllipticCurvePrivateKey):
        raise ValueError(_HINT)  # noqa: TRY004 -- what the caller gave is text, of a wrong kind
    return _from_object(key)


def _from_object(key: EllipticCurvePrivateKey) -> PrivateKey:
    if key.curve.name != "secp256r1":
        raise ValueError(_HINT)
    return PrivateKey(SigningKey.from_jwk(ECKey.import_key(key).as_dict(private=True)))


def _from_jwk(jwk: object) -> PrivateKey:
    """Read a JWK, or a JWK Set of one."""
    members = jwk.get("keys", [jwk]) if isinstance(jwk, Mapping) else None
    if not isinstance(members, list) or len(members) != 1 or not isinstance(members[0], Mapping):
        raise ValueError(f"the key is not one JWK; {_HINT}")
    kid = members[0].get("kid")
    try:
        signing = SigningKey.from_jwk(members[0])
    except JoseError:
        raise ValueError(f"the JWK is not a private P-256 key; {_HINT}") from None
    return PrivateKey(signing, kid if isinstance(kid, str) else None)
