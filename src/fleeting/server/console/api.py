"""The JSON API of the console: what the command line speaks."""

from collections.abc import Sequence
from typing import cast

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from fleeting.core.access_requests import Offer
from fleeting.core.errors import InvalidRequest, NoSuchRequest
from fleeting.core.model import Json
from fleeting.core.people import ConsoleAction
from fleeting.core.request_text import read_record
from fleeting.ports import RecordKind
from fleeting.server.console.bodies import Members, read_object
from fleeting.server.console.deeds import DEEDS, what_to_revoke
from fleeting.server.console.narrowings import read_narrowing
from fleeting.server.console.serving import Console, api
from fleeting.server.console.visitors import Visitor

VIEWS = ("to-approve", "mine", "open", "all")


def api_routes(console: Console) -> Sequence[BaseRoute]:
    """Return the routes of the API."""
    table = (
        ("/api/whoami", "GET", _whoami),
        ("/api/requests", "GET", _listed),
        ("/api/requests/{id}", "GET", _shown),
        ("/api/requests/{id}/{deed}", "POST", _deed),
        ("/api/revoke", "POST", _revoke),
        ("/api/delegate", "POST", _delegate),
        ("/api/logout", "POST", _logout),
    )
    return [
        Route(console.url(path), api(console, path, answer), methods=[method])
        for path, method, answer in table
    ]


async def _whoami(console: Console, _request: Request, visitor: Visitor) -> Json:
    who = visitor.who
    person = who.person
    may: list[Json] = [
        action.value for action in ConsoleAction if console.roles.allows(person, action)
    ]
    delegations: list[Json] = [
        {"to": each.to, "since": each.since.isoformat(), "until": each.until.isoformat()}
        for each in person.delegations
        if each.until > console.clock.now()
    ]
    return {
        "id": person.id,
        "name": person.name,
        "groups": [*sorted(person.groups)],
        "issuer": person.issuer,
        "signed_in_at": who.signed_in_at.isoformat(),
        "acr": who.acr,
        "may": may,
        "delegations": delegations,
    }


async def _listed(console: Console, request: Request, visitor: Visitor) -> Json:
    view = request.query_params.get("view", "open")
    if view not in VIEWS:
        raise InvalidRequest(f"view is one of {', '.join(VIEWS)}")
    found = await console.view.listed(visitor.who, view)
    return {"view": view, "requests": cast("list[Json]", list(found))}


async def _shown(console: Console, request: Request, visitor: Visitor) -> Json:
    return await console.view.shown(visitor.who, request.path_params["id"])


async def _deed(console: Console, request: Request, visitor: Visitor) -> Json:
    id_, name = request.path_params["id"], request.path_params["deed"]
    body = Members(await read_object(request))
    if name == "narrow":
        await do_narrow(console, visitor, id_, body)
    elif name in DEEDS:
        await DEEDS[name](console.decide, visitor.who, id_, body)
    else:
        raise InvalidRequest(f"a deed is one of {', '.join(sorted((*DEEDS, 'narrow')))}")
    return await console.view.shown(visitor.who, id_)


async def do_narrow(console: Console, visitor: Visitor, id_: str, body: Members) -> None:
    """Narrow the request *id_* to what *body* says."""
    offer = await offer_of(console, visitor, id_)
    await console.decide.narrow(visitor.who, id_, read_narrowing(body, offer, console.types()))


async def offer_of(console: Console, visitor: Visitor, id_: str) -> Offer:
    """Return the offer of a request that *visitor* may see, as it stands.

    Raises:
        NoSuchRequest: there is none, or it is not theirs to see.
    """
    await console.view.shown(visitor.who, id_)  # who may not see it learns nothing of it
    record = await console.records.record(RecordKind.REQUEST, id_)
    if record is None:
        raise NoSuchRequest("there is no such request")
    return read_record(record.text, record.revision, console.types()).offer


async def _revoke(console: Console, request: Request, visitor: Visitor) -> Json:
    kind, value, reason = what_to_revoke(Members(await read_object(request)))
    found = await console.decide.revoke_all(visitor.who, kind, value, reason)
    return {"kind": kind, "value": value, "revoked": cast("Json", found)}


async def _delegate(console: Console, request: Request, visitor: Visitor) -> Json:
    body = Members(await read_object(request))
    body.allow_only(("to", "until"))
    await console.decide.delegate(visitor.who, body.text("to"), body.instant("until"))
    return {"to": body.text("to"), "until": body.instant("until").isoformat()}


async def _logout(console: Console, _request: Request, visitor: Visitor) -> Json:
    ended = await console.door.sessions.end(visitor.who.session, console.clock.now())
    return {"ended": ended}
