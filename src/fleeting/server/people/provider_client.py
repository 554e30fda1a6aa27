"""Talk to the identity provider: fetch its configuration, trade a code for an ID token."""

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import httpx

from fleeting.core.client_auth import ASSERTION_TYPE
from fleeting.core.declaring import shown
from fleeting.core.errors import SignInRefused, TemporarilyUnavailable
from fleeting.core.jose import JoseError, SigningKey
from fleeting.core.login import CONFIGURATION, ProviderMetadata, read_provider_metadata
from fleeting.server.declared_sign_in import ProviderClient
from fleeting.server.party_keys import get_json
from fleeting.server.plain_files import read_plain_text
from fleeting.server.settings import SettingsError
from fleeting.usecases.parties import KeysUnavailableError

_FRESH = timedelta(minutes=5)
_ASSERTION_LIFE = timedelta(minutes=1)
_MAX_BYTES = 262_144
_TIMEOUT_SECONDS = 10.0
_SHORTEST_SECRET = 16

Credentials = Callable[[datetime], tuple[Mapping[str, str], Mapping[str, str]]]
"""Returns headers and form parameters that say who we are, at an instant."""


def credentials(client: ProviderClient, directory: Path, new_id: Callable[[], str]) -> Credentials:
    """Return how we authenticate: ``client_secret_basic``, or ``private_key_jwt``.

    Raises:
        SettingsError: the file cannot be read, or what it holds is no good.
    """
    if client.client_secret_file is not None:
        return _by_secret(client.client_id, _secret(directory / client.client_secret_file))
    key = _key(directory / (client.client_key_file or ""))
    return _by_assertion(client, key, new_id)


def _secret(path: Path) -> str:
    secret = _read(path).strip()
    if len(secret) < _SHORTEST_SECRET or any(c.isspace() for c in secret):
        raise SettingsError(
            f"{path} must hold the client's secret alone, of {_SHORTEST_SECRET} characters or more"
        )
    return secret


def _key(path: Path) -> SigningKey:
    try:
        jwk = json.loads(_read(path))
        return SigningKey.from_jwk(jwk if isinstance(jwk, dict) else {})
    except (ValueError, JoseError) as error:
        raise SettingsError(f"{path} must hold a private P-256 key as a JWK: {error}") from None


def _read(path: Path) -> str:
    try:
        return read_plain_text(path)
    except OSError as error:
        raise SettingsError(f"[sign_in] {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"[sign_in] {path} is not text") from None


def _by_secret(client_id: str, secret: str) -> Credentials:
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"  # RFC 6749 §2.3.1
    basic = base64.b64encode(pair.encode()).decode()
    return lambda _now: ({"Authorization": f"Basic {basic}"}, {})


def _by_assertion(
    client: ProviderClient, key: SigningKey, new_id: Callable[[], str]
) -> Credentials:
    def made(now: datetime) -> tuple[Mapping[str, str], Mapping[str, str]]:
        issued_at = int(now.timestamp())
        claims = {
            "iss": client.client_id,
            "sub": client.client_id,
            "aud": client.issuer,  # RFC 10070: the issuer, as the sole value
            "jti": new_id(),
            "iat": issued_at,
            "exp": issued_at + int(_ASSERTION_LIFE.total_seconds()),
        }
        assertion = key.sign("JWT", claims)
        return {}, {"client_assertion": assertion, "client_assertion_type": ASSERTION_TYPE}

    return made


@dataclass(slots=True)
class HttpProvider:
    """The provider over HTTP: no redirects, bounded in time and size."""

    http: httpx.AsyncClient
    issuer: str
    credentials: Credentials
    _known: ProviderMetadata | None = None
    _fetched_at: datetime | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def metadata(self, now: datetime) -> ProviderMetadata:
        """Return what the provider says of itself, at most five minutes old.

        Raises:
            TemporarilyUnavailable: it cannot be had.
        """
        async with self._lock:
            fresh = self._fetched_at is not None and now - self._fetched_at < _FRESH
            if self._known is None or not fresh:
                self._known = await self._fetch()
                self._fetched_at = now
            return self._known

    async def _fetch(self) -> ProviderMetadata:
        try:  # Discovery §4.1: the path follows the issuer's own, a final slash aside
            document = await get_json(self.http, self.issuer.rstrip("/") + CONFIGURATION)
        except KeysUnavailableError as error:
            raise _unavailable(str(error)) from error
        return read_provider_metadata(document, self.issuer)

    async def id_token(self, form: Mapping[str, str], now: datetime) -> str:
        """Return the ID token that a code is traded for (OpenID Connect Core §3.1.3).

        Raises:
            SignInRefused: the provider does not take the code.
            TemporarilyUnavailable: it does not answer as it should.
        """
        metadata = await self.metadata(now)
        headers, proof = self.credentials(now)
        answer = await self._post(metadata.token_endpoint, {**form, **proof}, headers)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise SignInRefused("the identity provider's answer has no ID token")
        return token

    async def _post(
        self, url: str, form: Mapping[str, str], headers: Mapping[str, str]
    ) -> dict[str, Any]:
        plain = {"Accept": "application/json", "Accept-Encoding": "identity", **headers}
        try:
            async with (
                asyncio.timeout(_TIMEOUT_SECONDS),
                self.http.stream("POST", url, data=form, headers=plain) as response,
            ):
                body = await _bounded(response)
            answer = json.loads(body)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
            raise _unavailable(f"{url}: {type(error).__name__} {error}") from error
        if not isinstance(answer, dict):
            raise _unavailable(f"{url} answers with something else than a JSON object")
        if response.status_code != httpx.codes.OK:
            raise _refused(response.status_code, answer)
        return answer


async def _bounded(response: httpx.Response) -> bytes:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise ValueError("it answers compressed")  # small, until unpacked
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _MAX_BYTES:
            raise ValueError(f"more than {_MAX_BYTES} bytes")
    return bytes(body)


def _unavailable(why: str) -> TemporarilyUnavailable:
    told = "the identity provider does not answer now: try again in a moment"
    return TemporarilyUnavailable(told, detail=why)


def _refused(status: int, answer: Mapping[str, Any]) -> SignInRefused:
    said = f"{status} {shown(str(answer.get('error', '')))}"
    why = shown(str(answer.get("error_description", "")))
    return SignInRefused("the identity provider does not take this login", detail=f"{said} {why}")
