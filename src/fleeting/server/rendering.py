"""Turn answers and refusals into bodies and headers: the one place that does."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import orjson

from fleeting.core.errors import InvalidClient, OAuthError, RequestProblem, TemporarilyUnavailable

Header = tuple[bytes, bytes]

_JSON: Header = (b"content-type", b"application/json")
_PROBLEM: Header = (b"content-type", b"application/problem+json")
_NO_STORE: tuple[Header, ...] = (
    (b"cache-control", b"no-store"),  # RFC 6749 §5.1, RFC 9449 §8.2
    (b"x-content-type-options", b"nosniff"),
)
_AUTHENTICATE: Header = (b"www-authenticate", b'Basic realm="fleeting", charset="UTF-8"')


def encode(body: Any) -> bytes:  # noqa: ANN401 -- it is JSON
    """Return *body* as JSON text."""
    return orjson.dumps(body)


def headers(
    request_id: str, body: bytes, *, nonce: str | None = None, extra: Sequence[Header] = ()
) -> list[Header]:
    """Return the headers of a JSON answer that nobody may store."""
    own_type = any(name == _JSON[0] for name, _ in extra)
    fields = [
        *(() if own_type else (_JSON,)),
        (b"content-length", str(len(body)).encode()),
        *_NO_STORE,
        (b"x-request-id", request_id.encode("latin-1")),
        *extra,
    ]
    if nonce is not None:
        fields.append((b"dpop-nonce", nonce.encode()))
    return fields


def render_error(error: OAuthError, request_id: str) -> tuple[int, bytes, tuple[Header, ...]]:
    """Return status, body and further headers of a refusal (RFC 6749 §5.2)."""
    members: dict[str, Any] = {
        "error": error.error,
        "error_description": printable(error.description),
        "request_id": request_id,
    }
    if error.members:
        members.update(error.members)
    if error.would_allow:
        members["would_allow"] = list(error.would_allow)
    return error.status, encode(members), tuple(_extra_headers(error))


def render_message(error: OAuthError) -> tuple[int, bytes, tuple[Header, ...]]:
    """Return the same where the body is an error message string (AuthZEN §10.1.2)."""
    return error.status, encode(error.description), tuple(_extra_headers(error))


def render_problem(error: OAuthError, request_id: str) -> tuple[int, bytes, tuple[Header, ...]]:
    """Return the same as problem details (RFC 9457 §3), by the profile's type if it has one."""
    profiled = isinstance(error, RequestProblem)
    members = {
        "type": error.type if isinstance(error, RequestProblem) else "about:blank",
        "title": _title(error) if profiled else HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.description,
        "error": error.error,
        "request_id": request_id,
    }
    return error.status, encode(members), (_PROBLEM, *_extra_headers(error))


def _title(error: OAuthError) -> str:
    """Return the sentence that a problem's class says of itself."""
    return (type(error).__doc__ or "").partition(" (ARAP")[0].replace("``", "")


def _extra_headers(error: OAuthError) -> Iterable[Header]:
    if isinstance(error, InvalidClient):
        yield _AUTHENTICATE  # RFC 6749 §5.2: MUST with 401
    if isinstance(error, TemporarilyUnavailable):
        yield (b"retry-after", b"1")


def printable(description: str) -> str:
    """Return *description* in the characters that RFC 6749 §5.2 allows."""
    return "".join(
        character if " " <= character <= "~" and character not in '"\\' else _REPLACED[character]
        for character in description
    )


class _Replacements(dict[str, str]):
    """Quotes become single ones, everything else that is not allowed a question mark."""

    def __missing__(self, character: str) -> str:
        return "'" if character in '"\\' else "?"


_REPLACED = _Replacements()
