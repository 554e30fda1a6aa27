"""Parse operations: any JSON becomes one of a declared type, or is refused (RFC 9396 §5)."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from fleeting.core.declaring import UNSAFE, is_integer, nearest, shown
from fleeting.core.errors import InvalidAuthorizationDetails, InvalidToken
from fleeting.core.model import FieldValue, Json, Operation
from fleeting.core.operation_types import (
    DECIMAL,
    LARGEST_DECIMAL,
    Field,
    FieldKind,
    FieldType,
    OperationType,
)

MOST_CHOICES = 64
"""How many values one ``one_of`` may name where its set is open."""

_COMMON = frozenset({"type", "actions"})


def parse_details(
    value: Json, types: Mapping[str, OperationType], *, limit: int = 16
) -> tuple[Operation, ...]:
    """Return the operations of an ``authorization_details`` parameter (RFC 9396 §2, §5).

    Raises:
        InvalidAuthorizationDetails: with what to write instead.
    """
    if not isinstance(value, list) or not value:
        raise InvalidAuthorizationDetails("authorization_details must be a non-empty JSON array")
    if len(value) > limit:
        raise InvalidAuthorizationDetails(f"authorization_details has more than {limit} objects")
    operations: list[Operation] = []
    for item in value:
        operation = parse_operation(item, types)
        if operation in operations:
            raise InvalidAuthorizationDetails("authorization_details repeats an object; ask once")
        operations.append(operation)
    return tuple(operations)


def parse_operation(value: Json, types: Mapping[str, OperationType]) -> Operation:
    """Return *value* as an operation of its declared type (RFC 9396 §5).

    This does NOT check that the client, the resource or policy let it be asked for.

    Raises:
        InvalidAuthorizationDetails: unknown type or field, wrong JSON type, missing field or
            bad value, with what to write instead.
    """
    if not isinstance(value, dict):
        raise InvalidAuthorizationDetails("each of authorization_details must be a JSON object")
    type_ = _parse_type(value.get("type"), types)
    for name in value:
        if name not in type_.fields and name not in _COMMON:
            known = nearest(name, type_.fields) or f"; it has {', '.join(type_.fields) or 'none'}"
            raise InvalidAuthorizationDetails(f"{type_.name} has no field {shown(name)}{known}")
    return Operation(type_.name, _parse_actions(value, type_), _parse_fields(value, type_))


def _parse_type(name: Json, types: Mapping[str, OperationType]) -> OperationType:
    if not isinstance(name, str):
        raise InvalidAuthorizationDetails("each of authorization_details needs a type, a string")
    type_ = types.get(name)
    if type_ is None:
        raise InvalidAuthorizationDetails(f"unknown type {shown(name)}{nearest(name, types)}")
    return type_


def _parse_actions(value: dict[str, Json], type_: OperationType) -> tuple[str, ...]:
    if "actions" not in value and len(type_.actions) == 1:
        return type_.actions
    asked = value.get("actions")
    known = ", ".join(type_.actions)
    if not isinstance(asked, list) or not asked:
        raise InvalidAuthorizationDetails(
            f"{type_.name} needs actions: a non-empty array out of {known}"
        )
    actions: list[str] = []
    for action in asked:
        if not isinstance(action, str) or action not in type_.actions:
            named = shown(action) if isinstance(action, str) else "that is no string"
            raise InvalidAuthorizationDetails(f"{type_.name} has no action {named}; it has {known}")
        if action in actions:
            raise InvalidAuthorizationDetails(f"{type_.name} repeats the action {action}")
        actions.append(action)
    return tuple(actions)


def _parse_fields(value: dict[str, Json], type_: OperationType) -> dict[str, FieldValue]:
    fields: dict[str, FieldValue] = {}
    for name, field in type_.fields.items():
        if name in value:
            fields[name] = _PARSERS[field.kind, field.type](value[name], field)
        elif not field.optional:
            raise InvalidAuthorizationDetails(f"{type_.name} needs the field {name}")
    return fields


def _refuse(field: Field, problem: str) -> InvalidAuthorizationDetails:
    return InvalidAuthorizationDetails(f"{field.name} {problem}")


def _parse_string(value: Json, field: Field) -> str:
    if not isinstance(value, str):
        raise _refuse(field, "must be a JSON string")
    if len(value) > field.max_length:
        raise _refuse(field, f"must have at most {field.max_length} characters")
    # RFC 9396 §12: strings are compared as they are, so none may look like another by trickery.
    if UNSAFE.search(value):
        raise _refuse(field, "must not have control or text direction characters")
    if field.pattern is not None and re.fullmatch(field.pattern, value) is None:
        raise _refuse(field, f"must match {field.pattern}")
    if field.values and value not in field.values:
        raise _refuse(field, f"must be one of {', '.join(field.values)}")
    return value


def _parse_boolean(value: Json, field: Field) -> bool:
    if not isinstance(value, bool):
        raise _refuse(field, "must be true or false")
    return value


def _parse_integer(value: Json, field: Field) -> int:
    # 5000.0 is refused too: a number must read the same everywhere it is read.
    if not isinstance(value, int) or not is_integer(value):
        raise _refuse(field, "must be a whole number, written without a point or quotes")
    _check_bounds(value, field)
    return value


def _parse_decimal(value: Json, field: Field) -> Decimal:
    if not isinstance(value, str) or DECIMAL.fullmatch(value) is None:
        raise _refuse(field, "must be a decimal in a string, such as '50.00'")
    number = Decimal(value)
    if abs(number) > LARGEST_DECIMAL:
        raise _refuse(field, f"must be between -{LARGEST_DECIMAL} and {LARGEST_DECIMAL}")
    _check_bounds(number, field)
    return number


def _check_bounds(number: int | Decimal, field: Field) -> None:
    if field.minimum is not None and number < field.minimum:
        raise _refuse(field, f"must be {field.minimum} or more")
    if field.maximum is not None and number > field.maximum:
        raise _refuse(field, f"must be {field.maximum} or less")


def _parse_choice(value: Json, field: Field) -> str | tuple[str, ...]:
    if not isinstance(value, list):
        return _parse_string(value, field)
    if not value or len(value) > MOST_CHOICES:
        raise _refuse(field, f"must be a string or an array of 1 to {MOST_CHOICES} strings")
    chosen = tuple(_parse_string(item, field) for item in value)
    if len(set(chosen)) < len(chosen):
        raise _refuse(field, "must not repeat a value")
    return chosen


def _parse_path(value: Json, field: Field) -> str:
    path = _parse_string(value, field)
    if path == "/":
        return path
    start, *segments = path.split("/")
    if start or not segments or not {"", ".", ".."}.isdisjoint(segments):
        raise _refuse(field, "must be a path such as '/a/b', with no empty, '.' or '..' segment")
    if "\\" in path or "%" in path:
        raise _refuse(field, "must be a decoded path: no percent sign, no backslash")
    return path


_PARSERS: Mapping[tuple[FieldKind, FieldType], Callable[[Json, Field], FieldValue]] = {
    (FieldKind.EXACT, FieldType.STRING): _parse_string,
    (FieldKind.EXACT, FieldType.INTEGER): _parse_integer,
    (FieldKind.EXACT, FieldType.BOOLEAN): _parse_boolean,
    (FieldKind.AT_MOST, FieldType.INTEGER): _parse_integer,
    (FieldKind.AT_MOST, FieldType.DECIMAL): _parse_decimal,
    (FieldKind.AT_LEAST, FieldType.INTEGER): _parse_integer,
    (FieldKind.AT_LEAST, FieldType.DECIMAL): _parse_decimal,
    (FieldKind.ONE_OF, FieldType.STRING): _parse_choice,
    (FieldKind.PATH, FieldType.STRING): _parse_path,
    (FieldKind.TEXT, FieldType.STRING): _parse_string,
}


def details_from_claims(value: Json, types: Mapping[str, OperationType]) -> tuple[Operation, ...]:
    """Return the operations of a verified token's ``authorization_details`` (RFC 9396 §9.1).

    Objects of types that this resource does not know are left out: they permit nothing here.

    Raises:
        InvalidToken: an object does not fit its type as this resource declares it.
    """
    if value is None:
        return ()
    if not isinstance(value, list):
        raise InvalidToken("authorization_details of the token is not an array")
    known = [item for item in value if not _is_foreign(item, types)]
    try:
        return tuple(parse_operation(item, types) for item in known)
    except InvalidAuthorizationDetails as error:
        raise InvalidToken(
            "authorization_details of the token do not fit their type", detail=error.description
        ) from error


def _is_foreign(item: Json, types: Mapping[str, OperationType]) -> bool:
    name = item.get("type") if isinstance(item, dict) else None
    return isinstance(name, str) and name not in types
