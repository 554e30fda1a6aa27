"""All ways to sign in of one installation, put together for one worker."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from fleeting.core.login import LoginRequest
from fleeting.policy.roles import CedarRoles
from fleeting.ports import Clock, Store
from fleeting.server.console_policies import load_roles
from fleeting.server.installing import identity_providers, provider_keys
from fleeting.server.people.cookies import Cookies
from fleeting.server.people.devices import Devices
from fleeting.server.people.links import Links, passkey_trouble
from fleeting.server.people.passkeys import Passkeys, RelyingParty
from fleeting.server.people.people_desk import PeopleDesk
from fleeting.server.people.provider_client import HttpProvider, credentials
from fleeting.server.people.provider_login import ProviderLogin
from fleeting.server.people.sessions import Sessions
from fleeting.server.settings import Settings
from fleeting.server.world import StrangersBudget, new_id
from fleeting.usecases.calling import Desk

CALLBACK = "/login/callback"


@dataclass(frozen=True, slots=True)
class PeopleServices:
    """What the pages of people are made of.

    provider: None where there is none. passkeys: None where they are off, or cannot work.
    """

    issuer: str
    desk: PeopleDesk
    cookies: Cookies
    roles: CedarRoles
    links: Links
    devices: Devices
    provider: ProviderLogin | None
    passkeys: Passkeys | None

    @property
    def sessions(self) -> Sessions:
        """Who is signed in."""
        return self.desk.sessions


def people_services(
    settings: Settings, store: Store, clock: Clock, http: httpx.AsyncClient, calls: Desk
) -> PeopleServices:
    """Return the ways to sign in that *settings* declare.

    Raises:
        SettingsError: a file is missing or malformed. PolicyProblems: the roles are wrong.
    """
    sessions = Sessions(store, settings.sign_in.terms, calls.nonces)
    desk = PeopleDesk(store, sessions, clock, StrangersBudget(), StrangersBudget())
    links = Links(desk)
    return PeopleServices(
        issuer=settings.issuer,
        desk=desk,
        cookies=Cookies(settings.issuer),
        roles=load_roles(settings),
        links=links,
        devices=Devices(desk, calls, settings.issuer, StrangersBudget()),
        provider=_provider(settings, desk, http, calls),
        passkeys=_passkeys(settings, desk, links),
    )


def _provider(
    settings: Settings, desk: PeopleDesk, http: httpx.AsyncClient, calls: Desk
) -> ProviderLogin | None:
    client = settings.sign_in.client
    if client is None:
        return None
    (identity,) = (it for it in identity_providers(settings) if it.issuer == client.issuer)
    asked = LoginRequest(
        client.client_id,
        settings.issuer + CALLBACK,
        client.scopes,
        client.acr_values,
        settings.sign_in.terms.longest,
    )
    return ProviderLogin(
        desk=desk,
        provider=HttpProvider(http, client.issuer, credentials(client, settings.directory, new_id)),
        keys=provider_keys(settings, http),
        identity=identity,
        declarations=lambda: calls.rules.rules().installation.declarations,
        asked=asked,
    )


def _passkeys(settings: Settings, desk: PeopleDesk, links: Links) -> Passkeys | None:
    parts = urlsplit(settings.issuer)
    host = parts.hostname or ""
    if not settings.sign_in.passkeys or passkey_trouble(host) is not None:
        return None
    party = RelyingParty(host, f"{parts.scheme}://{parts.netloc}")
    return Passkeys(desk, links, party)
