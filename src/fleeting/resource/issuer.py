"""The guard's line to its issuer: one HTTP client, its credentials, bounded answers."""

import base64
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import quote_plus, urlencode

import httpx

from fleeting.core import strict_json
from fleeting.core.client_auth import ASSERTION_TYP, ASSERTION_TYPE
from fleeting.core.event_stream import MEDIA_TYPE
from fleeting.core.jose import SigningKey

ASSERTION_SECONDS = 60
MAX_ANSWER_BYTES = 262_144
_CONNECT_SECONDS = 2.0
_TIMEOUT = httpx.Timeout(5.0, connect=_CONNECT_SECONDS)
_LIMITS = httpx.Limits(max_connections=200, max_keepalive_connections=50)


class IssuerError(Exception):
    """The issuer cannot be reached, or answers what this guard cannot use."""


class UnreachableError(IssuerError):
    """No answer came: the request may have been heard or not."""


class Credentials(Protocol):
    """How the guard proves to the issuer which resource server it is."""

    @property
    def client_id(self) -> str:
        """The resource server's own client."""
        ...

    def headers(self) -> Mapping[str, str]:
        """Return header fields for one request."""
        ...

    def form(self, issuer: str) -> Mapping[str, str]:
        """Return form parameters for one request."""
        ...

    def header_alone(self, issuer: str) -> Mapping[str, str]:
        """Return header fields for one request that has no form."""
        ...


@dataclass(frozen=True, slots=True)
class SecretCredentials:
    """``client_secret_basic`` (RFC 6749 §2.3.1)."""

    client_id: str
    secret: str = field(repr=False)

    def headers(self) -> Mapping[str, str]:
        """Return the Authorization header field, both parts form-encoded first."""
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret)}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def form(self, issuer: str) -> Mapping[str, str]:  # noqa: ARG002 -- as the protocol has it
        """Return nothing: the header says it all."""
        return {}

    def header_alone(self, issuer: str) -> Mapping[str, str]:  # noqa: ARG002 -- as above
        """Return the same header field."""
        return self.headers()


@dataclass(frozen=True, slots=True)
class KeyCredentials:
    """``private_key_jwt`` (RFC 7523 §2.2, RFC 10070: the issuer is the sole audience)."""

    client_id: str
    key: SigningKey = field(repr=False)

    def headers(self) -> Mapping[str, str]:
        """Return nothing: the assertion says it all."""
        return {}

    def form(self, issuer: str) -> Mapping[str, str]:
        """Return a fresh assertion, good once and for a minute."""
        now = int(datetime.now(UTC).timestamp())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": issuer,
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
            "jti": secrets.token_urlsafe(16),
        }
        return {
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.key.sign(ASSERTION_TYP, claims),
        }

    def header_alone(self, issuer: str) -> Mapping[str, str]:
        """Return a fresh assertion as a bearer credential: our server takes it so, too."""
        return {"Authorization": f"Bearer {self.form(issuer)['client_assertion']}"}


@dataclass(frozen=True, slots=True)
class Reply:
    """A bounded HTTP answer."""

    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the JSON object it holds.

        Raises:
            IssuerError: not a JSON object.
        """
        try:
            value = strict_json.loads(self.body)
        except strict_json.JsonError as error:
            raise IssuerError(f"the issuer's answer: {error}") from None
        if not isinstance(value, dict):
            raise IssuerError("the issuer's answer is not a JSON object")
        return value


class Issuer:
    """One authorization server, as a resource server talks to it.

    http: a client of the user's own; without it one is made at first use, and closed here.
    """

    def __init__(
        self, identifier: str, credentials: Credentials, http: httpx.AsyncClient | None = None
    ) -> None:
        self.identifier = identifier
        self._credentials = credentials
        self._http = http
        self._owns_http = http is None

    @property
    def client_id(self) -> str:
        """Who the guard says it is to the issuer."""
        return self._credentials.client_id

    async def get_json(self, url: str) -> dict[str, Any]:
        """Return the JSON object at *url*; redirects are not followed.

        Raises:
            IssuerError: unreachable, not 200, too large or not JSON.
        """
        reply = await self._send("GET", url, {}, None)
        if reply.status != httpx.codes.OK:
            raise IssuerError(f"{url} answers {reply.status}")
        return reply.json()

    async def post(self, path: str, form: Mapping[str, str]) -> Reply:
        """Send *form*, authenticated afresh, to an endpoint of the issuer.

        Raises:
            UnreachableError: no whole answer came.
            IssuerError: the answer is too large.
        """
        fields = {**form, **self._credentials.form(self.identifier)}
        url = f"{self.identifier}{path}"
        return await self._send("POST", url, self._credentials.headers(), fields)

    async def get(self, path: str, query: Mapping[str, str]) -> Reply:
        """Fetch *path* of the issuer, authenticated afresh.

        Raises:
            UnreachableError: no whole answer came.
            IssuerError: the answer is too large.
        """
        url = f"{self.identifier}{path}?{urlencode(query)}"
        return await self._send("GET", url, self._credentials.header_alone(self.identifier), None)

    @asynccontextmanager
    async def stream(
        self, path: str, headers: Mapping[str, str], silence_seconds: float
    ) -> AsyncIterator[httpx.Response]:
        """Open *path* of the issuer as a stream of events, authenticated afresh.

        Raises:
            UnreachableError: it cannot be had, or broke off, or is silent for too long.
        """
        url, own = f"{self.identifier}{path}", self._credentials.header_alone(self.identifier)
        sent = {"Accept": MEDIA_TYPE, "Accept-Encoding": "identity", **headers, **own}
        timeout = httpx.Timeout(silence_seconds, connect=_CONNECT_SECONDS)
        try:
            async with self._client().stream(
                "GET", url, headers=sent, timeout=timeout, follow_redirects=False
            ) as response:
                yield response
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise UnreachableError(f"{url}: {type(error).__name__}") from error

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> Reply:
        sent = {"Accept": "application/json", "Accept-Encoding": "identity", **headers}
        try:
            async with self._client().stream(
                method, url, headers=sent, data=form, follow_redirects=False
            ) as response:
                return Reply(response.status_code, await _bounded(response))
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise UnreachableError(f"{url}: {type(error).__name__}") from error

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            self._http = httpx.AsyncClient(timeout=_TIMEOUT, limits=_LIMITS)
        return self._http

    async def aclose(self) -> None:
        """Close the connections, unless they are the user's own."""
        if self._owns_http and self._http is not None:
            http, self._http = self._http, None
            await http.aclose()


async def _bounded(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise IssuerError(f"the issuer's answer is longer than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)
