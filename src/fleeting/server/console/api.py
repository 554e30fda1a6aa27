"""The JSON API of the console: what the command line speaks."""

from collections.abc import Sequence
from typing import cast

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from fleeting.core.access_requests import Offer, RequestRecord
from fleeting.core.errors import InvalidRequest, NoSuchRequest
from fleeting.core.model import Json
from fleeting.core.people import ConsoleAction, Person
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
    return {
        **_person_json(console, who.person),
        "signed_in_at": who.signed_in_at.isoformat(),
        "acr": who.acr,
    }


def _person_json(console: Console, person: Person) -> dict[str, Json]:
    """Return who a person is, what they may do, and who stands in for them."""
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
    done = await do(console, visitor, id_, name, Members(await read_object(request)))
    return await console.view.shown(visitor.who, done.id)


async def do(
    console: Console, visitor: Visitor, id_: str, name: str, body: Members
) -> RequestRecord:
    """Do the deed *name* to the request *id_*; an extension is a request of its own.

    Raises:
        OAuthError: whatever the deed is refused for.
    """
    if name == "narrow":
        offer = await offer_of(console, visitor, id_)
        narrowing = read_narrowing(body, offer, console.types())
        return await console.decide.narrow(visitor.who, id_, narrowing, body.text("offer", ""))
    if name not in DEEDS:
        raise InvalidRequest(f"a deed is one of {', '.join(sorted((*DEEDS, 'narrow')))}")
    return await DEEDS[name](console.decide, visitor.who, id_, body)


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
    person = await do_delegate(console, visitor, body)
    return _person_json(console, person)


async def do_delegate(console: Console, visitor: Visitor, body: Members) -> Person:
    """Let somebody vote in the visitor's place, or nobody any more."""
    body.allow_only(("to", "until"))
    if body.values.get("to") is None:
        return await console.decide.delegate(visitor.who, None)
    return await console.decide.delegate(visitor.who, body.text("to"), body.instant("until"))


async def _logout(console: Console, _request: Request, visitor: Visitor) -> Json:
    ended = await console.door.sessions.end(visitor.who.session, console.clock.now())
    return {"ended": ended}
