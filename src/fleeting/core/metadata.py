"""The documents by which servers introduce themselves (RFC 8414, RFC 9728)."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from fleeting.core.jose import CLIENT_ALGS, SERVER_ALG
from fleeting.core.requests import GRANT_TYPES
from fleeting.core.signing_in import DEVICE_CODE

AS_METADATA = "/.well-known/oauth-authorization-server"
RESOURCE_METADATA = "/.well-known/oauth-protected-resource"
_SIGNING_ALGS = sorted(CLIENT_ALGS)
_AUTH_METHODS = ["private_key_jwt", "client_secret_basic"]


def server_metadata(issuer: str, *, types: Iterable[str], scopes: Iterable[str]) -> dict[str, Any]:
    """Return authorization server metadata (RFC 8414 §2).

    With RFC 9449 §5.1, RFC 9396 §10, RFC 7662, RFC 7009, RFC 8628 §4,
    draft-rosomakho-oauth-txn-challenge §5 and, of our own, ``spend_endpoint``,
    ``report_endpoint``, ``revocations_endpoint`` and ``access_request_endpoint``.
    """
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks",
        "introspection_endpoint": f"{issuer}/introspect",
        "revocation_endpoint": f"{issuer}/revoke",
        "transaction_authorization_endpoint": f"{issuer}/transaction-authorization",
        "spend_endpoint": f"{issuer}/spend",
        "report_endpoint": f"{issuer}/report",
        "revocations_endpoint": f"{issuer}/revocations",
        "access_request_endpoint": f"{issuer}/access-request",
        "device_authorization_endpoint": f"{issuer}/device_authorization",
        "grant_types_supported": [*GRANT_TYPES, DEVICE_CODE],
        "response_types_supported": [],
        "scopes_supported": sorted(scopes),
        "authorization_details_types_supported": sorted(types),
        **_endpoint_auth("token_endpoint"),
        **_endpoint_auth("introspection_endpoint"),
        **_endpoint_auth("revocation_endpoint"),
        "dpop_signing_alg_values_supported": _SIGNING_ALGS,
    }


def _endpoint_auth(endpoint: str) -> dict[str, Any]:
    return {
        f"{endpoint}_auth_methods_supported": _AUTH_METHODS,
        f"{endpoint}_auth_signing_alg_values_supported": _SIGNING_ALGS,
    }


def resource_metadata(
    resource: str, *, issuer: str, jwks_uri: str, types: Iterable[str], scopes: Iterable[str]
) -> dict[str, Any]:
    """Return protected resource metadata (RFC 9728 §2, txn-challenge draft §3.3)."""
    return {
        "resource": resource,
        "authorization_servers": [issuer],
        "jwks_uri": jwks_uri,
        "bearer_methods_supported": ["header"],
        "scopes_supported": sorted(scopes),
        "authorization_details_types_supported": sorted(types),
        "dpop_signing_alg_values_supported": _SIGNING_ALGS,
        "txn_challenge_jwks_uri": jwks_uri,
        "txn_challenge_signing_alg_values_supported": [SERVER_ALG],
    }


def well_known(identifier: str, suffix: str) -> str:
    """Return the URL of *identifier*'s metadata: the suffix goes before its path (RFC 8414 §3.1).

    Raises:
        ValueError: *identifier* is not a URL.
    """
    parts = urlsplit(identifier)
    path = parts.path.rstrip("/")
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{suffix}{path}{query}"
