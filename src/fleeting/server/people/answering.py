"""Answer browsers that sign in: pages and JSON, every refusal rendered in one place."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import structlog
from starlette.requests import Request
from starlette.responses import Response

from fleeting.core import strict_json
from fleeting.core.errors import InvalidRequest, OAuthError
from fleeting.core.forms import Form, parse_form
from fleeting.core.people import SignedIn
from fleeting.server.answering import Route, observe
from fleeting.server.endpoints import read_body
from fleeting.server.metrics import Metrics
from fleeting.server.people.services import PeopleServices
from fleeting.server.rendering import headers, render_error
from fleeting.server.world import new_id

_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"
_TITLES = {403: "You are not signed in", 503: "Not now", 500: "A fault of ours"}

log = structlog.get_logger("fleeting.server")


class Pages(Protocol):
    """Renders templates; see ``server.console.rendering``. prefix: the issuer's own path."""

    @property
    def prefix(self) -> str:
        """What every address of ours begins with."""
        ...

    def render(
        self,
        template: str,
        status: int = 200,
        *,
        scripts: bool = False,
        **values: Any,  # noqa: ANN401 -- what the template reads
    ) -> Response:
        """Return *template* as an answer; scripts: it has a script file of ours."""
        ...


@dataclass(frozen=True, slots=True)
class Front:
    """What the handlers need."""

    people: PeopleServices
    pages: Pages
    metrics: Metrics
    max_body_bytes: int

    def url(self, path: str) -> str:
        """Return the address of one of our pages."""
        return self.pages.prefix + path

    async def visitor(self, request: Request) -> SignedIn | None:
        """Return who is signed in already, if anybody."""
        token = self.people.cookies.session_of(request)
        if not token:
            return None
        return await self.people.sessions.signed_in(token, self.people.desk.clock.now())

    def csrf(self, request: Request) -> str:
        """Return what forms of this browser's session carry."""
        token = self.people.cookies.session_of(request)
        return self.people.sessions.csrf_token(token) if token else ""

    async def form(self, request: Request) -> Form:
        """Return the form that a page of ours sent.

        Raises:
            SignInRefused: no page of ours did. InvalidRequest: it is no form, or too large.
        """
        self.people.cookies.check_origin(request)
        _check_type(request, _FORM)
        return parse_form(await read_body(request.receive, self.max_body_bytes))

    async def json(self, request: Request) -> dict[str, Any]:
        """Return the object that a script of ours sent.

        Raises:
            SignInRefused: no page of ours did. InvalidRequest: it is no object, or too large.
        """
        self.people.cookies.check_origin(request)
        _check_type(request, _JSON)
        try:
            body = strict_json.loads(await read_body(request.receive, self.max_body_bytes))
        except strict_json.JsonError as error:
            raise InvalidRequest(f"the body is not acceptable JSON: {error}") from None
        if not isinstance(body, dict):
            raise InvalidRequest("send a JSON object")
        return body


def _check_type(request: Request, wanted: str) -> None:
    sent = request.headers.get("content-type", "")
    if sent.partition(";")[0].strip().lower() != wanted:
        raise InvalidRequest(f"send a body of type {wanted}")


Handler = Callable[[Front, Request], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


def endpoint(front: Front, name: str, handle: Handler) -> Endpoint:
    """Return an endpoint that answers whatever happens, to pages as pages and to scripts as JSON.

    name: the route's path, never the address itself: that may hold a link.
    """
    route = Route(name, front.metrics)

    async def answer(request: Request) -> Response:
        started, request_id = perf_counter(), new_id()
        code = ""
        try:
            response = await handle(front, request)
        except Exception as error:  # noqa: BLE001 -- the one renderer; a bug is logged there
            told = route.told(error, request_id)
            code = told.error
            response = _refusal(front, request, told, request_id)
        response.headers["X-Request-Id"] = request_id
        observe(route, request_id, response.status_code, code, perf_counter() - started)
        return response

    return answer


def _refusal(front: Front, request: Request, error: OAuthError, request_id: str) -> Response:
    if request.headers.get("content-type", "").startswith(_JSON):
        status, body, extra = render_error(error, request_id)
        response = Response(body, status)
        response.raw_headers = headers(request_id, body, extra=extra)
        return response
    return front.pages.render(
        "message.html",
        error.status,
        title=_TITLES.get(error.status, "That cannot be done so"),
        text=error.description,
        request_id=request_id,
        link={"href": front.url("/login"), "text": "Sign in"},
    )
