"""The wire: keep-alive HTTP/1.1 connections that cost the generator as little as possible.

A request is bytes made beforehand; a response is what the measurement needs of it.  No pipelining:
each connection has one request under way.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import httptools


@dataclass(slots=True)
class Response:
    """One answer: status, headers by lower-case name, body."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:  # noqa: ANN401 - it is JSON
        """Parse the body as JSON."""
        return json.loads(self.body)


class Connection(asyncio.Protocol):
    """One keep-alive connection, parsed by httptools."""

    def __init__(self) -> None:
        """Start without a transport; `open_connection` gives it one."""
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Response] | None = None
        self._response = Response()
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; it calls the `on_…` methods."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request under way: a server that hangs up is an error of the measurement."""
        self._fail(exc or ConnectionResetError("the server closed the connection"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect one header."""
        self._response.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Collect a piece of the body."""
        self._response.body += body

    def on_message_complete(self) -> None:
        """Hand the response to the waiting task."""
        response, self._response = self._response, Response()
        response.status = self._parser.get_status_code()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(response)

    async def exchange(self, request: bytes) -> Response:
        """Send one request and await its answer."""
        if self._transport is None:
            raise ConnectionError("not connected")
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiter

    def close(self) -> None:
        """Close the connection."""
        self._waiter = None
        if self._transport is not None:
            self._transport.close()

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)


async def open_connection(url: str) -> Connection:
    """Connect to the origin of `url`, which must be loopback."""
    parts = urlsplit(url)
    if parts.hostname != "127.0.0.1" or parts.port is None:
        raise ValueError(f"the benchmark talks to loopback only, not to {url}")
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, parts.hostname, parts.port)
    return connection


async def once(request: bytes, url: str, *, timeout: float = 10.0) -> Response:  # noqa: ASYNC109
    """Make one exchange on a connection of its own."""
    connection = await open_connection(url)
    try:
        return await asyncio.wait_for(connection.exchange(request), timeout)
    finally:
        connection.close()


def request_bytes(
    method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> bytes:
    """Serialise one HTTP/1.1 request."""
    parts = urlsplit(url)
    lines = [f"{method} {parts.path or '/'} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body or method != "GET":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
