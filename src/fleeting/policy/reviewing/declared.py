"""What an installation declares beside operation types: who there is, and where it says so."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from fleeting.core.limits import Ceilings, ceilings_of
from fleeting.core.model import SCOPE_TYPE, Client, Resource, SenderConstraint
from fleeting.policy.problems import PolicySource, Problem, Severity
from fleeting.policy.schema import PolicyWorld


@dataclass(frozen=True, slots=True)
class Declared:
    """The parties of an installation.

    users: what the ids of the users of each identity provider begin with; empty: no users.
    user_groups: whether a provider tells the groups of its users, so that any may come.
    settings: the file that declares all this.
    """

    clients: tuple[Client, ...] = ()
    resources: tuple[Resource, ...] = ()
    users: tuple[str, ...] = ()
    user_groups: bool = False
    settings: PolicySource = field(default=PolicySource("fleeting.toml", ""))

    @property
    def groups(self) -> frozenset[str]:
        """Every group that a client is in."""
        return frozenset(group for client in self.clients for group in client.groups)

    def ceilings(
        self, world: PolicyWorld, name: str, *, at: str | None = None
    ) -> frozenset[Ceilings]:
        """Return every ceiling that a request for the type *name* can come under.

        at: the only resource that counts; None: any. None at all: nobody can ask for the type.
        """
        clients = {_kind_of(client): client for client in self.clients if _may_ask(client, name)}
        offering = (each for each in self.resources if offers(each, name))
        resources = {
            (each.max_lifetime, each.max_uses): each
            for each in offering
            if at in (None, each.identifier)
        }
        return frozenset(
            ceilings_of(
                resource,
                client,
                world.types.get(name),
                held=SenderConstraint.DPOP,
                hard_cap=world.hard_cap,
            )
            for resource in resources.values()
            for client in clients.values()
        )

    def warn(self, rule: str, message: str, hint: str, *, patterns: Iterable[str]) -> Problem:
        """Return a warning at the first place in the settings that one of *patterns* finds."""
        text = self.settings.text
        matches = (re.search(pattern, text, re.MULTILINE) for pattern in patterns)
        at = next((found.start() for found in matches if found is not None), 0)
        line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
        return Problem(
            *(self.settings.name, line, column, message, hint),
            rule=rule,
            severity=Severity.WARNING,
        )


def offers(resource: Resource, name: str) -> bool:
    """Say whether *resource* takes operations of the type *name*."""
    return bool(resource.scopes) if name == SCOPE_TYPE else name in resource.types


def _may_ask(client: Client, name: str) -> bool:
    # Without a grant type, too: a transaction challenge needs none.
    ceiling = client.scopes if name == SCOPE_TYPE else client.types
    return ceiling is None or (bool(ceiling) if name == SCOPE_TYPE else name in ceiling)


def _kind_of(client: Client) -> tuple[timedelta | None, int | None, bool]:
    """Return all of *client* that its ceilings depend on: most clients are alike."""
    return client.max_lifetime, client.max_uses, client.insecure_bearer
