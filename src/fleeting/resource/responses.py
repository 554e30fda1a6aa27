"""The one renderer of the guard's refusals and documents: status, headers, JSON."""

import json
import re
from dataclasses import dataclass
from typing import Any

from fleeting.core.errors import (
    InsufficientScope,
    InvalidDpopProof,
    MissingToken,
    OAuthError,
    TemporarilyUnavailable,
    UseDpopNonce,
)
from fleeting.core.jose import CLIENT_ALGS

RawHeaders = tuple[tuple[bytes, bytes], ...]

_JSON = (b"content-type", b"application/json")
_NO_STORE = (b"cache-control", b"no-store")
_CHALLENGED = (401, 403)
_PROOF_ERRORS = (InvalidDpopProof, UseDpopNonce)  # 400 at an issuer, 401 here (RFC 9449 §7.1, §9)
_RETRY_AFTER_SECONDS = 2
_UNQUOTABLE = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")  # RFC 6750 §3: error_description


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP response."""

    status: int
    headers: RawHeaders
    body: bytes


class Refused(Exception):
    """A call was refused. answer: what its caller is told; error: why."""

    def __init__(self, error: OAuthError, answer: Answer) -> None:
        """Keep both."""
        super().__init__(error.description)
        self.error = error
        self.answer = answer


def quoted(text: str) -> str:
    """Return *text* as a quoted-string that no header can be broken with (RFC 6750 §3)."""
    return '"' + _UNQUOTABLE.sub("?", text) + '"'


@dataclass(frozen=True, slots=True)
class Renderer:
    """Renders refusals of one resource. metadata_url: where RFC 9728 §5.1 sends clients."""

    metadata_url: str

    def refusal(
        self,
        error: OAuthError,
        *,
        nonce: str,
        scope: str = "",
        challenge: str | None = None,
        unbound: bool = False,
    ) -> Answer:
        """Return *error* as RFC 6750 §3, RFC 9449 §7.1 and the txn-challenge draft §3.2 tell it.

        scope: the scope that would do, where there is one. challenge: a signed one, if any.
        unbound: whether what is refused is a token that is presented as Bearer.
        """
        status = 401 if isinstance(error, _PROOF_ERRORS) else error.status
        body = {"error_description": error.description}
        if error.error:  # a call without a token is told none (RFC 6750 §3.1)
            body = {"error": error.error, **body}
        headers = [_JSON, _NO_STORE, (b"dpop-nonce", nonce.encode())]
        if challenge is not None:
            headers.append((b"www-authenticate", self._transaction(error, challenge)))
        elif status in _CHALLENGED:
            headers.append((b"www-authenticate", self._token(error, scope, unbound=unbound)))
        if isinstance(error, TemporarilyUnavailable):
            headers.append((b"retry-after", str(_RETRY_AFTER_SECONDS).encode()))
        return _answer(status, headers, body)

    def _token(self, error: OAuthError, scope: str, *, unbound: bool) -> bytes:
        parameters = {} if isinstance(error, MissingToken) else _error_parameters(error)
        if scope and isinstance(error, InsufficientScope | MissingToken):
            parameters["scope"] = scope
        if not unbound:
            parameters["algs"] = " ".join(sorted(CLIENT_ALGS))
        parameters["resource_metadata"] = self.metadata_url
        return _authenticate("Bearer" if unbound else "DPoP", parameters)

    def _transaction(self, error: OAuthError, challenge: str) -> bytes:
        parameters = _error_parameters(error)
        parameters["transaction_challenge"] = challenge
        parameters["resource_metadata"] = self.metadata_url
        return _authenticate("Bearer", parameters)


def _error_parameters(error: OAuthError) -> dict[str, str]:
    return {"error": error.error, "error_description": error.description}


def _authenticate(scheme: str, parameters: dict[str, str]) -> bytes:
    pairs = ", ".join(f"{name}={quoted(value)}" for name, value in parameters.items())
    return f"{scheme} {pairs}".encode("ascii")


def unlisted() -> Answer:
    """Return the refusal of a call that no rule names: neither protected nor public."""
    description = "no rule of the guard names this method and path"
    body = {"error": "access_denied", "error_description": description}
    return _answer(403, [_JSON, _NO_STORE], body)


def document(body: dict[str, Any], max_age_seconds: int = 300) -> Answer:
    """Return a public JSON document (RFC 9728 §3.2, RFC 7517 §5)."""
    cache = (b"cache-control", f"public, max-age={max_age_seconds}".encode())
    return _answer(200, [_JSON, cache], body)


def _answer(status: int, headers: list[tuple[bytes, bytes]], body: dict[str, Any]) -> Answer:
    content = json.dumps(body).encode()
    length = (b"content-length", str(len(content)).encode())
    return Answer(status, (*headers, length), content)
