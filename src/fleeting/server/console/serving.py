"""Serve pages and API: who is there, what they get, and every refusal rendered in one place."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter
from urllib.parse import quote

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fleeting.core.errors import (
    InsufficientUserAuthentication,
    InvalidDpopProof,
    InvalidToken,
    NoSuchRequest,
    OAuthError,
    UseDpopNonce,
)
from fleeting.core.model import Json
from fleeting.core.operation_types import OperationType
from fleeting.ports import Clock, Records
from fleeting.server.answering import Route, observe
from fleeting.server.console.headers import page_headers
from fleeting.server.console.rendering import Pages
from fleeting.server.console.visitors import Door, Visitor
from fleeting.server.metrics import Metrics
from fleeting.server.rendering import Header, encode, headers, render_error
from fleeting.server.world import new_id
from fleeting.usecases.decide_request import DecideRequest
from fleeting.usecases.people import Roles
from fleeting.usecases.rules import RulesSource
from fleeting.usecases.view_requests import ViewRequests

UNAUTHORIZED = 401
SEE_OTHER = 303
"""After a POST, never 307: that would send the form on (ATTACKS 37)."""

log = structlog.get_logger("fleeting.server")


@dataclass(frozen=True, slots=True)
class Console:
    """What pages and API are made of."""

    door: Door
    pages: Pages
    decide: DecideRequest
    view: ViewRequests
    roles: Roles
    records: Records
    rules: RulesSource
    clock: Clock
    nonce: Callable[[], str]
    metrics: Metrics

    def types(self) -> dict[str, OperationType]:
        """Return the operation types as they are declared now."""
        return dict(self.rules.rules().installation.catalogue.types)

    def url(self, path: str) -> str:
        """Return the address of one of our pages."""
        return self.pages.prefix + path


Answer = Callable[[Console, Request, Visitor], Awaitable[Json]]
Page = Callable[[Console, Request, Visitor], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


def api(console: Console, name: str, answer: Answer) -> Endpoint:
    """Return an endpoint that answers with JSON, whatever happens."""
    route = Route(name, console.metrics)

    async def endpoint(request: Request) -> Response:
        started, request_id = perf_counter(), new_id()
        extra: tuple[Header, ...] = ()
        try:
            body = encode(await answer(console, request, await console.door.caller(request)))
            status, code = 200, ""
        except Exception as error:  # noqa: BLE001 -- the one renderer; a bug is logged there
            told = route.told(error, request_id)
            status, body, extra = render_error(told, request_id)
            code = told.error
            if isinstance(told, InvalidToken | InvalidDpopProof | UseDpopNonce):
                status = UNAUTHORIZED  # RFC 9449 §7.1: as at any resource
                extra = ((b"www-authenticate", f'DPoP error="{told.error}"'.encode()),)
        observe(route, request_id, status, code, perf_counter() - started)
        response = Response(body, status)
        response.raw_headers = headers(request_id, body, nonce=console.nonce(), extra=extra)
        return response

    return endpoint


def page(console: Console, name: str, show: Page) -> Endpoint:
    """Return an endpoint that shows a page to who is signed in, and all others where to."""
    route = Route(name, console.metrics)

    async def endpoint(request: Request) -> Response:
        started, request_id = perf_counter(), new_id()
        visitor: Visitor | None = None
        code = ""
        try:
            visitor = await console.door.visitor(request)
            if visitor is None:
                response = _to_login(console, request)
            else:
                response = await show(console, request, visitor)
        except Exception as error:  # noqa: BLE001 -- the one renderer; a bug is logged there
            told = route.told(error, request_id)
            code = told.error
            response = refusal_page(console, told, request_id, visitor, request)
        response.headers["X-Request-Id"] = request_id
        observe(route, request_id, response.status_code, code, perf_counter() - started)
        return response

    return endpoint


def _to_login(console: Console, request: Request) -> Response:
    """Send who is not signed in to sign in, and back to the same page afterwards."""
    wanted = request.url.path
    if request.method not in ("GET", "HEAD"):  # a form is not sent again: its page is shown
        id_ = request.path_params.get("id")
        wanted = console.url(f"/requests/{quote(id_, safe='')}" if id_ else "/")
    elif request.url.query:
        wanted = f"{wanted}?{request.url.query}"
    return see_other(console, f"/login?next={quote(wanted, safe='')}")


def see_other(console: Console, path: str) -> Response:
    """Send the browser to a page of ours, with a GET."""
    headers = dict(page_headers())
    return RedirectResponse(console.url(path), SEE_OTHER, headers)


_TITLES = {
    400: "That cannot be done so",
    401: "Sign in again",
    403: "You may not do this",
    404: "There is no such request",
    409: "It changed",
    413: "That is too much",
    500: "A fault of ours",
    503: "Not now",
}


def refusal_page(
    console: Console,
    error: OAuthError,
    request_id: str,
    visitor: Visitor | None,
    request: Request,
) -> Response:
    """Return the page that says what is refused, and where to go on."""
    path = request.url.path
    again = isinstance(error, InsufficientUserAuthentication)
    back = path if request.method in ("GET", "HEAD") else path.rpartition("/")[0]
    id_ = request.path_params.get("id")
    target = console.url(f"/requests/{quote(id_, safe='')}") if id_ else console.url("/")
    link = {"href": target, "text": "Back to the request" if id_ else "My work"}
    if again:
        href = f"{console.url('/login')}?fresh=1&next={quote(target, safe='')}"
        link = {"href": href, "text": "Sign in again"}
    elif error.status == NoSuchRequest.status or back == target:
        link = {"href": console.url("/"), "text": "My work"}
    return console.pages.render(
        "message.html",
        error.status,
        person=None if visitor is None else visitor.who.person,
        csrf="" if visitor is None else console.door.csrf(visitor),
        title=_TITLES.get(error.status, "That was refused"),
        text=error.description,
        request_id=request_id,
        link=link,
    )
