"""The guard: lets a call through if a token says exactly that call, and nothing else does."""

import logging
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import httpx
from joserfc.jwk import ECKey

from fleeting.core.challenge import ACCEPT_HEADER, accepts_challenge
from fleeting.core.declaring import DeclarationError
from fleeting.core.errors import OAuthError, TransactionAuthorizationRequired
from fleeting.core.jose import SigningKey
from fleeting.core.model import SCOPE_TYPE
from fleeting.core.sender import Nonces
from fleeting.resource.access_tokens import AccessTokens
from fleeting.resource.admission import Admission, Checks, Granted
from fleeting.resource.bodies import BodyLimits, ReadBody
from fleeting.resource.call_operations import CallOperation
from fleeting.resource.calls import Call
from fleeting.resource.challenges import Challenger
from fleeting.resource.declarations import (
    PrivateKey,
    Types,
    check_url,
    origin,
    read_private_key,
    read_types,
)
from fleeting.resource.following import Following, Revocations
from fleeting.resource.issuer import Credentials, Issuer, KeyCredentials, SecretCredentials
from fleeting.resource.issuer_keys import Freshness, IssuerKeys
from fleeting.resource.proofs import MemoryProofs, ProofMemory
from fleeting.resource.reporting import Reporter
from fleeting.resource.responses import Answer, Refused, Renderer

_log = logging.getLogger("fleeting.resource")
_ACCEPT = ACCEPT_HEADER.encode()
_SECRET_BYTES = 32
_FOLLOWING = Following()


