"""The frame around every answer to a ``POST``: counted, timed, logged, sent. Hot (D8)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

import structlog
from starlette.types import Send

from fleeting.core.errors import OAuthError, ServerError, TemporarilyUnavailable
from fleeting.ports import StoreUnavailableError
from fleeting.server.metrics import Metrics
from fleeting.server.rendering import Header, headers


@dataclass(frozen=True, slots=True)
class Reply:
    """A success that is not the usual one."""

    status: int
    body: bytes
    extra: tuple[Header, ...] = ()


Rendered = tuple[int, bytes, tuple[Header, ...]]
"""Status, body and further headers of a refusal."""

log = structlog.get_logger("fleeting.server")


class Observed(Protocol):
    """What is measured: whatever answers one path."""

    @property
    def name(self) -> str:
        """Its path."""
        ...

    @property
    def metrics(self) -> Metrics:
        """Where its answers are counted."""
        ...


@dataclass(frozen=True, slots=True)
class Route:
    """A route of pages or of their API. name: its path as it is declared, never an address."""

    name: str
    metrics: Metrics

    def told(self, error: Exception, request_id: str) -> OAuthError:
        """Return what to tell of *error*, whatever it is, and log what is not told."""
        if isinstance(error, StoreUnavailableError):
            words = "the database does not answer: try again in a moment"
            error = TemporarilyUnavailable(words, detail=str(error))
        if isinstance(error, OAuthError):
            explain(self.name, request_id, error)
            return error
        log.error("bug", endpoint=self.name, request_id=request_id, exc_info=error)
        return ServerError("a fault of ours")


class Endpoint(Observed, Protocol):
    """What answers one path, and says a refusal in the words of its protocol."""

    def refuse(self, error: OAuthError, request_id: str) -> Rendered:
        """Return what its caller reads of *error*."""
        ...


async def send_answer(
    endpoint: Endpoint,
    request_id: str,
    answering: Awaitable[bytes | Reply],
    send: Send,
    *,
    told_id: str = "",
    nonce: Callable[[], str] | None = None,
) -> None:
    """Send the body that *answering* comes to, or the refusal that it raises; what else is a bug.

    told_id: the id that the caller knows the request by, if that is not ours.
    nonce: the DPoP nonce of the moment, where the endpoint tells it.
    """
    started = perf_counter()
    endpoint.metrics.in_flight += 1
    try:
        status, body, extra, error = await settle(endpoint, request_id, answering)
    finally:
        endpoint.metrics.in_flight -= 1
    told_nonce = None if nonce is None else nonce()
    fields = headers(told_id or request_id, body, nonce=told_nonce, extra=extra)
    observe(endpoint, request_id, status, error, perf_counter() - started)
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def settle(
    endpoint: Endpoint, request_id: str, answering: Awaitable[bytes | Reply]
) -> tuple[int, bytes, tuple[Header, ...], str]:
    """Return status, body, further headers and error code of what *answering* comes to."""
    try:
        answer = await answering
    except OAuthError as error:
        explain(endpoint.name, request_id, error)
        return (*endpoint.refuse(error, request_id), error.error)
    except Exception:
        log.exception("bug", endpoint=endpoint.name, request_id=request_id)
        return (*endpoint.refuse(ServerError("a fault of ours"), request_id), ServerError.error)
    if isinstance(answer, Reply):
        return answer.status, answer.body, answer.extra, ""
    return 200, answer, (), ""


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
