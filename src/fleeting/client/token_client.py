"""For callers that know what to ask for: obtain, present and revoke tokens."""

from typing import Generic, TypeVar, Unpack

import httpx

from fleeting.client.asking import Asker, Wish, obtain, revoke
from fleeting.client.identity import make_identity
from fleeting.client.just_in_time import TokenAuth
from fleeting.client.keys import KeySource
from fleeting.client.tokens import Token
from fleeting.client.wire import run, run_async

C = TypeVar("C", httpx.Client, httpx.AsyncClient)


class _Face(Generic[C]):
    """What both faces share. client: what sends; without one, each ask opens a connection."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        key: KeySource | None = None,
        *,
        secret: str | None = None,
        dpop_key: KeySource | None = None,
        insecure_bearer: bool = False,
        client: C | None = None,
    ) -> None:
        identity = make_identity(
            issuer,
            client_id,
            key,
            secret=secret,
            dpop_key=dpop_key,
            insecure_bearer=insecure_bearer,
        )
        self._asker = Asker(identity)
        self._client: C | None = client

    def __repr__(self) -> str:
        identity = self._asker.identity
        return f"{type(self).__name__}({identity.issuer!r}, {identity.client_id!r})"

    def auth(self, token: Token) -> TokenAuth:
        """Return the ``httpx.Auth`` that presents *token*, sync and async.

        ::

            httpx.post(url, json={...}, auth=tokens.auth(token))
        """
        return TokenAuth(self._asker, token)


class TokenClient(_Face[httpx.Client]):
    """Obtain and revoke tokens; the arguments are those of ``JustInTime``.

    ::

        tokens = TokenClient("https://auth.example.com", "support-bot", "support-bot.jwk.json")
        token = tokens.obtain(
            authorization_details=[
                {"type": "payment_refund", "actions": ["refund"], "payment_id": "42", ...}
            ],
            context={"ticket": "INC-7"},
        )
        httpx.post(url, json={...}, auth=tokens.auth(token))
        tokens.revoke(token)
    """

    def obtain(self, **wish: Unpack[Wish]) -> Token:
        """Obtain a token for what *wish* names: operations, scopes, a subject (see ``Wish``).

        What is granted may be less than what was asked: ``Token.refused`` says what is missing.

        Raises:
            AccessDeniedError: nothing is granted; ``reason`` says why.
            FleetingError: any other refusal or failure.
        """
        return run(obtain(self._asker, wish), self._client)

    def revoke(self, token: Token) -> None:
        """End *token* before its time (RFC 7009)."""
        run(revoke(self._asker, token), self._client)


class AsyncTokenClient(_Face[httpx.AsyncClient]):
    """As ``TokenClient``, for tasks: ``await tokens.obtain(…)``."""

    async def obtain(self, **wish: Unpack[Wish]) -> Token:
        """Obtain a token: see ``TokenClient.obtain``."""
        return await run_async(obtain(self._asker, wish), self._client)

    async def revoke(self, token: Token) -> None:
        """End *token* before its time (RFC 7009)."""
        await run_async(revoke(self._asker, token), self._client)
