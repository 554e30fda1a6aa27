"""Form endpoints: read a bounded body, call the use case, answer. Raw ASGI: they are hot (D8)."""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter
from typing import Any, Protocol

import structlog
from starlette.types import Message, Receive, Scope, Send

from fleeting.core.errors import InvalidRequest, OAuthError, RequestTooLarge, ServerError
from fleeting.core.forms import parse_form
from fleeting.server.metrics import Metrics
from fleeting.server.rendering import Header, encode, headers, render_error
from fleeting.server.world import new_id
from fleeting.usecases.calling import Call
from fleeting.usecases.waiting import LONGEST_WAIT

NO_WAIT = timedelta(0)

_FORM = b"application/x-www-form-urlencoded"
_WAIT = re.compile(rb"wait[ \t]*=[ \t]*\"?([0-9]{1,6})\"?", re.IGNORECASE)

log = structlog.get_logger("fleeting.server")


@dataclass(frozen=True, slots=True)
class FormEndpoint:
    """``POST`` of a form to one use case (RFC 6749 §3.2).

    uri: the endpoint as the issuer names it, which DPoP proofs are held against.
    nonce: the current DPoP nonce, told in every answer; None where no proofs are taken.
    """

    name: str
    uri: str
    use_case: Callable[[Call], Awaitable[Any]]
    metrics: Metrics
    max_body_bytes: int
    nonce: Callable[[], str] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        started, request_id = perf_counter(), new_id()
        self.metrics.in_flight += 1
        try:
            status, body, extra, error = await self._answer(scope, receive, request_id)
        finally:
            self.metrics.in_flight -= 1
        nonce = None if self.nonce is None else self.nonce()
        fields = headers(request_id, body, nonce=nonce, extra=extra)
        observe(self, request_id, status, error, perf_counter() - started)
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": body})

    async def _answer(
        self, scope: Scope, receive: Receive, request_id: str
    ) -> tuple[int, bytes, tuple[Header, ...], str]:
        try:
            call = await self._read(scope, receive, request_id)
            answer = await self.use_case(call)
        except OAuthError as error:
            explain(self.name, request_id, error)
            return (*render_error(error, request_id), error.error)
        except Exception:
            log.exception("bug", endpoint=self.name, request_id=request_id)
            return (*render_error(ServerError("a fault of ours"), request_id), ServerError.error)
        return 200, b"" if answer is None else encode(answer), (), ""

    async def _read(self, scope: Scope, receive: Receive, request_id: str) -> Call:
        authorization: list[str] = []
        proofs: list[str] = []
        preferences: list[bytes] = []
        content_type = b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization.append(value.decode("latin-1"))
            elif name == b"dpop":
                proofs.append(value.decode("latin-1"))
            elif name == b"content-type":
                content_type = value
            elif name == b"prefer":
                preferences.append(value)
        if content_type.partition(b";")[0].strip().lower() != _FORM:
            raise InvalidRequest(f"send a body of type {_FORM.decode()}")
        body = await read_body(receive, self.max_body_bytes)
        form = parse_form(body)
        wait = preferred_wait(preferences) if preferences else NO_WAIT
        return Call(request_id, "POST", self.uri, form, tuple(authorization), tuple(proofs), wait)


def preferred_wait(fields: Iterable[bytes]) -> timedelta:
    """Return how long the caller would rather wait than be told to come again (RFC 7240 §4.3).

    What is no such preference is not understood, and does no harm (RFC 7240 §2).
    """
    for preference in b",".join(fields).split(b","):
        found = _WAIT.fullmatch(preference.partition(b";")[0].strip())
        if found is not None:
            return min(timedelta(seconds=int(found[1])), LONGEST_WAIT)
    return NO_WAIT


class Observed(Protocol):
    """What is measured: an endpoint."""

    @property
    def name(self) -> str:
        """Its path."""
        ...

    @property
    def metrics(self) -> Metrics:
        """Where its answers are counted."""
        ...


def observe(endpoint: Observed, request_id: str, status: int, error: str, seconds: float) -> None:
    """Count and log one answer."""
    endpoint.metrics.answered(endpoint.name, error or "ok", seconds)
    log.info(
        "answered",
        endpoint=endpoint.name,
        request_id=request_id,
        status=status,
        outcome=error or "ok",
        milliseconds=round(seconds * 1000, 2),
    )


def explain(endpoint: str, request_id: str, error: OAuthError) -> None:
    """Log what only the log may know; descriptions and details never hold a credential."""
    write = log.warning if error.status >= 500 else log.info  # noqa: PLR2004 -- HTTP
    write(
        "refused",
        endpoint=endpoint,
        request_id=request_id,
        error=error.error,
        description=error.description,
        detail=error.detail,
    )


async def read_body(receive: Receive, limit: int) -> bytes:
    """Read a whole body of at most *limit* bytes (ATTACKS 33).

    This does NOT bound how long it takes: the connection does (``server.connections``).

    Raises:
        RequestTooLarge: more bytes. InvalidRequest: the client went away.
    """
    message = await _next(receive)
    body: bytes = message.get("body", b"")
    while message.get("more_body", False) and len(body) <= limit:
        message = await _next(receive)
        body += message.get("body", b"")
    if len(body) > limit:
        raise RequestTooLarge(f"the body is larger than {limit} bytes")
    return body


async def _next(receive: Receive) -> Message:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise InvalidRequest("the client went away")
    return message
