"""The pages: what waits for people, one request with all that is known of it, and being away."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fleeting.core.errors import (
    InvalidAuthorizationDetails,
    InvalidRequest,
    OAuthError,
    RequestChanged,
)
from fleeting.core.people import ConsoleAction
from fleeting.server.console.api import VIEWS, do, do_delegate, offer_of
from fleeting.server.console.bodies import Members, read_form
from fleeting.server.console.deeds import of_form
from fleeting.server.console.narrowings import form_narrowing
from fleeting.server.console.serving import Console, page, see_other
from fleeting.server.console.visitors import CSRF_FIELD, Visitor

PAGE_SIZE = 50
_MOST_PAGES = 200

DONE = {
    "approve": "Your approval is recorded.",
    "deny": "It is denied. Who asked will read your reason.",
    "narrow": "It is narrowed. Votes for more still count; nobody has to ask again.",
    "ask": "Your question is recorded. The request goes on waiting.",
    "answer": "Your answer is recorded.",
    "cancel": "It is taken back.",
    "return": "It is returned: its tokens are refused from now on.",
    "extend": "More time is asked for; the same people decide.",
    "revoke": "It is revoked: its tokens are refused from now on.",
    "review": "The review is closed.",
    "delegate": "It is recorded who votes in your place.",
}
"""What a page says after a deed, by the deed's name: nothing else of an address is ever shown."""


def page_routes(console: Console) -> Sequence[BaseRoute]:
    """Return the routes of the pages."""
    table = (
        ("/", "GET", _home),
        ("/requests", "GET", _requests),
        ("/requests/{id}", "GET", _request),
        ("/requests/{id}/{deed}", "POST", _deed),
        ("/delegate", "GET", _delegate),
        ("/delegate", "POST", _do_delegate),
        ("/people/me", "GET", _me),
    )
    return [
        *(
            Route(console.url(path), page(console, path, show), methods=[method])
            for path, method, show in table
        ),
        Route(console.url("/assets/{digest}/{name}"), _asset(console)),
    ]


def _asset(console: Console) -> Any:  # noqa: ANN401 -- an endpoint
    async def endpoint(request: Request) -> Response:
        """Serve a stylesheet or script of ours."""
        found = console.pages.serve_asset(**request.path_params)
        if found is None:
            raise HTTPException(404)
        return found

    return endpoint


async def _render(
    console: Console,
    visitor: Visitor,
    template: str,
    status: int = 200,
    **values: Any,  # noqa: ANN401 -- what the template reads
) -> Response:
    """Render a page for *visitor*, with what alarms them: on every page, until it is reviewed."""
    reviews = await console.view.listed(visitor.who, "reviews")
    return console.pages.render(
        template,
        status,
        person=visitor.who.person,
        csrf=console.door.csrf(visitor),
        now=console.clock.now(),
        reviews=reviews,
        alarms=[each for each in reviews if _alarms(each["review"], visitor)],
        **values,
    )


def _alarms(review: Any, visitor: Visitor) -> bool:  # noqa: ANN401 -- of a view's JSON
    """Say whether an open review is for the visitor's group to close, or overdue: for anybody."""
    return bool(review["overdue"]) or review["group"] in visitor.who.person.groups


async def _home(console: Console, request: Request, visitor: Visitor) -> Response:
    return await _render(
        console,
        visitor,
        "home.html",
        done=_done(request),
        to_approve=await console.view.listed(visitor.who, "to-approve"),
        mine=await console.view.listed(visitor.who, "mine"),
    )


async def _requests(console: Console, request: Request, visitor: Visitor) -> Response:
    view = request.query_params.get("view", "open")
    number = request.query_params.get("page", "1")
    if view not in VIEWS or not number.isascii() or not number.isdecimal():
        raise InvalidRequest(f"there is no such list: view is one of {', '.join(VIEWS)}")
    place = min(max(int(number[:6]), 1), _MOST_PAGES)
    found = await console.view.listed(visitor.who, view, limit=place * PAGE_SIZE + 1)
    shown = found[(place - 1) * PAGE_SIZE : place * PAGE_SIZE]
    return await _render(
        console,
        visitor,
        "requests.html",
        view=view,
        views=VIEWS,
        place=place,
        more=len(found) > place * PAGE_SIZE,
        requests=shown,
    )


