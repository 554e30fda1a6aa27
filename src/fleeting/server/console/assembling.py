"""Put the console of one worker together, and name its routes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.routing import BaseRoute

from fleeting.core.sender import Nonces
from fleeting.ports import Clock, Ids, Store
from fleeting.server.console.api import api_routes
from fleeting.server.console.pages import page_routes
from fleeting.server.console.rendering import Pages
from fleeting.server.console.serving import Console
from fleeting.server.console.visitors import Door
from fleeting.server.metrics import Metrics
from fleeting.server.people.services import PeopleServices
from fleeting.server.settings import Settings
from fleeting.usecases.decide_request import DecideRequest
from fleeting.usecases.people import KnownPeople
from fleeting.usecases.request_desk import RequestDesk
from fleeting.usecases.request_index import RequestIndex
from fleeting.usecases.rules import RulesSource
from fleeting.usecases.view_requests import ViewRequests


@dataclass(frozen=True, slots=True)
class Ground:
    """What the console stands on: the parts of the worker that it shares."""

    settings: Settings
    store: Store
    clock: Clock
    ids: Ids
    rules: RulesSource
    nonces: Callable[[], Nonces]
    metrics: Metrics


def build_console(
    ground: Ground, people: PeopleServices, changed: Callable[[str], None]
) -> Console:
    """Return the console that stands on *ground*, for the *people* who sign in.

    changed: told the id of each request that was changed here, to wake who waits for it.
    """
    settings, store, clock = ground.settings, ground.store, ground.clock
    max_age = settings.sign_in.approver_max_age
    desk = RequestDesk(
        store,
        clock,
        ground.rules,
        KnownPeople(store),
        people.roles,
        max_age,
        changed,
        ground.metrics.requests.happened,
    )
    return Console(
        door=Door(settings.issuer, people.cookies, people.sessions, clock),
        pages=Pages(urlsplit(settings.issuer).path),
        decide=DecideRequest(desk, ground.ids),
        view=ViewRequests(desk, store, RequestIndex(store)),
        roles=people.roles,
        records=store,
        rules=ground.rules,
        clock=clock,
        nonce=lambda: ground.nonces().make(clock.now()),
        metrics=ground.metrics,
    )


def console_routes(console: Console) -> Sequence[BaseRoute]:
    """Return all routes of pages and API."""
    return [*page_routes(console), *api_routes(console)]
