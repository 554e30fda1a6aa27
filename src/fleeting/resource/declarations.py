"""Read what a guard is given: operation types, keys, URLs; a wrong one stops the start."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from fleeting.core.declaring import DeclarationError
from fleeting.core.jose import JoseError, SigningKey
from fleeting.core.operations import OperationType, declare_type
from fleeting.core.transport import is_protected

Types: TypeAlias = Mapping[str, OperationType | Mapping[str, object]] | str | Path
"""Declared types by name, or the path of a TOML file with ``[types.*]`` (a ``fleeting.toml``)."""

PrivateKey: TypeAlias = Mapping[str, Any] | str | Path
"""A private P-256 JWK: as a mapping, as JSON text, or the path of a file with it."""


def read_types(types: Types) -> Mapping[str, OperationType]:
    """Return the operation types that a resource declares (DESIGN D3, §7).

    Raises:
        DeclarationError: with where it is wrong and what to write instead.
    """
    if isinstance(types, str | Path):
        declared: Mapping[str, OperationType | Mapping[str, object]] = _types_of_file(Path(types))
    else:
        declared = types
    return MappingProxyType(
        {
            name: one if isinstance(one, OperationType) else declare_type(name, one)
            for name, one in declared.items()
        }
    )


def _types_of_file(path: Path) -> Mapping[str, Mapping[str, object]]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DeclarationError(f"types: cannot read {path}: {error}") from None
    found = document.get("types")
    if not isinstance(found, dict):
        raise DeclarationError(f"types: {path} has no [types.*] table")
    return found


def read_private_key(name: str, key: PrivateKey) -> SigningKey:
    """Return the private key given as setting *name*; its own ``kid`` is kept (RFC 7517 §4.5).

    Raises:
        DeclarationError: not a private P-256 key; what it holds is never repeated.
    """
    try:
        jwk = dict(key) if isinstance(key, Mapping) else json.loads(_key_text(key))
        members = jwk.get("keys")
        if isinstance(members, list) and len(members) == 1:
            jwk = members[0]
        signing_key = SigningKey.from_jwk(jwk)
    except OSError as error:
        raise DeclarationError(f"{name}: cannot read the file: {error.strerror}") from None
    except (JoseError, ValueError, TypeError, AttributeError):
        raise DeclarationError(
            f"{name}: give a private P-256 JWK, as a mapping, as JSON, or the path of its file"
        ) from None
    kid = jwk.get("kid")
    return replace(signing_key, kid=kid) if isinstance(kid, str) and kid else signing_key


def _key_text(key: str | Path) -> str:
    if isinstance(key, str) and key.lstrip().startswith("{"):
        return key
    return Path(key).read_text(encoding="utf-8")


def check_url(name: str, url: str) -> str:
    """Return *url* if it is https, or http on loopback, and bare of query and fragment.

    Raises:
        DeclarationError: with what to write instead.
    """
    if not is_safe_url(url) or not {"?", "#"}.isdisjoint(url):
        raise DeclarationError(f"{name}: {url!r} must be an https URL, or http on loopback")
    return url


def is_safe_url(url: str) -> bool:
    """Say whether *url* is https, or http to this very machine."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if parts.username is not None or not url.isascii():
        return False
    return is_protected(parts.scheme, parts.hostname or "")


def origin(url: str) -> str:
    """Return scheme and authority of *url*."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
