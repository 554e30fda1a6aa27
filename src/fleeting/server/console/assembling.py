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
from fleeting.server.people.cookies import Cookies
from fleeting.server.people.sessions import Sessions
from fleeting.server.settings import Settings
from fleeting.usecases.decide_request import DecideRequest
from fleeting.usecases.people import KnownPeople, Roles
from fleeting.usecases.request_desk import RequestDesk
from fleeting.usecases.request_index import RequestIndex
from fleeting.usecases.rules import RulesSource
from fleeting.usecases.view_requests import ViewRequests


@dataclass(frozen=True, slots=True)
class Ground:
    """What the console stands on: the parts of the worker that it shares.

    changed: told the id of each request that was changed here, to wake who waits for it.
    """

    settings: Settings
    store: Store
    clock: Clock
    ids: Ids
    rules: RulesSource
    roles: Roles
    sessions: Sessions
    cookies: Cookies
    nonces: Callable[[], Nonces]
    metrics: Metrics
    changed: Callable[[str], None]


def build_console(ground: Ground) -> Console:
    """Return the console that stands on *ground*."""
    settings, store = ground.settings, ground.store
    desk = RequestDesk(
        store,
        ground.clock,
        ground.rules,
        KnownPeople(store),
        ground.roles,
        settings.sign_in.approver_max_age,
        ground.changed,
    )
    return Console(
        door=Door(settings.issuer, ground.cookies, ground.sessions, ground.clock),
        pages=Pages(urlsplit(settings.issuer).path),
        decide=DecideRequest(desk, ground.ids),
        view=ViewRequests(desk, store, RequestIndex(store)),
        roles=ground.roles,
        records=store,
        rules=ground.rules,
        clock=ground.clock,
        nonce=lambda: ground.nonces().make(ground.clock.now()),
        metrics=ground.metrics,
    )


def console_routes(console: Console) -> Sequence[BaseRoute]:
    """Return all routes of pages and API."""
    return [*page_routes(console), *api_routes(console)]
