"""Where the fields of a call's operation come from: path, query, header, body, or code."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from fleeting.core.errors import InvalidRequest
from fleeting.core.model import Json
from fleeting.core.operation_types import Field, FieldType
from fleeting.resource.calls import Call

_CANONICAL_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_BOOLEANS = {"true": True, "false": False}


class Source(Protocol):
    """Something that finds one field of a call's operation."""

    needs_body: ClassVar[bool]

    def read(self, call: Call, field: Field) -> Json:
        """Return the JSON value of *field* in *call*; None where the call does not say.

        Raises:
            InvalidRequest: the call says it in a way that could be read differently.
        """
        ...


@dataclass(frozen=True, slots=True)
class FromPath:
    """A path parameter."""

    needs_body: ClassVar[bool] = False
    name: str

    def read(self, call: Call, field: Field) -> Json:
        """Return the parameter, typed as the field is."""
        return _typed(call.path_param(self.name), field)


@dataclass(frozen=True, slots=True)
class FromQuery:
    """A query parameter."""

    needs_body: ClassVar[bool] = False
    name: str

    def read(self, call: Call, field: Field) -> Json:
        """Return the parameter, typed as the field is."""
        return _typed(call.query_value(self.name), field)


@dataclass(frozen=True, slots=True)
class FromHeader:
    """A header field."""

    needs_body: ClassVar[bool] = False
    name: bytes

    def read(self, call: Call, field: Field) -> Json:
        """Return the value, typed as the field is."""
        return _typed(call.header_value(self.name), field)


@dataclass(frozen=True, slots=True)
class FromBody:
    """A member of the JSON body; several keys lead into nested objects."""

    needs_body: ClassVar[bool] = True
    keys: tuple[str, ...]

    def read(self, call: Call, field: Field) -> Json:  # noqa: ARG002 -- JSON has its type already
        """Return the member as it stands; null is as good as absent."""
        value: Json = call.json()
        for depth, key in enumerate(self.keys):
            if value is None:
                return None
            if not isinstance(value, dict):
                raise InvalidRequest(f"{'.'.join(self.keys[:depth])} must be a JSON object")
            value = value.get(key)
        return value


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that the route fixes."""

    needs_body: ClassVar[bool] = False
    value: Json

    def read(self, call: Call, field: Field) -> Json:  # noqa: ARG002 -- the same for every call
        """Return the value."""
        return self.value


@dataclass(frozen=True, slots=True)
class Computed:
    """What a function of the call says."""

    needs_body: ClassVar[bool] = True
    function: Callable[[Call], Json]

    def read(self, call: Call, field: Field) -> Json:  # noqa: ARG002 -- the function knows its field
        """Return what the function returns, a JSON value of the field's own type."""
        return self.function(call)


def path(name: str) -> FromPath:
    """Take a field from the path parameter *name*."""
    return FromPath(name)


def query(name: str) -> FromQuery:
    """Take a field from the query parameter *name*; sent twice, the call is refused."""
    return FromQuery(name)


def header(name: str) -> FromHeader:
    """Take a field from the header field *name*; sent twice, the call is refused."""
    return FromHeader(name.lower().encode("ascii"))


def body(*keys: str) -> FromBody:
    """Take a field from the JSON body: ``body("amount")``, ``body("order", "amount")``."""
    if not keys:
        raise ValueError('name a member of the body, such as body("amount")')
    return FromBody(keys)


def const(value: Json) -> Constant:
    """Fix a field, such as ``currency=const("EUR")``."""
    return Constant(value)


def _typed(text: str | None, field: Field) -> Json:
    """Convert text only where one way of writing the value exists: "042" is not 42."""
    if text is None:
        return None
    if field.type is FieldType.INTEGER:
        if _CANONICAL_INTEGER.fullmatch(text) is None:
            raise InvalidRequest(f"{field.name} must be plain decimal digits")
        return int(text)
    if field.type is FieldType.BOOLEAN:
        if text not in _BOOLEANS:
            raise InvalidRequest(f"{field.name} must be 'true' or 'false'")
        return _BOOLEANS[text]
    return text
