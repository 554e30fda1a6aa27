"""Form endpoints: read a bounded body, call the use case, answer. Raw ASGI: they are hot (D8)."""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from fleeting.core.errors import InvalidRequest, OAuthError, RequestTooLarge
from fleeting.core.forms import parse_form
from fleeting.server.answering import Rendered, send_answer
from fleeting.server.connections import ON_SHUTDOWN
from fleeting.server.metrics import Metrics
from fleeting.server.rendering import encode, render_error
from fleeting.server.world import new_id
from fleeting.usecases.calling import Call
from fleeting.usecases.waiting import LONGEST_WAIT

NO_WAIT = timedelta(0)

_FORM = b"application/x-www-form-urlencoded"
_WAIT = re.compile(rb"wait[ \t]*=[ \t]*\"?([0-9]{1,6})\"?", re.IGNORECASE)


def _nothing_to_end() -> None:
    """Let the answer come in its own time."""


@dataclass(frozen=True, slots=True)
class FormEndpoint:
    """``POST`` of a form to one use case (RFC 6749 §3.2).

    uri: the endpoint as the issuer names it, which DPoP proofs are held against.
    nonce: the current DPoP nonce, told in every answer; None where no proofs are taken.
    on_shutdown: called when the server stops in order while an answer is held back.
    """

    name: str
    uri: str
    use_case: Callable[[Call], Awaitable[Any]]
    metrics: Metrics
    max_body_bytes: int
    nonce: Callable[[], str] | None = None
    on_shutdown: Callable[[], None] = _nothing_to_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request_id = new_id()
        answering = self._answer(scope, receive, request_id)
        await send_answer(self, request_id, answering, send, nonce=self.nonce)

    def refuse(self, error: OAuthError, request_id: str) -> Rendered:
        """Return what a client reads of *error* (RFC 6749 §5.2)."""
        return render_error(error, request_id)

    async def _answer(self, scope: Scope, receive: Receive, request_id: str) -> bytes:
        answer = await self.use_case(await self._read(scope, receive, request_id))
        return b"" if answer is None else encode(answer)

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
        if wait:
            scope[ON_SHUTDOWN] = self.on_shutdown
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
