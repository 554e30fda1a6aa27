"""Carry requests to servers and answers back, for flows that do no I/O themselves.

A flow is a generator: it yields a ``Fetch`` (or a ``Rest``) and is sent an ``Answer`` or
``Unreachable``. ``run``
and ``run_async`` drive one to its end; ``Wire`` and ``AsyncWire`` send. They follow no redirect,
use none of the httpx client's own authentication, and read bodies of limited size only.
"""

import time
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from ssl import SSLContext
from types import TracebackType
from typing import Self, TypeAlias, TypeVar

import anyio
import httpx

MAX_BODY_BYTES = 262_144

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fetch:
    """A request that a flow wants sent."""

    request: httpx.Request


@dataclass(frozen=True, slots=True)
class Rest:
    """A while in which a flow wants nothing sent."""

    time: timedelta


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response, whole."""

    status: int
    body: bytes = field(repr=False)
    headers: httpx.Headers = field(repr=False, default_factory=httpx.Headers)


@dataclass(frozen=True, slots=True)
class Unreachable:
    """There was no answer, or none that may be read. why: without anything private."""

    why: str


Fetched: TypeAlias = Answer | Unreachable
Step: TypeAlias = Fetch | Rest
Flow: TypeAlias = Generator[Step, Fetched, T]


_RESTED = Unreachable("nothing was sent")


class _TooMuchError(Exception):
    """A body that is larger than anything honest, or compressed although nobody asked."""


@cache
def _tls() -> SSLContext:
    """Return the default TLS settings: reading the certificate authorities takes a while."""
    return httpx.create_ssl_context()


class Wire:
    """Send requests through *client*, or through one of its own that it opens when it must."""

    def __init__(self, client: httpx.Client | None) -> None:
        self._client = client
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._opened.close()

    def send(self, step: Step) -> Fetched:
        """Send one request, and return what came of it; or rest, and return what nobody reads."""
        if isinstance(step, Rest):
            time.sleep(step.time.total_seconds())
            return _RESTED
        return self._fetch(step)

    def _fetch(self, fetch: Fetch) -> Fetched:
        if self._client is None:
            self._client = self._opened.enter_context(httpx.Client(verify=_tls()))
        try:
            response = self._client.send(
                fetch.request, stream=True, auth=None, follow_redirects=False
            )
            try:
                return _answer(response, _bounded(response, response.iter_raw()))
            finally:
                response.close()
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, _TooMuchError) as error:
            return _unreachable(error)


class AsyncWire:
    """As ``Wire``, for tasks."""

    def __init__(self, client: httpx.AsyncClient | None) -> None:
        self._client = client
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._opened.aclose()

    async def send(self, step: Step) -> Fetched:
        """Send one request, and return what came of it; or rest, and return what nobody reads."""
        if isinstance(step, Rest):
            await anyio.sleep(step.time.total_seconds())
            return _RESTED
        return await self._fetch(step)

    async def _fetch(self, fetch: Fetch) -> Fetched:
        if self._client is None:
            opening = httpx.AsyncClient(verify=_tls())
            self._client = await self._opened.enter_async_context(opening)
        try:
            response = await self._client.send(
                fetch.request, stream=True, auth=None, follow_redirects=False
            )
            try:
                return _answer(response, await _bounded_async(response, response.aiter_raw()))
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, _TooMuchError) as error:
            return _unreachable(error)


def run(flow: Flow[T], client: httpx.Client | None) -> T:
    """Drive *flow* to its end and return what it returns."""
    with Wire(client) as wire:
        fetch = next(flow)
        while True:
            fetched = wire.send(fetch)
            try:
                fetch = flow.send(fetched)
            except StopIteration as end:
                result: T = end.value
                return result


async def run_async(flow: Flow[T], client: httpx.AsyncClient | None) -> T:
    """Drive *flow* to its end and return what it returns."""
    async with AsyncWire(client) as wire:
        fetch = next(flow)
        while True:
            fetched = await wire.send(fetch)
            try:
                fetch = flow.send(fetched)
            except StopIteration as end:
                result: T = end.value
                return result


def _answer(response: httpx.Response, body: bytes) -> Answer:
    return Answer(response.status_code, body, response.headers)


def _unreachable(error: Exception) -> Unreachable:
    return Unreachable(f"{type(error).__name__.strip('_')}: {error}".rstrip(": "))


def _bounded(response: httpx.Response, chunks: Iterator[bytes]) -> bytes:
    _check_encoding(response)
    body = b""
    for chunk in chunks:
        body = _grown(body, chunk)
    return body


async def _bounded_async(response: httpx.Response, chunks: AsyncIterator[bytes]) -> bytes:
    _check_encoding(response)
    body = b""
    async for chunk in chunks:
        body = _grown(body, chunk)
    return body


def _check_encoding(response: httpx.Response) -> None:
    # Compressed, a small body may be a large one; we asked for none of that.
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise _TooMuchError("the answer is compressed")


def _grown(body: bytes, chunk: bytes) -> bytes:
    if len(body) + len(chunk) > MAX_BODY_BYTES:
        raise _TooMuchError(f"the answer is larger than {MAX_BODY_BYTES} bytes")
    return body + chunk
