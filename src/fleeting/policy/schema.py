"""Generate the Cedar schema from what is declared: a misspelt field is an error, not a surprise."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType

from fleeting.core.context import ContextKey, ValueType
from fleeting.core.limits import HARD_CAP
from fleeting.core.model import SCOPE_TYPE
from fleeting.core.operations import Field, FieldKind, FieldType, OperationType

CONTEXT_ATTRIBUTES: Mapping[str, str] = MappingProxyType(
    {
        "operation": "record",
        "request": "record",
        "limits": "record",
        "client": "Client",
        "actor?": "String",
        "delegation_depth": "Long",
        "acr?": "String",
        "auth_age?": "Long",
        "now": "datetime",
    }
)
"""What policies may read of ``context``; the records are declared, all but ``limits``."""

LIMITS: Mapping[str, str] = MappingProxyType(
    {"lifetime": "Long", "uses": "Long", "approvals": "Long", "bound": "String"}
)
"""What forbids may read of ``context.limits``; lifetime is in seconds."""

UNLIMITED_USES = 2**63 - 1
"""``context.limits.uses`` of a token whose uses are not limited."""

ENTITY_TYPES = ("Group", "User", "Client", "Resource", "Action")

_FIELD_TYPES = {
    FieldType.STRING: "String",
    FieldType.INTEGER: "Long",
    FieldType.DECIMAL: "decimal",
    FieldType.BOOLEAN: "Bool",
}
_VALUE_TYPES = {
    ValueType.STRING: "String",
    ValueType.INTEGER: "Long",
    ValueType.BOOLEAN: "Bool",
    ValueType.STRINGS: "Set<String>",
}


@dataclass(frozen=True, slots=True)
class PolicyWorld:
    """What an installation declares that its policies may speak of.

    groups: the only groups there are; None where identity providers bring their own.
    resources: the identifiers of the only resources there are; None: any.
    hard_cap: the longest life of a token, whatever a permit says.
    """

    types: Mapping[str, OperationType]
    scopes: frozenset[str] = frozenset()
    context_keys: Mapping[str, ContextKey] = field(default_factory=lambda: MappingProxyType({}))
    attributes: Mapping[str, ValueType] = field(default_factory=lambda: MappingProxyType({}))
    groups: frozenset[str] | None = None
    resources: frozenset[str] | None = None
    hard_cap: timedelta = HARD_CAP

    def actions(self) -> dict[str, frozenset[str]]:
        """Return every name that ``action in Action::"…"`` can have, and the actions it means."""
        members = {name: type_.actions for name, type_ in self.types.items()}
        members[SCOPE_TYPE] = tuple(self.scopes)
        named: dict[str, frozenset[str]] = {}
        for name, actions in members.items():
            ids = [action_id(name, action) for action in actions]
            named[name] = frozenset(ids)
            named.update((each, frozenset({each})) for each in ids)
        return named


def action_id(type_name: str, action: str) -> str:
    """Return the id of the Cedar action, such as ``payment_refund:refund``."""
    return f"{type_name}:{action}"


def build_schema(world: PolicyWorld) -> str:
    """Return the schema of *world* in Cedar's schema language."""
    request = _record(
        (f'"{name}"{"" if key.required else "?"}', _VALUE_TYPES[key.type])
        for name, key in sorted(world.context_keys.items())
    )
    attributes = {f'"{name}"?': _VALUE_TYPES[kind] for name, kind in world.attributes.items()}
    user = _record([('"issuer"', "String"), *sorted(attributes.items())])
    lines = [
        "entity Group;",
        f"entity User in [Group] {user};",
        "entity Client in [Group];",
        "entity Resource;",
        f"type RequestContext = {request};",
        f"type Limits = {_record(LIMITS.items())};",
    ]
    for name, type_ in sorted(world.types.items()):
        lines += _actions(name, type_.actions, type_.fields.values())
    lines += _actions(SCOPE_TYPE, sorted(world.scopes), ())
    return "\n".join(lines) + "\n"


def _actions(name: str, actions: Iterable[str], fields: Iterable[Field]) -> list[str]:
    operation = _record(
        (f'"{each.name}"{"?" if each.optional else ""}', _field_type(each)) for each in fields
    )
    records = {"operation": operation, "request": "RequestContext", "limits": "Limits"}
    context = _record(
        (attribute, records.get(attribute, kind)) for attribute, kind in CONTEXT_ATTRIBUTES.items()
    )
    applies = f"{{ principal: [User, Client], resource: [Resource], context: {context} }}"
    named = [f'"{action_id(name, action)}"' for action in actions]
    return [
        f'action "{name}";',
        *(f'action {each} in [Action::"{name}"] appliesTo {applies};' for each in named),
    ]


def _field_type(declared: Field) -> str:
    return "Set<String>" if declared.kind is FieldKind.ONE_OF else _FIELD_TYPES[declared.type]


def _record(attributes: Iterable[tuple[str, str]]) -> str:
    return "{ " + ", ".join(f"{name}: {kind}" for name, kind in attributes) + " }"
