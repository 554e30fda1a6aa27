"""Operation types as they are declared: actions, and fields with how each of them narrows."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from fleeting.core.declaring import DeclarationError, Table, check_name, is_integer, nearest
from fleeting.core.model import SCOPE_TYPE

DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,4})?")
"""A decimal as JSON carries it: a string, plain digits, at most four after the point."""

LARGEST_DECIMAL = Decimal("922337203685477.5807")
"""The end of what policy can compare (Cedar's decimal)."""

RESERVED_FIELDS = frozenset({"type", "actions", "locations"})
"""Members of an authorization details object that are not fields (RFC 9396 §2.2)."""


class FieldKind(StrEnum):
    """How a field bounds an operation (DESIGN D3)."""

    EXACT = "exact"
    AT_MOST = "at_most"
    AT_LEAST = "at_least"
    ONE_OF = "one_of"
    PATH = "path"
    TEXT = "text"


class FieldType(StrEnum):
    """What JSON value a field takes; a decimal is a JSON string."""

    STRING = "string"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"


_NUMBERS = (FieldType.INTEGER, FieldType.DECIMAL)
_TYPES_OF: Mapping[FieldKind, tuple[FieldType, ...]] = {
    FieldKind.EXACT: (FieldType.STRING, FieldType.INTEGER, FieldType.BOOLEAN),
    FieldKind.AT_MOST: _NUMBERS,
    FieldKind.AT_LEAST: _NUMBERS,
    FieldKind.ONE_OF: (FieldType.STRING,),
    FieldKind.PATH: (FieldType.STRING,),
    FieldKind.TEXT: (FieldType.STRING,),
}
_FIELD_KEYS = ("kind", "type", "optional", "unit", "description")
_STRING_KEYS = (*_FIELD_KEYS, "pattern", "max_length")
_NUMBER_KEYS = (*_FIELD_KEYS, "minimum", "maximum")
_TYPE_KEYS = (
    "description",
    "actions",
    "fields",
    "id_field",
    "sensitive",
    "max_lifetime",
    "max_uses",
    "approval_in",
)
_KINDS = ", ".join(FieldKind)


@dataclass(frozen=True, slots=True)
class Field:
    """One declared field.

    values: the closed set it chooses from; empty: any. pattern: what a whole string must match.
    unit: what a number counts, for people. minimum, maximum: None where there is no such bound.
    """

    name: str
    kind: FieldKind
    type: FieldType
    optional: bool = False
    unit: str | None = None
    values: tuple[str, ...] = ()
    pattern: str | None = None
    max_length: int = 256
    minimum: int | Decimal | None = None
    maximum: int | Decimal | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class OperationType:
    """One declared kind of operation, with its own ceilings.

    sensitive: its tokens are always bound to a key and limited in uses.
    id_field: the field that says which resource it is, for who asks by ids (AuthZEN §5.2).
    approval_in: how long people have to decide where a permit does not say.
    """

    name: str
    actions: tuple[str, ...]
    fields: Mapping[str, Field]
    description: str = ""
    sensitive: bool = False
    max_lifetime: timedelta | None = None
    max_uses: int | None = None
    id_field: str | None = None
    approval_in: timedelta | None = None


SCOPES = OperationType(SCOPE_TYPE, (), MappingProxyType({}), "OAuth scopes")
"""The type of scope operations: no fields; its actions are the scopes of the resources."""


def declare_type(name: str, declaration: Mapping[str, object]) -> OperationType:
    """Return the operation type that ``[types.NAME]`` declares (DESIGN D3, §7).

    Raises:
        DeclarationError: the declaration is wrong; the message says what to write instead.
    """
    table = Table(f"types.{name}", declaration)
    check_name("types", name)
    if name == SCOPE_TYPE:
        raise table.refuse("", "'scope' is reserved; write scopes = [...] on a resource instead")
    table.allow_only(_TYPE_KEYS)
    actions = table.strings("actions")
    if not actions:
        raise table.refuse("actions", 'must name an action, such as actions = ["refund"]')
    fields = {key: _declare_field(key, inner) for key, inner in table.tables("fields").items()}
    return OperationType(
        name=name,
        actions=tuple(check_name(f"{table.where}.actions", action) for action in actions),
        fields=MappingProxyType(fields),
        description=table.text("description") or "",
        sensitive=table.flag("sensitive"),
        max_lifetime=table.duration("max_lifetime"),
        max_uses=table.count("max_uses"),
        id_field=_id_field(table, fields),
        approval_in=table.duration("approval_in"),
    )


def _id_field(table: Table, fields: Mapping[str, Field]) -> str | None:
    """Return the field that is named, else the one that is called ``id``, if there is one."""
    written = table.text("id_field")
    found = fields.get("id" if written is None else written)
    if found is not None and found.type is FieldType.STRING:
        return found.name
    if written is None:
        return None
    hint = nearest(written, fields)
    raise table.refuse("id_field", f"'{written}' is no field of type string{hint}")


def _declare_field(name: str, table: Table) -> Field:
    if name in RESERVED_FIELDS:
        raise table.refuse("", f"'{name}' is RFC 9396's own; choose another name")
    check_name(table.where, name)
    kind = _kind(table)
    type_ = _type(table, kind)
    table.allow_only(_keys_of(kind, type_))
    longest = table.count("max_length", 2000 if kind is FieldKind.TEXT else 256)
    minimum, maximum = _bounds(table, kind, type_)
    return Field(
        name=name,
        kind=kind,
        type=type_,
        optional=table.flag("optional"),
        unit=table.text("unit"),
        values=table.strings("values"),
        pattern=table.pattern("pattern"),
        max_length=longest or 0,
        minimum=minimum,
        maximum=maximum,
        description=table.text("description") or "",
    )


def _kind(table: Table) -> FieldKind:
    written = table.text("kind")
    try:
        return FieldKind(written or "")
    except ValueError:
        hint = nearest(written or "", FieldKind)
        said = "is missing" if written is None else f"is not '{written}'"
        raise table.refuse("kind", f"{said}; write one of {_KINDS}{hint}") from None


def _type(table: Table, kind: FieldKind) -> FieldType:
    fitting = _TYPES_OF[kind]
    written = table.text("type")
    if written is None and fitting[0] is FieldType.STRING:
        return FieldType.STRING
    if written in fitting:
        return FieldType(written)
    said = "is missing" if written is None else f"is not '{written}' for kind {kind}"
    raise table.refuse("type", f"{said}; write {' or '.join(fitting)}")


def _keys_of(kind: FieldKind, type_: FieldType) -> tuple[str, ...]:
    if type_ in _NUMBERS:
        return _NUMBER_KEYS
    if type_ is FieldType.BOOLEAN:
        return _FIELD_KEYS
    chooses = kind in (FieldKind.ONE_OF, FieldKind.EXACT)
    return (*_STRING_KEYS, "values") if chooses else _STRING_KEYS


def _bounds(
    table: Table, kind: FieldKind, type_: FieldType
) -> tuple[int | Decimal | None, int | Decimal | None]:
    minimum, maximum = _number(table, "minimum", type_), _number(table, "maximum", type_)
    if minimum is None and kind in (FieldKind.AT_MOST, FieldKind.AT_LEAST):
        minimum = 0  # a negative amount is not "below the maximum"
    if minimum is not None and maximum is not None and maximum < minimum:
        raise table.refuse("maximum", f"{maximum} is less than the minimum {minimum}")
    return minimum, maximum


def _number(table: Table, key: str, type_: FieldType) -> int | Decimal | None:
    value = table.values.get(key)
    if isinstance(value, int) and is_integer(value):
        return value
    if type_ is FieldType.DECIMAL and isinstance(value, str) and DECIMAL.fullmatch(value):
        return Decimal(value)
    if value is None:
        return None
    example = '"50.00"' if type_ is FieldType.DECIMAL else "5000"
    raise table.refuse(key, f"must be a number such as {example}")


__all__ = [
    "DECIMAL",
    "LARGEST_DECIMAL",
    "SCOPES",
    "DeclarationError",
    "Field",
    "FieldKind",
    "FieldType",
    "OperationType",
    "declare_type",
]