class Guard:
    """The enforcement point of one resource server (DESIGN §1 step 5).

        guard = Guard(
            issuer="https://auth.example.com",
            resource="https://payments.example.com",
            types="fleeting.toml",
            client_id="payments-api",
            key="keys/payments-api.jwk.json",
        )

    The faces (``GuardMiddleware``, ``fleeting.resource.starlette``, ``…fastapi``) ask it about
    each call; one guard serves one process and one event loop. ``async with guard:`` fetches the
    issuer's keys ahead and closes it at the end; the middleware and FastAPI's ``install`` do so.

    issuer, resource: their identifiers, https or http on loopback.
    types: what the resource offers, or the path of a TOML file with ``[types.*]``.
    scopes: the OAuth scopes it knows besides.
    client_id, and key or secret: the resource server's own client at the issuer.
    challenge_key: signs transaction challenges; made at start if not given. Several workers must
        share one, by file: a challenge of one is checked with the keys that any of them publishes.
    nonce_secret: 32 bytes or a file with them, so that workers accept each other's DPoP nonces;
        asks for a shared *proofs*, since what counts everywhere must be good once everywhere.
    base_url: scheme and authority that callers use, where a proxy changes them; by default the
        resource's own. Never taken from a header of the call.
    revocations: how it learns that a token which it need not spend was revoked; None: it does not,
        and such a token is good until it expires.
    """

    def __init__(  # noqa: PLR0913 -- the settings of a guard, named
        self,
        *,
        issuer: str,
        resource: str,
        types: Types,
        client_id: str,
        scopes: Iterable[str] = (),
        key: PrivateKey | None = None,
        secret: str | None = None,
        challenge_key: PrivateKey | None = None,
        nonce_secret: bytes | Path | None = None,
        proofs: ProofMemory | None = None,
        base_url: str | None = None,
        body_limits: BodyLimits | None = None,
        freshness: Freshness | None = None,
        revocations: Following | None = _FOLLOWING,
        report_served: bool = False,
        http: httpx.AsyncClient | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Read the settings; no call and no connection is made yet.

        Raises:
            DeclarationError: a setting is wrong; the message says what to write instead.
        """
        if nonce_secret is not None and proofs is None:
            raise DeclarationError("nonce_secret= is shared: share proofs= too, or replays pass")
        self.resource = check_url("resource", resource)
        self.types = read_types(types)
        self.scopes = tuple(dict.fromkeys(scopes))
        self.body_limits = body_limits or BodyLimits()
        self._clock = clock
        self._issuer = Issuer(
            check_url("issuer", issuer), _credentials(client_id, key, secret), http
        )
        self._keys = IssuerKeys(self._issuer, freshness)
        self._nonces = Nonces((_nonce_secret(nonce_secret),))
        self._revocations = (
            None
            if revocations is None
            else Revocations(self._issuer, self.types, revocations, clock)
        )
        self._checks = Checks(
            resource=resource,
            base_url=origin(check_url("base_url", base_url or resource)),
            tokens=AccessTokens(issuer, self._keys, self.types),
            nonces=self._nonces,
            proofs=proofs or MemoryProofs(),
            issuer=self._issuer,
            reporter=Reporter(self._issuer),
            challenger=Challenger(
                resource, issuer, _challenge_key(challenge_key), self.types, self.scopes
            ),
            revocations=self._revocations,
            report_served=report_served,
        )
        self._renderer = Renderer(self._checks.challenger.metadata_url)

    async def admit(self, call: Call, wanted: CallOperation, read_body: ReadBody) -> Granted:
        """Return what lets *call* through as the operation *wanted*.

        read_body: gives the call's body, if anything needs it; it is kept in ``call.body``.
        This does NOT judge what the call says beyond the fields that *wanted* names.

        Raises:
            Refused: with the whole answer for the caller.
        """
        now = self._clock()
        admission = Admission(self._checks, call, wanted, read_body, now)
        try:
            return await admission.admit()
        except OAuthError as error:
            answer = await self._answer(admission, call, wanted, error)
            raise Refused(error, answer) from error

    async def _answer(
        self, admission: Admission, call: Call, wanted: CallOperation, error: OAuthError
    ) -> Answer:
        challenge = None
        if admission.may_be_challenged(error) and accepts_challenge(call.header_values(_ACCEPT)):
            try:
                challenge = await admission.challenge()
                error = TransactionAuthorizationRequired(
                    f"{error.description}: this call needs an authorization of its own"
                )
            except OAuthError as unreadable:
                error = unreadable
        return self._renderer.refusal(
            error,
            nonce=self.nonce(),
            scope=(wanted.action or "") if wanted.type == SCOPE_TYPE else "",
            challenge=challenge,
            unbound=admission.token is not None and admission.token.key is None,
        )

    def malformed(self, error: OAuthError) -> Answer:
        """Return the answer to a call that is not even told apart from others."""
        return self._renderer.refusal(error, nonce=self.nonce())

    def nonce(self) -> str:
        """Return the DPoP nonce for the next proof (RFC 9449 §9)."""
        return self._nonces.make(self._clock())

    def documents(self) -> Mapping[str, Answer]:
        """Return the resource's public documents by path: metadata (RFC 9728) and its keys."""
        return self._checks.challenger.documents()

    async def warm(self) -> None:
        """Fetch keys and revocations ahead of the first call; what fails is logged, and retried."""
        try:
            await self._keys.current()
        except OAuthError as error:
            _log.warning("not ready yet: %s", error.description)
        if self._revocations is not None:
            await self._revocations.ready()

    async def __aenter__(self) -> Self:
        await self.warm()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Send the reports that wait, then let go of every connection and file."""
        await self._checks.reporter.aclose()
        if self._revocations is not None:
            await self._revocations.aclose()
        await self._keys.aclose()
        await self._checks.proofs.aclose()
        await self._issuer.aclose()


def _credentials(client_id: str, key: PrivateKey | None, secret: str | None) -> Credentials:
    if (key is None) == (secret is None):
        raise DeclarationError("give the guard's client either key= or secret=")
    if secret is not None:
        return SecretCredentials(client_id, secret)
    assert key is not None  # noqa: S101 -- for the type checker: exactly one of them is there
    return KeyCredentials(client_id, read_private_key("key", key))


def _challenge_key(key: PrivateKey | None) -> SigningKey:
    if key is not None:
        return read_private_key("challenge_key", key)
    made = ECKey.generate_key("P-256", private=True, auto_kid=False)
    return SigningKey.from_jwk(made.as_dict(private=True))


def _nonce_secret(given: bytes | Path | None) -> bytes:
    if given is None:
        return secrets.token_bytes(_SECRET_BYTES)
    secret = given.read_bytes() if isinstance(given, os.PathLike) else given
    if len(secret) < _SECRET_BYTES:
        raise DeclarationError(f"nonce_secret: give at least {_SECRET_BYTES} random bytes")
    return secret
