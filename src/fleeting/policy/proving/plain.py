"""Plain values for what no policy reads, so that a request is whole."""

from decimal import Decimal

from fleeting.core.context import ContextKey, ValueType
from fleeting.core.model import AttributeValue, FieldValue
from fleeting.core.operations import Field, FieldKind, FieldType
from fleeting.policy.proving.fitting import fits_context, fits_field


def plain_field(field: Field) -> FieldValue | None:
    """Return a value that *field* takes; None where its pattern is beyond us."""
    if field.type is FieldType.BOOLEAN:
        return True
    if field.type is FieldType.INTEGER:
        return int(field.minimum or field.maximum or 0)
    if field.type is FieldType.DECIMAL:
        return Decimal(field.minimum or field.maximum or 0)
    text = next(iter(fits_field(field).examples(1)), None)
    return (text,) if text is not None and field.kind is FieldKind.ONE_OF else text


def plain_context(key: ContextKey) -> AttributeValue | None:
    """Return a value that a context key takes; None where its pattern is beyond us."""
    if key.type is ValueType.BOOLEAN:
        return True
    if key.type is ValueType.INTEGER:
        return 0
    return next(iter(fits_context(key).examples(1)), None)
