"""The httpx faces: ``JustInTime`` asks for what a call needs, ``TokenAuth`` presents a token."""

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from datetime import timedelta
from typing import TypeAlias

import httpx

from fleeting.client.asking import JWT_TYPE, Wish
from fleeting.client.calling import Caller, call, present, raise_if_refused
from fleeting.client.calling_issuer import Asker
from fleeting.client.identity import make_identity
from fleeting.client.keys import KeySource
from fleeting.client.pending import OnPending, patience
from fleeting.client.tokens import Token
from fleeting.client.wire import AsyncWire, Fetch, Fetched, Rest, Wire
from fleeting.core.model import Json

SubjectSource: TypeAlias = str | Callable[[], str | Awaitable[str]]


class JustInTime(httpx.Auth):
    """Authenticate calls to guarded APIs: each gets a token for just that call, when it asks.

    ::

        auth = JustInTime("https://auth.example.com", "support-bot", "support-bot.jwk.json")
        httpx.post("https://payments.example.com/payments/42/refund", json={...}, auth=auth)

        async with httpx.AsyncClient(auth=auth) as client:  # the same object, for tasks too
            await client.post(...)

    The resource's challenge is validated, then traded for a token at the one *issuer*, to which
    the call's own key is bound; then the call is made again, once. Credentials go to *issuer* and
    nowhere else, whatever a resource says. One object may be used by many threads and tasks.

    A token that has uses left is presented again only for the same call: same method, URL, body,
    content type, subject and own credentials; all else asks anew.

    issuer, client_id: who the caller is, and to whom. key: a private P-256 key that signs client
    assertions and proofs: a JWK (mapping or JSON), PEM, the path of either, or a key object.
    secret: instead of a key, for a ``client_secret_basic`` client; tokens are then bound to a key
    made here. dpop_key: another key for the proofs.
    context: the ``request_context`` of every ask (purpose, ticket, …).
    resource: accept challenges of this resource only.
    subject_token: on whose authority (RFC 8693), as text or a callable that returns it for the
    call being made; with ``httpx.AsyncClient`` it may be a coroutine function.
    wait: how long to wait for people where they decide, in seconds or as a ``timedelta``: None as
    long as the request waits itself, 0 not at all. on_pending: told what waits, at every turn.
    insecure_bearer: take unbound tokens, for a client that is declared so.
    client, async_client: what sends to the issuer and fetches public documents, with its own TLS
    settings, proxies and connections; without one, a connection is opened when it is needed.

    Raises, out of the httpx call: FleetingError, in one of its kinds; ApprovalPending where people
    have not decided yet: ``TokenClient.resume`` goes on from there.
    """

    requires_request_body = True

    def __init__(  # noqa: PLR0913 -- a face: each is documented above, all but three by keyword
        self,
        issuer: str,
        client_id: str,
        key: KeySource | None = None,
        *,
        secret: str | None = None,
        dpop_key: KeySource | None = None,
        context: Mapping[str, Json] | None = None,
        resource: str | None = None,
        subject_token: SubjectSource | None = None,
        subject_token_type: str = JWT_TYPE,
        wait: float | timedelta | None = None,
        on_pending: OnPending | None = None,
        insecure_bearer: bool = False,
        client: httpx.Client | None = None,
        async_client: httpx.AsyncClient | None = None,
    ) -> None:
        identity = make_identity(
            issuer,
            client_id,
            key,
            secret=secret,
            dpop_key=dpop_key,
            insecure_bearer=insecure_bearer,
        )
        self._caller = Caller(Asker(identity), resource, patience(wait, on_pending))
        self._circumstances = Wish() if context is None else Wish(context=context)
        self._subject_token = subject_token
        self._subject_token_type = subject_token_type
        self._client = client
        self._async_client = async_client

    def __repr__(self) -> str:
        identity = self._caller.asker.identity
        return f"JustInTime({identity.issuer!r}, {identity.client_id!r})"

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Drive the flow for ``httpx.Client``."""
        request.read()
        flow = call(self._caller, request, self._wish(self._subject()))
        with Wire(self._client) as wire:
            step = next(flow)
            while True:
                reply = wire.send(step) if isinstance(step, Fetch | Rest) else (yield step)
                try:
                    step = flow.send(reply)
                except StopIteration:
                    return

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Drive the flow for ``httpx.AsyncClient``."""
        await request.aread()
        flow = call(self._caller, request, self._wish(await self._subject_async()))
        async with AsyncWire(self._async_client) as wire:
            step = next(flow)
            while True:
                if isinstance(step, Fetch | Rest):
                    reply: httpx.Response | Fetched = await wire.send(step)
                else:
                    reply = yield step
                try:
                    step = flow.send(reply)
                except StopIteration:
                    return

    def _wish(self, subject: str | None) -> Wish:
        if self._subject_token is None:
            return self._circumstances
        if not subject:
            raise ValueError("subject_token gave no token: the call is not made for anyone else")
        return {
            **self._circumstances,
            "subject_token": subject,
            "subject_token_type": self._subject_token_type,
        }

    def _subject(self) -> str | None:
        subject = self._subject_token() if callable(self._subject_token) else self._subject_token
        if subject is None or isinstance(subject, str):
            return subject
        if inspect.iscoroutine(subject):
            subject.close()
        raise TypeError("subject_token is awaitable: use it with httpx.AsyncClient")

    async def _subject_async(self) -> str | None:
        subject = self._subject_token() if callable(self._subject_token) else self._subject_token
        return subject if subject is None or isinstance(subject, str) else await subject


class TokenAuth(httpx.Auth):
    """Present one token that was obtained before, with a proof of its key: ``tokens.auth(token)``.

    Raises, out of the httpx call: TokenRefusedError, InsecureUrlError.
    """

    requires_request_body = True

    def __init__(self, asker: Asker, token: Token) -> None:
        self._asker = asker
        self._token = token

    def __repr__(self) -> str:
        return f"TokenAuth({self._token!r})"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Present the token; see ``client.calling``."""
        response = yield from present(self._asker, request, self._token)
        raise_if_refused(response, self._token)
