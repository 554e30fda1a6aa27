"""Kinds: the static type of everything that a policy can read, or make of what it read."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from fleeting.core.context import ValueType
from fleeting.core.operations import FieldKind, FieldType
from fleeting.policy.schema import CONTEXT_ATTRIBUTES, LIMITS, PolicyWorld


class Sort(Enum):
    """What Cedar tells apart; NEVER is what only errs, and so is of any kind."""

    BOOL = auto()
    LONG = auto()
    STRING = auto()
    DECIMAL = auto()
    DATETIME = auto()
    DURATION = auto()
    IP = auto()
    ENTITY = auto()
    SET = auto()
    RECORD = auto()
    NEVER = auto()


@dataclass(frozen=True, slots=True)
class Kind:
    """A type. of: of a set, that of its elements. attributes: of a record, by name, sorted."""

    sort: Sort
    of: "Kind | None" = None
    attributes: tuple[tuple[str, "Kind"], ...] = ()


BOOL = Kind(Sort.BOOL)
LONG = Kind(Sort.LONG)
STRING = Kind(Sort.STRING)
DECIMAL = Kind(Sort.DECIMAL)
DATETIME = Kind(Sort.DATETIME)
DURATION = Kind(Sort.DURATION)
IP = Kind(Sort.IP)
ENTITY = Kind(Sort.ENTITY)
NEVER = Kind(Sort.NEVER)
STRINGS = Kind(Sort.SET, STRING)
ENTITIES = Kind(Sort.SET, ENTITY)

_OF_CEDAR = {"String": STRING, "Long": LONG, "Client": ENTITY, "datetime": DATETIME}
_OF_VALUE = {
    ValueType.STRING: STRING,
    ValueType.INTEGER: LONG,
    ValueType.BOOLEAN: BOOL,
    ValueType.STRINGS: STRINGS,
}
_OF_FIELD = {
    FieldType.STRING: STRING,
    FieldType.INTEGER: LONG,
    FieldType.DECIMAL: DECIMAL,
    FieldType.BOOLEAN: BOOL,
}


def context_kinds(world: PolicyWorld, type_name: str) -> Mapping[tuple[str, ...], Kind]:
    """Return the kind of each path below ``context`` that actions of the type *type_name* have."""
    kinds: dict[tuple[str, ...], Kind] = {
        (name.removesuffix("?"),): _OF_CEDAR[written]
        for name, written in CONTEXT_ATTRIBUTES.items()
        if written != "record"
    }
    kinds.update((("limits", name), _OF_CEDAR[written]) for name, written in LIMITS.items())
    kinds.update(
        (("request", key.name), _OF_VALUE[key.type]) for key in world.context_keys.values()
    )
    type_ = world.types.get(type_name)
    for field in () if type_ is None else type_.fields.values():
        kind = STRINGS if field.kind is FieldKind.ONE_OF else _OF_FIELD[field.type]
        kinds["operation", field.name] = kind
    return kinds


def attribute_kinds(world: PolicyWorld) -> Mapping[str, Kind]:
    """Return the kind of each attribute that a user may have."""
    return {"issuer": STRING, **{name: _OF_VALUE[each] for name, each in world.attributes.items()}}
