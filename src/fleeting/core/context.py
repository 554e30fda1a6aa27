"""Declared keys of ``request_context``, and declared attributes of subjects."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from fleeting.core.declaring import (
    UNSAFE,
    DeclarationError,
    Table,
    check_name,
    is_integer,
    nearest,
    shown,
)
from fleeting.core.errors import InvalidRequest
from fleeting.core.model import AttributeValue, Json

GROUPS = "groups"
"""The attribute that is not one: the groups a subject is in, its parents to policy."""

LONGEST_ATTRIBUTE = 2000
MOST_STRINGS = 1000
"""How long a string claim and a list of strings may be: a token of megabytes is no identity."""

RESERVED_ATTRIBUTES = frozenset({"issuer"})
"""What policy knows of a user without any declaration."""


class ValueType(StrEnum):
    """What JSON value a context key or an attribute takes."""

    STRING = "string"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    STRINGS = "strings"


@dataclass(frozen=True, slots=True)
class ContextKey:
    """One declared key of ``request_context``."""

    name: str
    type: ValueType
    required: bool = False
    max_length: int = 500
    pattern: str | None = None
    description: str = ""


_SCALARS = (ValueType.STRING, ValueType.INTEGER, ValueType.BOOLEAN)
_KEY_KEYS = ("type", "required", "description")
_STRING_KEYS = (*_KEY_KEYS, "max_length", "pattern")


def declare_context(table: Mapping[str, object]) -> Mapping[str, ContextKey]:
    """Return the keys that ``[context]`` declares (DESIGN §7).

    Raises:
        DeclarationError: with where it is wrong and what to write instead.
    """
    inner = Table("", {"context": dict(table)}).tables("context")
    return MappingProxyType({name: _declare_key(name, key) for name, key in inner.items()})


def _declare_key(name: str, table: Table) -> ContextKey:
    check_name("context", name)
    type_ = _value_type(table, _SCALARS)
    table.allow_only(_STRING_KEYS if type_ is ValueType.STRING else _KEY_KEYS)
    return ContextKey(
        name=name,
        type=type_,
        required=table.flag("required"),
        max_length=table.count("max_length", 500) or 0,
        pattern=table.pattern("pattern"),
        description=table.text("description") or "",
    )


def _value_type(table: Table, allowed: tuple[ValueType, ...]) -> ValueType:
    written = table.text("type") or ValueType.STRING
    if written in allowed:
        return ValueType(written)
    raise table.refuse("type", f"is not '{written}'; write {', '.join(allowed)}")


def parse_context(value: Json, keys: Mapping[str, ContextKey]) -> Mapping[str, AttributeValue]:
    """Return the ``request_context`` of a request, every key as declared; None is an empty one.

    Raises:
        InvalidRequest: unknown key, wrong type or bad value, missing key; with its name.
    """
    given = {} if value is None else value
    if not isinstance(given, dict):
        raise InvalidRequest("request_context must be a JSON object")
    for name in given:
        if name not in keys:
            known = nearest(name, keys) or f"; declared are {', '.join(keys) or 'none'}"
            raise InvalidRequest(f"request_context has no key {shown(name)}{known}")
    parsed: dict[str, AttributeValue] = {}
    for name, key in keys.items():
        if name in given:
            parsed[name] = _parse_key(given[name], key)
        elif key.required:
            raise InvalidRequest(f"request_context needs the key {name}")
    return parsed


def _parse_key(value: Json, key: ContextKey) -> AttributeValue:
    where = f"request_context.{key.name}"
    parsed = _PARSERS[key.type](value, where, key.max_length)
    if (
        key.pattern is not None
        and isinstance(parsed, str)
        and re.fullmatch(key.pattern, parsed) is None
    ):
        raise InvalidRequest(f"{where} must match {key.pattern}")
    return parsed


def _parse_string(value: Json, where: str, longest: int) -> str:
    if not isinstance(value, str):
        raise InvalidRequest(f"{where} must be a JSON string")
    if len(value) > longest:
        raise InvalidRequest(f"{where} must have at most {longest} characters")
    if UNSAFE.search(value):
        raise InvalidRequest(f"{where} must not have control or text direction characters")
    return value


def _parse_integer(value: Json, where: str, _longest: int) -> int:
    if not isinstance(value, int) or not is_integer(value):
        raise InvalidRequest(f"{where} must be a whole number, without a point or quotes")
    return value


def _parse_boolean(value: Json, where: str, _longest: int) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequest(f"{where} must be true or false")
    return value


def _parse_strings(value: Json, where: str, longest: int) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MOST_STRINGS:
        raise InvalidRequest(f"{where} must be an array of at most {MOST_STRINGS} strings")
    return tuple(sorted({_parse_string(item, where, longest) for item in value}))


_PARSERS: Mapping[ValueType, Callable[[Json, str, int], AttributeValue]] = {
    ValueType.STRING: _parse_string,
    ValueType.INTEGER: _parse_integer,
    ValueType.BOOLEAN: _parse_boolean,
    ValueType.STRINGS: _parse_strings,
}


def declare_attributes(
    table: Mapping[str, object], mappings: Iterable[Mapping[str, str]] = ()
) -> Mapping[str, ValueType]:
    """Return the subjects' attributes: those of ``[attributes]``, and strings for other claims.

    mappings: every ``[identity_providers.claims]``, claim to attribute.

    Raises:
        DeclarationError: with where it is wrong and what to write instead.
    """
    inner = Table("", {"attributes": dict(table)}).tables("attributes")
    declared: dict[str, ValueType] = {}
    for name, key in inner.items():
        key.allow_only(("type", "description"))
        declared[_attribute(name)] = _value_type(key, tuple(ValueType))
    for mapping in mappings:
        for name in mapping.values():
            if name != GROUPS:
                declared.setdefault(_attribute(name), ValueType.STRING)
    return MappingProxyType(declared)


def _attribute(name: str) -> str:
    if name in RESERVED_ATTRIBUTES or name == GROUPS:
        raise DeclarationError(f"attributes.{name}: '{name}' is always there; do not declare it")
    return check_name("attributes", name)


def subject_attributes(
    claims: Mapping[str, Json],
    mapping: Mapping[str, str],
    declared: Mapping[str, ValueType],
    *,
    called: str = "claim {} of the subject_token",
) -> tuple[frozenset[str], Mapping[str, AttributeValue]]:
    """Return the groups and attributes of the subject with these verified *claims*.

    A claim that is absent leaves its attribute absent. called: what a refusal calls a claim.

    Raises:
        InvalidRequest: a claim is of the wrong type (RFC 8693 §2.2.2); never dropped in silence,
            for a policy may forbid by it.
    """
    groups: frozenset[str] = frozenset()
    attributes: dict[str, AttributeValue] = {}
    for claim, name in mapping.items():
        if claim not in claims:
            continue
        where = called.format(claim)
        if name == GROUPS:
            groups = frozenset(_parse_strings(claims[claim], where, LONGEST_ATTRIBUTE))
        else:
            attributes[name] = _PARSERS[declared[name]](claims[claim], where, LONGEST_ATTRIBUTE)
    return groups, MappingProxyType(attributes)
