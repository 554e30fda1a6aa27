"""The guard before any ASGI application, by rules; needs no framework."""

import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import partial
from typing import Any, TypeAlias

from fleeting.core.errors import InvalidRequest
from fleeting.resource.admission import Granted
from fleeting.resource.bodies import CallerLeftError, Message, Receive, Send, read_body, replayed
from fleeting.resource.calls import Call
from fleeting.resource.guard import Guard
from fleeting.resource.paths import route_path
from fleeting.resource.responses import Answer, Refused, unlisted
from fleeting.resource.rules import WEBSOCKET, Rule, RuleSet

Scope: TypeAlias = MutableMapping[str, Any]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

GRANTED = "fleeting.granted"
"""Where in the ASGI scope the application finds what was granted."""

_log = logging.getLogger("fleeting.resource")
_DOCUMENT_METHODS = ("GET", "HEAD")


def granted_of(scope: Scope) -> Granted:
    """Return what the guard granted to the call with this ASGI scope (``request.scope``).

    Raises:
        LookupError: the call did not pass a guard.
    """
    if GRANTED not in scope:
        raise LookupError("no guard has let this call through; is the route in its rules?")
    granted: Granted = scope[GRANTED]
    return granted


class GuardMiddleware:
    """Refuse every call that no rule names, and every protected call without its token.

        app = GuardMiddleware(app, guard, rules=[
            protect("POST", "/payments/{payment_id}/refunds", operation(
                "payment_refund", action="refund", payment_id=path("payment_id"),
                amount=body("amount"), currency=body("currency"))),
            public("GET", "/health"),
        ])

    Write the rules in the order of the application's routes: the first that fits counts, there as
    here. Put what rewrites methods, paths or bodies before the guard, not behind it. The guard's
    own documents (``guard.documents()``) are served here, too.

    insecure_pass_unlisted: let calls through, without any check, that no rule names or comes near.
    """

    def __init__(
        self,
        app: App,
        guard: Guard,
        rules: Iterable[Rule],
        *,
        insecure_pass_unlisted: bool = False,
    ) -> None:
        self._app = app
        self._guard = guard
        self._rules = RuleSet.of(rules, guard.types, guard.scopes)
        self._documents = guard.documents()
        self._passes_unlisted = insecure_pass_unlisted
        if insecure_pass_unlisted:
            _log.warning("insecure_pass_unlisted: calls that no rule names are not checked at all")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Guard one ASGI connection."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await self._websocket(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            path = route_path(scope)
        except InvalidRequest as error:
            await send_answer(self._guard.malformed(error), scope, send)
            return
        found = self._rules.find(scope["method"], path)
        if found is None:
            await self._unlisted(path, scope, receive, send)
            return
        rule, path_params = found
        if rule.operation is None:
            await self._app(scope, receive, send)
            return
        call = Call.from_scope(scope, path_params)
        reading = partial(read_body, receive, self._guard.body_limits)
        try:
            granted = await self._guard.admit(call, rule.operation, reading)
        except Refused as refused:
            await send_answer(refused.answer, scope, send)
            return
        except CallerLeftError:
            return
        scope = {**scope, GRANTED: granted}
        await self._app(scope, replayed(call.body, receive), with_nonce(self._guard, send))

    async def _unlisted(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        document = self._documents.get(scope["path"])
        if document is not None and scope["method"] in _DOCUMENT_METHODS:
            await send_answer(document, scope, send)
        elif self._passes_unlisted and not self._rules.comes_near(path):
            await self._app(scope, receive, send)
        else:
            await send_answer(unlisted(), scope, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let public handshakes through; a socket cannot be held to one operation per call."""
        try:
            path = route_path(scope)
        except InvalidRequest:
            path = ""
        if path and self._rules.find(WEBSOCKET, path) is not None:
            await self._app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008, "reason": ""})

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Fetch keys once the application has started; close the guard once it has ended."""

        async def send_after(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                await self._guard.warm()
            elif message["type"].startswith("lifespan.shutdown"):
                await self._guard.aclose()
            await send(message)

        await self._app(scope, receive, send_after)


async def send_answer(answer: Answer, scope: Scope, send: Send) -> None:
    """Send a whole answer; to HEAD, without its body (RFC 9110 §9.3.2)."""
    start = {"type": "http.response.start", "status": answer.status}
    await send({**start, "headers": [*answer.headers]})
    body = b"" if scope["method"] == "HEAD" else answer.body
    await send({"type": "http.response.body", "body": body})


def with_nonce(guard: Guard, send: Send) -> Send:
    """Return a channel that adds the next DPoP nonce to the response (RFC 9449 §8.2, §9)."""

    async def send_with_nonce(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            if not any(name.lower() == b"dpop-nonce" for name, _ in headers):
                headers.append((b"dpop-nonce", guard.nonce().encode()))
            message = {**message, "headers": headers}
        await send(message)

    return send_with_nonce
