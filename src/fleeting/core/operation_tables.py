"""Write operation types back as the tables that declare them, so that they can be kept as text."""

from decimal import Decimal

from fleeting.core.durations import format_duration
from fleeting.core.model import Json
from fleeting.core.operation_types import Field, FieldType, OperationType

_USUAL_ID = "id"
"""The field that is a type's id where it does not say."""


def type_table(type_: OperationType) -> dict[str, Json]:
    """Return the table from which ``declare_type`` makes *type_* again (DESIGN D3)."""
    table: dict[str, Json] = {"actions": list(type_.actions)}
    if type_.fields:
        table["fields"] = {name: _field_table(each) for name, each in type_.fields.items()}
    if type_.description:
        table["description"] = type_.description
    if type_.sensitive:
        table["sensitive"] = True
    if type_.max_lifetime is not None:
        table["max_lifetime"] = format_duration(type_.max_lifetime)
    if type_.max_uses is not None:
        table["max_uses"] = type_.max_uses
    if type_.id_field not in (None, _USUAL_ID):
        table["id_field"] = type_.id_field
    if type_.approval_in is not None:
        table["approval_in"] = format_duration(type_.approval_in)
    return table


def _field_table(field: Field) -> dict[str, Json]:
    """Return all that *field* says; what says nothing is left out."""
    members: dict[str, Json] = {
        "kind": field.kind.value,
        "type": field.type.value,
        "optional": field.optional or None,
        "unit": field.unit,
        "values": list(field.values) or None,
        "pattern": field.pattern,
        "max_length": field.max_length if field.type is FieldType.STRING else None,
        "minimum": _number(field.minimum),
        "maximum": _number(field.maximum),
        "description": field.description or None,
    }
    return {name: value for name, value in members.items() if value is not None}


def _number(bound: int | Decimal | None) -> int | str | None:
    return format(bound, "f") if isinstance(bound, Decimal) else bound
