"""Record every HTTP exchange of the demo's client, so that it can be shown and checked."""

import json
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as it was sent, and what came back."""

    method: str
    url: httpx.URL
    sent_headers: httpx.Headers
    sent: bytes
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def origin(self) -> str:
        """Scheme and authority of the server."""
        return f"{self.url.scheme}://{self.url.netloc.decode()}"

    def json(self) -> dict[str, Any]:
        """Return the JSON object that came back; empty where none did."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody sent to the API of the pages, and what came back."""

    path: str
    sent: dict[str, Any]
    status: int
    body: dict[str, Any]


class Recorder(httpx.BaseTransport):
    """Sends what an ``httpx.Client`` wants sent, and keeps a copy of each exchange."""

    def __init__(self) -> None:
        self._wire = httpx.HTTPTransport()
        self._exchanges: list[Exchange] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request*; its body and the answer's are small, so they are read whole."""
        headers = httpx.Headers(request.headers)  # a copy: the next attempt alters the request
        sent = request.read()
        response = self._wire.handle_request(request)
        body = response.read()
        self._exchanges.append(
            Exchange(
                request.method,
                request.url,
                headers,
                sent,
                response.status_code,
                response.headers,
                body,
            )
        )
        return httpx.Response(
            response.status_code, headers=response.headers, stream=httpx.ByteStream(body)
        )

    def take(self) -> list[Exchange]:
        """Return the exchanges since this was last asked."""
        taken, self._exchanges = self._exchanges, []
        return taken

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()
