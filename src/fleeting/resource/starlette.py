"""The guard on single Starlette routes: a decorator, and the routes of its documents."""

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import TypeAlias

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fleeting.resource.admission import Granted
from fleeting.resource.bodies import CallerLeftError, read_body, replayed
from fleeting.resource.call_operations import CallOperation
from fleeting.resource.calls import Call
from fleeting.resource.guard import Guard
from fleeting.resource.middleware import GRANTED, granted_of
from fleeting.resource.responses import Answer, Refused

__all__ = ["Granted", "document_routes", "granted_of", "requires", "response_of"]

Guarded: TypeAlias = Callable[[Request, Granted], Response | Awaitable[Response]]
Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


def requires(guard: Guard, wanted: CallOperation) -> Callable[[Guarded], Endpoint]:
    """Let an endpoint's calls through only with a token for exactly their operation.

        @requires(guard, operation("payment_refund", payment_id=path("payment_id"),
                                   amount=body("amount"), currency=body("currency")))
        async def refund(request: Request, granted: Granted) -> Response: ...

    Raises:
        DeclarationError: the operation is not one of the guard's.
    """
    wanted.check(guard.types, guard.scopes)

    def decorate(endpoint: Guarded) -> Endpoint:
        @wraps(endpoint)
        async def guarded(request: Request) -> Response:
            call = Call.from_scope(request.scope, request.path_params)
            reading = partial(read_body, request.receive, guard.body_limits)
            try:
                granted = await guard.admit(call, wanted, reading)
            except Refused as refused:
                return response_of(refused.answer)
            except CallerLeftError:
                return Response(status_code=400)  # nobody hears it
            request.scope[GRANTED] = granted
            served = Request(request.scope, replayed(call.body, request.receive))
            response = await _serve(endpoint, served, granted)
            response.headers["DPoP-Nonce"] = guard.nonce()
            return response

        return guarded

    return decorate


async def _serve(endpoint: Guarded, request: Request, granted: Granted) -> Response:
    if iscoroutinefunction(endpoint):
        response: Response = await endpoint(request, granted)
        return response
    answer = await run_in_threadpool(endpoint, request, granted)
    return answer if isinstance(answer, Response) else await answer


def document_routes(guard: Guard) -> list[Route]:
    """Return the routes of the guard's documents, for the application's own list of routes."""
    return [_document_route(path, answer) for path, answer in guard.documents().items()]


def _document_route(path: str, answer: Answer) -> Route:
    async def show(_request: Request) -> Response:
        return response_of(answer)

    return Route(path, show)


def response_of(answer: Answer) -> Response:
    """Return *answer* as Starlette's response."""
    response = Response(answer.body, answer.status)
    response.raw_headers = list(answer.headers)
    return response
