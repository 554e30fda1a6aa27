"""What an installation declares, as the use cases read it: one frozen value, made by settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fleeting.core.client_auth import Registration
from fleeting.core.context import ContextKey
from fleeting.core.exchange import Declarations, IdentityProvider
from fleeting.core.model import Resource
from fleeting.core.operations import OperationType
from fleeting.core.requests import Catalogue


@dataclass(frozen=True, slots=True)
class Installation:
    """Everything declared, by name.

    guards: resource servers' own clients: client_id → the resource it guards.
    """

    issuer: str
    registrations: Mapping[str, Registration]
    catalogue: Catalogue
    providers: Mapping[str, IdentityProvider]
    context_keys: Mapping[str, ContextKey]
    declarations: Declarations
    guards: Mapping[str, Resource] = field(default_factory=dict)

    def with_types(self, types: Mapping[str, OperationType]) -> "Installation":
        """Return the same installation with other operation types."""
        return replace(
            self,
            catalogue=replace(self.catalogue, types=types),
            declarations=replace(self.declarations, types=types),
        )
