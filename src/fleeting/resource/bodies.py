"""Request bodies: read whole within bounds, then played again for the application."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from fleeting.core.errors import InvalidRequest, RequestTooLarge

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ReadBody: TypeAlias = Callable[[], Awaitable[bytes]]


class CallerLeftError(Exception):
    """The caller hung up before its call was whole: there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How much of a body the guard reads to know what the call is, and how long it waits."""

    max_bytes: int = 1_048_576
    seconds: float = 10

    def check(self, size: int) -> None:
        """Refuse a body that is too large (RFC 9110 §15.5.14)."""
        if size > self.max_bytes:
            raise RequestTooLarge(f"the body is larger than {self.max_bytes} bytes")


async def read_body(receive: Receive, limits: BodyLimits) -> bytes:
    """Return the whole body of an ASGI call.

    Raises:
        RequestTooLarge: it is larger than *limits*.
        InvalidRequest: it did not arrive in time.
        CallerLeftError: it never will.
    """
    try:
        async with asyncio.timeout(limits.seconds):
            return await _read_all(receive, limits)
    except TimeoutError:
        raise InvalidRequest("the body did not arrive in time") from None


async def _read_all(receive: Receive, limits: BodyLimits) -> bytes:
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise CallerLeftError
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        limits.check(size)
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)


def replayed(body: bytes | None, receive: Receive) -> Receive:
    """Return a channel that gives *body*, the one that was checked, and then what *receive* gives.

    body: None where it was not read: then it is still all in *receive*.
    """
    if body is None:
        return receive
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_again
