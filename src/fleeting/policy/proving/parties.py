"""Who may ask for what in an installation: the bounds within which a proof holds."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple, TypeVar

from fleeting.core.context import GROUPS
from fleeting.core.evaluations import asking_client
from fleeting.core.exchange import IdentityProvider
from fleeting.core.limits import Ceilings, ceilings
from fleeting.core.model import (
    SCOPE_TYPE,
    AccessRequest,
    AskedBy,
    Client,
    Resource,
    SenderConstraint,
    SenderKey,
    Subject,
    SubjectKind,
)
from fleeting.core.requests import CLIENT_CREDENTIALS, TOKEN_EXCHANGE
from fleeting.policy.schema import PolicyWorld, action_id

Party = TypeVar("Party", Client, Resource)

_GRANTS = {SubjectKind.CLIENT: CLIENT_CREDENTIALS, SubjectKind.USER: TOKEN_EXCHANGE}
A_REASON = "an emergency: this cannot wait for people"
"""What a request says that wants to be let through at once."""

_THUMBPRINT = "t" * 43


@dataclass(frozen=True, slots=True)
class Parties:
    """All that are declared. Without an identity provider, there are no users.

    vouching: enforcement points are among the clients and the providers, and ask about users for
    whom nobody acts.
    """

    clients: tuple[Client, ...]
    resources: tuple[Resource, ...]
    providers: tuple[IdentityProvider, ...] = ()
    vouching: bool = False

    def with_enforcement_points(self, attributes: Iterable[str]) -> "Parties":
        """Return these and the resources' own clients as they ask for decisions (AuthZEN §6).

        Each may ask about whomever it vouches for, as a provider of its own that knows all
        *attributes*; for simplicity, about any resource. This does NOT model that it may name
        another provider as a user's issuer and yet give attributes that that one never gives.
        """
        guarded = {each.client_id: each for each in self.resources if each.client_id is not None}
        points = [each for each in self.clients if each.client_id in guarded]
        claims = {name: name for name in (GROUPS, *attributes)}
        vouched = (
            IdentityProvider(guarded[each.client_id].identifier, "", claims) for each in points
        )
        asking_ = (
            replace(asking_client(each), grant_types=frozenset(_GRANTS.values())) for each in points
        )
        return Parties(
            (*self.clients, *asking_),
            self.resources,
            (*self.providers, *vouched),
            vouching=bool(points),
        )


class Place(NamedTuple):
    """One action of one operation type, asked for on the authority of one kind of subject."""

    kind: SubjectKind
    type: str
    action: str

    @property
    def id(self) -> str:
        """The Cedar action."""
        return action_id(self.type, self.action)


@dataclass(frozen=True, slots=True)
class Door:
    """Requests under the same ceilings: any of these clients, for any of these resources."""

    held: SenderConstraint
    above: Ceilings
    pairs: tuple[tuple[tuple[Client, ...], tuple[Resource, ...]], ...]


def places(world: PolicyWorld, actions: Iterable[str]) -> Iterator[Place]:
    """Yield the places of *actions*, for either kind of subject."""
    wanted = frozenset(actions)
    named = [(name, type_.actions) for name, type_ in sorted(world.types.items())]
    for name, declared in (*named, (SCOPE_TYPE, tuple(sorted(world.scopes)))):
        for action, kind in product(declared, SubjectKind):
            if action_id(name, action) in wanted:
                yield Place(kind, name, action)


def doors(parties: Parties, world: PolicyWorld, place: Place) -> tuple[Door, ...]:
    """Return every way to ask for *place*, those under the same ceilings together."""
    type_ = world.types.get(place.type)
    found: dict[Ceilings, list[tuple[tuple[Client, ...], tuple[Resource, ...]]]] = {}
    for clients, resources in product(
        _alike(askers(parties, place), _client_ceilings),
        _alike(offers(parties, place), _resource_ceilings),
    ):
        for key in keys(clients[0]):
            asked = asking(clients[0], resources[0], key)
            above = ceilings(asked, type_, hard_cap=world.hard_cap)
            found.setdefault(above, []).append((clients, resources))
    return tuple(Door(above.held, above, tuple(pairs)) for above, pairs in found.items())


def askers(parties: Parties, place: Place) -> list[Client]:
    """Return the clients that may ask for *place*: by their grant types, types and scopes."""
    if place.kind is SubjectKind.USER and not parties.providers:
        return []
    return [
        client
        for client in parties.clients
        if _GRANTS[place.kind] in client.grant_types and _may_ask(client, place)
    ]


def offers(parties: Parties, place: Place) -> list[Resource]:
    """Return the resources that offer *place*."""
    if place.type == SCOPE_TYPE:
        return [each for each in parties.resources if place.action in each.scopes]
    return [each for each in parties.resources if place.type in each.types]


def keys(client: Client) -> tuple[SenderKey | None, ...]:
    """Return what *client* may prove: a key of either kind; none only if declared bearer (D4)."""
    bound = tuple(
        SenderKey(each, _THUMBPRINT) for each in (SenderConstraint.DPOP, SenderConstraint.MTLS)
    )
    return (*bound, None) if client.insecure_bearer else bound


def key_of(held: SenderConstraint) -> SenderKey | None:
    """Return a key of that kind."""
    return None if held is SenderConstraint.NONE else SenderKey(held, _THUMBPRINT)


def asking(client: Client, resource: Resource, key: SenderKey | None) -> AccessRequest:
    """Return a request of *client* for itself, for nothing in particular yet."""
    return AccessRequest(
        id="hypothetical",
        txn="hypothetical",
        asked_by=AskedBy.CLIENT_CREDENTIALS,
        subject=Subject(SubjectKind.CLIENT, client.client_id, client.groups),
        actors=(),
        client=client,
        resource=resource,
        operations=(),
        context={},
        key=key,
    )


def _may_ask(client: Client, place: Place) -> bool:
    if place.type == SCOPE_TYPE:
        return client.scopes is None or place.action in client.scopes
    return client.types is None or place.type in client.types


def _client_ceilings(client: Client) -> Hashable:
    return client.max_lifetime, client.max_uses, client.insecure_bearer


def _resource_ceilings(resource: Resource) -> Hashable:
    return resource.max_lifetime, resource.max_uses


def _alike(parties: Iterable[Party], key: Callable[[Party], Hashable]) -> list[tuple[Party, ...]]:
    found: dict[Hashable, list[Party]] = {}
    for party in parties:
        found.setdefault(key(party), []).append(party)
    return [tuple(alike) for alike in found.values()]
