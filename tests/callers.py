"""Clients that authenticate, prove their keys and keep the nonce, unless told otherwise."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import urlencode

import httpx

from fleeting.core.challenge import CHALLENGE_TYP, make_challenge_claims
from fleeting.core.client_auth import ASSERTION_TYP, ASSERTION_TYPE
from fleeting.core.jose import SigningKey
from fleeting.core.operations import parse_operation
from fleeting.core.requests import TOKEN_EXCHANGE
from fleeting.core.sender import PROOF_TYP, make_proof_claims
from tests.installation import (
    IDP,
    PAYMENTS,
    REFUND,
    SECRETS,
    Installation,
    claims_of,
    new_key,
    public_jwk,
    sign,
)

JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"
_SERIAL = count(1)


@dataclass
class Caller:
    """A client: it authenticates, proves its key, and keeps the nonce, unless told otherwise.

    proof_key: what its tokens are bound to; None: it sends no proofs.
    """

    http: httpx.AsyncClient
    issuer: str
    clock: Any
    client_id: str
    key: SigningKey | None = None
    secret: str | None = None
    proof_key: SigningKey | None = None
    nonce: str | None = None

    def uri(self, path: str) -> str:
        """Return an endpoint's address."""
        return self.issuer + path

    def assertion(
        self,
        *,
        key: SigningKey | None = None,
        typ: str = ASSERTION_TYP,
        header: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Return a client assertion; claims replace those of an honest one, None leaves one out."""
        signer = key or self.key
        assert signer is not None
        now = int(self.clock.now().timestamp())
        honest = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.issuer,
            "iat": now,
            "exp": now + 60,
            "jti": f"assertion-{next(_SERIAL)}-{os.urandom(6).hex()}",
        }
        return sign(signer, {**honest, **claims}, typ=typ, header=header)

    def proof(
        self,
        path: str = "/token",
        *,
        method: str = "POST",
        uri: str | None = None,
        key: SigningKey | None = None,
        typ: str = PROOF_TYP,
        header: Mapping[str, Any] | None = None,
        access_token: str | None = None,
        **claims: Any,
    ) -> str:
        """Return a DPoP proof; claims and header members replace those of an honest one."""
        signer = key or self.proof_key
        assert signer is not None
        honest = make_proof_claims(
            jti=f"proof-{next(_SERIAL)}-{os.urandom(6).hex()}",
            method=method,
            uri=uri or self.uri(path),
            now=self.clock.now(),
            nonce=self.nonce,
            access_token=access_token,
        )
        shown = {"jwk": public_jwk(signer), "kid": None}
        return sign(signer, {**honest, **claims}, typ=typ, header={**shown, **(header or {})})

    def credentials(self, **assertion: Any) -> dict[str, str]:
        """Return the form fields by which the client authenticates, if it does so by form."""
        if self.key is None:
            return {}
        return {
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion(**assertion),
        }

    def basic(self) -> list[tuple[str, str]]:
        """Return the header by which the client authenticates, if it does so by header."""
        if self.secret is None:
            return []
        return [("Authorization", httpx.BasicAuth(self.client_id, self.secret)._auth_header)]

    async def post(  # every part is replaceable
        self,
        path: str,
        fields: Mapping[str, Any] | Sequence[tuple[str, Any]] = (),
        *,
        credentials: Mapping[str, str] | None = None,
        authorization: Sequence[str] | None = None,
        proofs: Sequence[str] | None = None,
        headers: Sequence[tuple[str, Any]] = (),
        content: bytes | None = None,
        proves: bool | None = None,
        retry: bool = True,
    ) -> httpx.Response:
        """Post a form; JSON values are written as JSON; values that are None are left out.

        credentials: form fields instead of the honest ones, ``{}`` for none.
        authorization: ``Authorization`` values instead of the honest ones; proofs: ``DPoP`` values
        likewise. content: the whole body instead. retry: fetch a nonce when told to, as clients do.
        """
        if proves is None:
            proves = path in ("/token", "/transaction-authorization") and bool(self.proof_key)
        honest = proofs is None and credentials is None and content is None
        sent: list[tuple[str, Any]] = []
        pairs = fields.items() if isinstance(fields, Mapping) else fields
        known = self.credentials() if credentials is None else credentials
        form = [*((n, _text(v)) for n, v in pairs if v is not None), *known.items()]
        if authorization is None:
            sent += self.basic() if credentials is None else []
        else:
            sent += [("Authorization", value) for value in authorization]
        if proofs is not None:
            sent += [("DPoP", value) for value in proofs]
        elif proves:
            sent.append(("DPoP", self.proof(path)))
        if not any(name.lower() == "content-type" for name, _ in headers):
            sent.append(("Content-Type", "application/x-www-form-urlencoded"))
        body = urlencode(form).encode() if content is None else content
        response = await self.http.post(self.uri(path), content=body, headers=[*sent, *headers])
        self.nonce = response.headers.get("DPoP-Nonce", self.nonce)
        wants_nonce = response.status_code == 400 and _error(response) == "use_dpop_nonce"
        if retry and honest and wants_nonce:
            return await self.post(
                path, fields, authorization=authorization, headers=headers, proves=proves
            )
        return response

    async def ask(self, *details: Mapping[str, Any], **fields: Any) -> httpx.Response:
        """Ask for operations in the client's own name: ``client_credentials``."""
        form = {
            "grant_type": "client_credentials",
            "authorization_details": list(details) or None,
            **fields,
        }
        return await self.post("/token", form)

    async def exchange(
        self, subject_token: str, *details: Mapping[str, Any], **fields: Any
    ) -> httpx.Response:
        """Ask for operations in a user's name: token exchange."""
        form = {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": subject_token,
            "subject_token_type": JWT_TYPE,
            "authorization_details": list(details) or None,
            **fields,
        }
        return await self.post("/token", form)

    async def token(self, *details: Mapping[str, Any], **fields: Any) -> str:
        """Return an access token for operations, or fail the test."""
        response = await self.ask(*details, **fields)
        assert response.status_code == 200, response.text
        token: str = response.json()["access_token"]
        return token

    async def authorize(self, challenge: str, **fields: Any) -> httpx.Response:
        """Answer a transaction challenge."""
        form = {"transaction_challenge": challenge, **fields}
        return await self.post("/transaction-authorization", form)

    async def spend(
        self, token: str, operation: Any = None, *, use_id: str | None = None, **fields: Any
    ) -> httpx.Response:
        """Spend one use for *operation*, by default the first one of the token."""
        if operation is None:
            operation = first_operation(token)
        form = {
            "token": token,
            "use_id": use_id or f"use-{next(_SERIAL)}",
            "operation": operation,
            **fields,
        }
        return await self.post("/spend", form)

    async def introspect(self, token: str, **fields: Any) -> httpx.Response:
        """Introspect a token."""
        return await self.post("/introspect", {"token": token, **fields})

    async def revoke(self, token: str, **fields: Any) -> httpx.Response:
        """Revoke a token."""
        return await self.post("/revoke", {"token": token, **fields})

    async def report(self, token: str, outcome: str = "served", **fields: Any) -> httpx.Response:
        """Report what became of a call."""
        return await self.post("/report", {"token": token, "outcome": outcome, **fields})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _error(response: httpx.Response) -> object:
    try:
        return response.json().get("error")
    except (ValueError, AttributeError):
        return None


def first_operation(token: str) -> dict[str, Any]:
    """Return the first operation that a token carries, a scope if it has no details."""
    claims = claims_of(token)
    details = claims.get("authorization_details")
    if details:
        operation: dict[str, Any] = details[0]
        return operation
    return {"type": "scope", "actions": [claims["scope"].split()[0]]}


@dataclass
class Parties:
    """Callers, users and challenges of one installation, wherever it runs."""

    installation: Installation
    http: httpx.AsyncClient
    clock: Any

    def caller(self, client_id: str = "support-bot", **changes: Any) -> Caller:
        """Return a client of the installation; *changes* replace its parts."""
        secret = SECRETS.get(client_id)
        parts = {
            "key": None if secret else self.installation.keys[client_id],
            "secret": secret,
            "proof_key": None if secret else new_key(),
            **changes,
        }
        return Caller(self.http, self.installation.issuer, self.clock, client_id, **parts)

    @property
    def guard(self) -> Caller:
        """The payments API's own client."""
        return self.caller("payments-api")

    @property
    def deployments_guard(self) -> Caller:
        """The deployments API's own client."""
        return self.caller("deployments-api")

    def user_token(
        self,
        *,
        key: SigningKey | None = None,
        typ: str = "JWT",
        header: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Return a token that the identity provider gave to alice of support, unless said so."""
        now = int(self.clock.now().timestamp())
        honest = {
            "iss": IDP,
            "sub": "alice",
            "aud": "fleeting",
            "iat": now,
            "exp": now + 3600,
            "groups": ["support"],
            "department": "payments",
        }
        signer = key or self.installation.keys["idp"]
        return sign(signer, {**honest, **claims}, typ=typ, header=header)

    def challenge(
        self,
        operation: Mapping[str, Any] | None = None,
        *,
        resource: str = PAYMENTS,
        key: SigningKey | None = None,
        typ: str = CHALLENGE_TYP,
        header: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Return a transaction challenge of a resource server."""
        serial = next(_SERIAL)
        types = self.installation.load().types
        honest = make_challenge_claims(
            resource=resource,
            authorization_server=self.installation.issuer,
            jti=f"challenge-{serial}-{os.urandom(6).hex()}",
            txn=f"transaction-{serial}-{os.urandom(6).hex()}",
            operation=parse_operation(dict(operation or REFUND), types),
            reason="this call needs its own authorization",
            now=self.clock.now(),
        )
        name = "payments-api" if resource == PAYMENTS else "deployments-api"
        signer = key or self.installation.keys[name]
        return sign(signer, {**honest, **claims}, typ=typ, header=header)
