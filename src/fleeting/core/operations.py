"""Operations: what one has beyond another (the only comparison there is), narrowing, words."""

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import cast

from fleeting.core.declaring import DeclarationError, shown
from fleeting.core.errors import InsufficientScope
from fleeting.core.model import SCOPE_TYPE, FieldValue, Operation
from fleeting.core.operation_parsing import details_from_claims, parse_details, parse_operation
from fleeting.core.operation_types import (
    SCOPES,
    Field,
    FieldKind,
    FieldType,
    OperationType,
    declare_type,
)

__all__ = [
    "SCOPES",
    "DeclarationError",
    "Field",
    "FieldKind",
    "FieldType",
    "OperationType",
    "contains",
    "declare_type",
    "describe",
    "describe_field",
    "details_from_claims",
    "excess",
    "find_permitting",
    "narrow",
    "parse_details",
    "parse_operation",
    "type_of",
]


def type_of(operation: Operation, types: Mapping[str, OperationType]) -> OperationType:
    """Return the declared type of *operation*; that of scopes is ``SCOPES``."""
    return SCOPES if operation.type == SCOPE_TYPE else types[operation.type]


def find_permitting(
    granted: Sequence[Operation], call: Operation, types: Mapping[str, OperationType]
) -> Operation:
    """Return the first granted operation that contains the whole *call* (DESIGN §1 step 5).

    Raises:
        InsufficientScope: none does; the description has a reason for each of the call's type.
    """
    type_ = type_of(call, types)
    reasons: list[str] = []
    for operation in granted:
        reason = excess(operation, call, type_)
        if reason is None:
            return operation
        if operation.type == call.type:
            reasons.append(reason)
    said = "; ".join(reasons) or "the token does not speak of it"
    raise InsufficientScope(f"{call.type} was not granted for this call: {said}")


# Containment, per kind of field (DESIGN D3). Narrowing is its meet.


def contains(outer: Operation, inner: Operation, type_: OperationType) -> bool:
    """Say whether *inner* asks for nothing beyond *outer*."""
    return excess(outer, inner, type_) is None


def excess(outer: Operation, inner: Operation, type_: OperationType) -> str | None:
    """Return the first thing *inner* has beyond *outer*, in words, or None if it is within.

    A compared field that only one of the two has is beyond: absence bounds nothing.
    """
    if not outer.type == inner.type == type_.name:
        return f"type {inner.type} is not {outer.type}"
    for action in inner.actions:
        if action not in outer.actions:
            return f"action {action} is not among {', '.join(outer.actions)}"
    if not type_.fields.keys() >= outer.fields.keys() | inner.fields.keys():
        return f"{type_.name} does not have all of these fields"
    for name, field in type_.fields.items():
        reason = _field_excess(field, outer.fields.get(name), inner.fields.get(name))
        if reason is not None:
            return f"{name} {reason}"
    return None


def _field_excess(field: Field, outer: FieldValue | None, inner: FieldValue | None) -> str | None:
    if field.kind is FieldKind.TEXT or outer == inner:
        return None
    if inner is None:
        return "is missing"
    if outer is None:
        return f"is {_words(inner)}, but was not granted"
    return _EXCESS[field.kind](outer, inner)


def _words(value: FieldValue) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(shown, value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return shown(value) if isinstance(value, str) else str(value)


def _exact_excess(outer: FieldValue, inner: FieldValue) -> str | None:
    return f"is {_words(inner)}, not {_words(outer)}"


def _at_most_excess(outer: FieldValue, inner: FieldValue) -> str | None:
    return f"{inner} is more than {outer}" if _number(inner) > _number(outer) else None


def _at_least_excess(outer: FieldValue, inner: FieldValue) -> str | None:
    return f"{inner} is less than {outer}" if _number(inner) < _number(outer) else None


def _one_of_excess(outer: FieldValue, inner: FieldValue) -> str | None:
    beyond = tuple(value for value in _choices(inner) if value not in _choices(outer))
    return f"{_words(beyond)} is not among {_words(outer)}" if beyond else None


def _path_excess(outer: FieldValue, inner: FieldValue) -> str | None:
    below = outer == "/" or str(inner).startswith(f"{outer}/")
    return None if below else f"{_words(inner)} is not {_words(outer)} or below it"


_EXCESS: Mapping[FieldKind, Callable[[FieldValue, FieldValue], str | None]] = {
    FieldKind.EXACT: _exact_excess,
    FieldKind.AT_MOST: _at_most_excess,
    FieldKind.AT_LEAST: _at_least_excess,
    FieldKind.ONE_OF: _one_of_excess,
    FieldKind.PATH: _path_excess,
}


def _number(value: FieldValue) -> int | Decimal:
    return cast("int | Decimal", value)


def _choices(value: FieldValue) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (str(value),)


# Narrowing: the meet of two operations under containment.


def narrow(asked: Operation, ceiling: Operation, type_: OperationType) -> Operation | None:
    """Return the most of *asked* that is within *ceiling*, or None if nothing is.

    Text is the asker's, and so is the shape of a choice.
    """
    if not asked.type == ceiling.type == type_.name:
        return None
    actions = tuple(action for action in asked.actions if action in ceiling.actions)
    if not actions or not type_.fields.keys() >= asked.fields.keys() | ceiling.fields.keys():
        return None
    fields: dict[str, FieldValue] = {}
    for name, field in type_.fields.items():
        mine, theirs = asked.fields.get(name), ceiling.fields.get(name)
        met = mine if field.kind is FieldKind.TEXT else _meet(field, mine, theirs)
        if met is not None:
            fields[name] = met
        elif field.kind is not FieldKind.TEXT and mine != theirs:
            return None
    return Operation(asked.type, actions, fields)


def _meet(field: Field, mine: FieldValue | None, theirs: FieldValue | None) -> FieldValue | None:
    if mine is None or theirs is None:
        return None
    if field.kind is FieldKind.ONE_OF and isinstance(mine, tuple):
        return tuple(value for value in mine if value in _choices(theirs)) or None
    if _field_excess(field, theirs, mine) is None:
        return mine
    return theirs if _field_excess(field, mine, theirs) is None else None


# Words, for people.


def describe(operation: Operation, type_: OperationType) -> str:
    """Return *operation* in one line, in the words of its type, for people to read.

    Strings stand in JSON quotes, so that no value can pass for more of the sentence.
    """
    said = [
        describe_field(field, operation.fields.get(name))
        for name, field in type_.fields.items()
        if name in operation.fields
    ]
    actions = ", ".join(operation.actions)
    return (
        f"{type_.description or type_.name} ({actions})" + (": " if said else "") + ", ".join(said)
    )


_LINKS: Mapping[FieldKind, str] = {
    FieldKind.EXACT: "",
    FieldKind.AT_MOST: "at most ",
    FieldKind.AT_LEAST: "at least ",
    FieldKind.ONE_OF: "",
    FieldKind.PATH: "at or below ",
    FieldKind.TEXT: "",
}


def describe_field(field: Field, value: FieldValue | None) -> str:
    """Return one bound as ``describe`` says it: ``amount at most 5000 cent``."""
    words = _quoted(value)
    unit = f" {field.unit}" if field.unit else ""
    return f"{field.name} {_LINKS[field.kind]}{words}{unit}"


def _quoted(value: FieldValue | None) -> str:
    if isinstance(value, tuple):
        return " or ".join(map(_quoted, value))
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False)