async def _request(console: Console, request: Request, visitor: Visitor) -> Response:
    return await _shown(console, visitor, request.path_params["id"], done=_done(request))


async def _shown(
    console: Console,
    visitor: Visitor,
    id_: str,
    status: int = 200,
    *,
    done: str = "",
    problem: str = "",
    since: datetime | None = None,
) -> Response:
    """Show a request; *since* marks what happened after that."""
    return await _render(
        console,
        visitor,
        "request.html",
        status,
        request=await console.view.shown(visitor.who, id_),
        done=done,
        problem=problem,
        since="" if since is None else since.isoformat(),
    )


def _done(request: Request) -> str:
    return DONE.get(request.query_params.get("done", ""), "")


async def _deed(console: Console, request: Request, visitor: Visitor) -> Response:
    """Do what a form on the page of a request says, and show the request again."""
    id_, name = request.path_params["id"], request.path_params["deed"]
    form = await read_form(request)
    console.door.check(request, visitor, form.get(CSRF_FIELD, ""))
    try:
        done = await do(console, visitor, id_, name, await _sent(console, visitor, id_, name, form))
    except (RequestChanged, InvalidRequest, InvalidAuthorizationDetails) as error:
        return await _again(console, visitor, id_, form, error)
    return see_other(console, f"/requests/{quote(done.id, safe='')}?done={name}")


async def _sent(
    console: Console, visitor: Visitor, id_: str, name: str, form: dict[str, str]
) -> Members:
    """Return what the API would have been sent for the same."""
    if name != "narrow":
        return of_form(form, "offer", "comment", "reason", "text", "duration", "note")
    offer = await offer_of(console, visitor, id_)
    return Members(form_narrowing(form, offer, console.types()))


async def _again(
    console: Console, visitor: Visitor, id_: str, form: dict[str, str], error: OAuthError
) -> Response:
    """Show the request anew, saying why nothing was done and what changed since it was seen."""
    return await _shown(
        console,
        visitor,
        id_,
        error.status,
        problem=error.description,
        since=_seen(form) if isinstance(error, RequestChanged) else None,
    )


def _seen(form: dict[str, str]) -> datetime | None:
    """Return when the page was made that a form stood on; it only says what to mark as new."""
    try:
        at = datetime.fromisoformat(form.get("seen", ""))
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


async def _delegate(console: Console, request: Request, visitor: Visitor) -> Response:
    return await _away(console, visitor, done=_done(request))


async def _away(
    console: Console,
    visitor: Visitor,
    status: int = 200,
    *,
    done: str = "",
    problem: str = "",
    filled: Mapping[str, Any] | None = None,
) -> Response:
    """Show who stands in for the visitor, and the form to change that; filled: what was written."""
    now = console.clock.now()
    standing_in = [
        {"to": each.to, "until": each.until.isoformat()}
        for each in visitor.who.person.delegations
        if each.until > now
    ]
    return await _render(
        console,
        visitor,
        "delegate.html",
        status,
        done=done,
        problem=problem,
        filled=filled or {},
        standing_in=standing_in,
    )


async def _do_delegate(console: Console, request: Request, visitor: Visitor) -> Response:
    form = await read_form(request)
    console.door.check(request, visitor, form.get(CSRF_FIELD, ""))
    body = of_form(form, "to", "until")
    try:
        await do_delegate(console, visitor, body)
    except InvalidRequest as error:
        return await _away(
            console, visitor, error.status, problem=error.description, filled=body.values
        )
    return see_other(console, "/delegate?done=delegate")


async def _me(console: Console, _request: Request, visitor: Visitor) -> Response:
    may = [each.value for each in ConsoleAction if console.roles.allows(visitor.who.person, each)]
    return await _render(console, visitor, "me.html", who=visitor.who, may=may)
