"""The guard on FastAPI routes: a dependency, and what an application installs once."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, TypeAlias

from fastapi import FastAPI, HTTPException, Request, Response

from fleeting.resource.admission import Granted
from fleeting.resource.bodies import BodyLimits
from fleeting.resource.call_operations import CallOperation
from fleeting.resource.calls import Call
from fleeting.resource.guard import Guard
from fleeting.resource.middleware import GRANTED, granted_of
from fleeting.resource.responses import Answer, Refused
from fleeting.resource.starlette import document_routes, response_of

__all__ = ["Granted", "RefusedCall", "granted_of", "install", "requires"]

Dependency: TypeAlias = Callable[[Request, Response], Awaitable[Granted]]


class RefusedCall(HTTPException):
    """A call was refused; ``install`` makes it the guard's own answer, to the letter."""

    def __init__(self, refused: Refused) -> None:
        """Keep the answer."""
        self.answer: Answer = refused.answer
        headers = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in refused.answer.headers
            if name not in (b"content-type", b"content-length")
        }
        super().__init__(refused.answer.status, refused.error.description, headers)


def requires(guard: Guard, wanted: CallOperation) -> Dependency:
    """Return a dependency that lets a route's calls through only with a token for exactly them.

        Refunding = Annotated[Granted, Depends(requires(guard, operation(
            "payment_refund", payment_id=path("payment_id"),
            amount=body("amount"), currency=body("currency"))))]

        @app.post("/payments/{payment_id}/refunds")
        async def refund(payment_id: str, refund: Refund, granted: Refunding) -> Receipt: ...

    One such dependency per route: a proof is good once. FastAPI checks its own models after its
    dependencies, so that a call which the model refuses has spent its use.

    Raises:
        DeclarationError: the operation is not one of the guard's.
    """
    wanted.check(guard.types, guard.scopes)

    async def admitted(request: Request, response: Response) -> Granted:
        call = Call.from_scope(request.scope, request.path_params)
        try:
            granted = await guard.admit(call, wanted, partial(_body, request, guard.body_limits))
        except Refused as refused:
            raise RefusedCall(refused) from refused
        request.scope[GRANTED] = granted
        response.headers["DPoP-Nonce"] = guard.nonce()
        return granted

    return admitted


async def _body(request: Request, limits: BodyLimits) -> bytes:
    """Return the body that FastAPI has read, or will read from the same request."""
    declared = request.headers.get("content-length", "")
    limits.check(int(declared) if declared.isdecimal() and len(declared) < 20 else 0)  # noqa: PLR2004
    body = await request.body()
    limits.check(len(body))
    return body


def install(app: FastAPI, guard: Guard) -> None:
    """Serve the guard's documents in *app*, answer its refusals, start and end it with *app*."""
    app.router.routes.extend(document_routes(guard))
    lifespan_of_app: Callable[[FastAPI], AbstractAsyncContextManager[Any]]
    lifespan_of_app = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(started: FastAPI) -> AsyncIterator[Any]:
        async with guard, lifespan_of_app(started) as state:
            yield state

    app.router.lifespan_context = lifespan

    async def answer(_request: Request, error: Exception) -> Response:
        if not isinstance(error, RefusedCall):  # registered for no other
            raise error
        return response_of(error.answer)

    app.add_exception_handler(RefusedCall, answer)
