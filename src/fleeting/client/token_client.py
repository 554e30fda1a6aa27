"""For callers that know what to ask for: obtain, wait for, present and revoke tokens."""

from datetime import timedelta
from typing import Any, Generic, TypeVar, Unpack

import httpx

from fleeting.client.asking import Wish, obtain, resume, revoke
from fleeting.client.calling_issuer import NO_HOLD, Asker
from fleeting.client.identity import make_identity
from fleeting.client.just_in_time import TokenAuth
from fleeting.client.keys import KeySource
from fleeting.client.managing import manage
from fleeting.client.pending import OnPending, Pending, patience
from fleeting.client.tokens import Token
from fleeting.client.wire import Flow, run, run_async
from fleeting.core.durations import format_duration

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

    def _managed(self, id_: str, action: str, **fields: str) -> Flow[dict[str, Any]]:
        return manage(self._asker, id_, action, fields)

    def _extended(self, id_: str, duration: timedelta) -> Flow[dict[str, Any]]:
        return self._managed(id_, "extend", duration=format_duration(duration))


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

    def obtain(
        self,
        *,
        wait: float | timedelta | None = None,
        on_pending: OnPending | None = None,
        **wish: Unpack[Wish],
    ) -> Token:
        """Obtain a token for what *wish* names: operations, scopes, a subject (see ``Wish``).

        What is granted may be less than what was asked: ``Token.refused`` says what is missing.

        wait: how long to wait for people where they decide, in seconds or as a ``timedelta``:
        None as long as the request waits itself, 0 not at all.
        on_pending: told what waits, and where people decide it, when that begins and at every turn.

        Raises:
            ApprovalPending: people have not decided in that time; ``resume`` goes on from there.
            AccessDeniedError: nothing is granted; ``reason`` says why.
            FleetingError: any other refusal or failure.
        """
        return run(obtain(self._asker, wish, patience(wait, on_pending)), self._client)

    def resume(
        self,
        pending: Pending,
        *,
        wait: float | timedelta | None = None,
        on_pending: OnPending | None = None,
        **tokens: Unpack[Wish],
    ) -> Token:
        """Go on waiting for *pending*, in another process, too, with the same key.

        tokens: the ``subject_token`` (and ``actor_token``) that it was asked with, if it was:
        a fresh one of the same user.
        """
        flow = resume(self._asker, pending, tokens, patience(wait, on_pending))
        return run(flow, self._client)

    def revoke(self, token: Token) -> None:
        """End *token* before its time (RFC 7009)."""
        run(revoke(self._asker, token), self._client)

    def status(self, id_: str, *, hold: timedelta = NO_HOLD) -> dict[str, Any]:
        """Return where an access request stands; hold: wait so long for something to change."""
        return run(manage(self._asker, id_, "status", hold=hold), self._client)

    def cancel(self, id_: str) -> dict[str, Any]:
        """Take back a request before it is collected."""
        return run(self._managed(id_, "cancel"), self._client)

    def give_back(self, id_: str) -> dict[str, Any]:
        """Be done with what was granted before its end: its tokens end now."""
        return run(self._managed(id_, "return"), self._client)

    def extend(self, id_: str, duration: timedelta) -> dict[str, Any]:
        """Ask for a grant to be longer; returns the request that people decide for that."""
        return run(self._extended(id_, duration), self._client)

    def answer(self, id_: str, text: str) -> dict[str, Any]:
        """Answer what people asked about a request that waits."""
        return run(self._managed(id_, "answer", text=text), self._client)


class AsyncTokenClient(_Face[httpx.AsyncClient]):
    """As ``TokenClient``, for tasks: ``await tokens.obtain(…)``."""

    async def obtain(
        self,
        *,
        wait: float | timedelta | None = None,
        on_pending: OnPending | None = None,
        **wish: Unpack[Wish],
    ) -> Token:
        """Obtain a token: see ``TokenClient.obtain``."""
        flow = obtain(self._asker, wish, patience(wait, on_pending))
        return await run_async(flow, self._client)

    async def resume(
        self,
        pending: Pending,
        *,
        wait: float | timedelta | None = None,
        on_pending: OnPending | None = None,
        **tokens: Unpack[Wish],
    ) -> Token:
        """Go on waiting: see ``TokenClient.resume``."""
        flow = resume(self._asker, pending, tokens, patience(wait, on_pending))
        return await run_async(flow, self._client)

    async def revoke(self, token: Token) -> None:
        """End *token* before its time (RFC 7009)."""
        await run_async(revoke(self._asker, token), self._client)

    async def status(self, id_: str, *, hold: timedelta = NO_HOLD) -> dict[str, Any]:
        """Return where an access request stands: see ``TokenClient.status``."""
        return await run_async(manage(self._asker, id_, "status", hold=hold), self._client)

    async def cancel(self, id_: str) -> dict[str, Any]:
        """Take back a request before it is collected."""
        return await run_async(self._managed(id_, "cancel"), self._client)

    async def give_back(self, id_: str) -> dict[str, Any]:
        """Be done with what was granted before its end: its tokens end now."""
        return await run_async(self._managed(id_, "return"), self._client)

    async def extend(self, id_: str, duration: timedelta) -> dict[str, Any]:
        """Ask for a grant to be longer: see ``TokenClient.extend``."""
        return await run_async(self._extended(id_, duration), self._client)

    async def answer(self, id_: str, text: str) -> dict[str, Any]:
        """Answer what people asked about a request that waits."""
        return await run_async(self._managed(id_, "answer", text=text), self._client)
