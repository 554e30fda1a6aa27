"""Which strings a declared field or context key takes, by the parsers that requests go through."""

from collections.abc import Callable
from dataclasses import dataclass

from fleeting.core.context import ContextKey, parse_context
from fleeting.core.errors import OAuthError
from fleeting.core.operations import Field, FieldKind, OperationType, parse_operation
from fleeting.policy.proving.patterns import PATH, samples

_ANY_PATH = r"/|(?:/[^/\\%]+)+"


@dataclass(frozen=True, slots=True)
class Fitting:
    """What fits. values: the closed set of it, if there is one.

    pattern: what all of it matches, at least. examples: some of it, the most telling first.
    """

    fits: Callable[[str], bool]
    values: tuple[str, ...] = ()
    pattern: str | None = None
    plain: str | None = None

    def examples(self, count: int) -> list[str]:
        """Return up to *count* strings that fit."""
        made = self.values or samples(self.plain or self.pattern, count * 2)
        return [text for text in made if self.fits(text)][:count]


def fits_field(field: Field) -> Fitting:
    """Return what fits *field*."""
    type_ = OperationType("any", ("any",), {field.name: field})

    def fits(text: str) -> bool:
        try:
            parse_operation({"type": "any", field.name: text}, {"any": type_})
        except OAuthError:
            return False
        return True

    if field.kind is FieldKind.PATH and field.pattern is None:
        return Fitting(fits, field.values, _ANY_PATH, PATH)
    return Fitting(fits, field.values, field.pattern)


def fits_context(key: ContextKey) -> Fitting:
    """Return what fits a context key."""

    def fits(text: str) -> bool:
        try:
            parse_context({key.name: text}, {key.name: key})
        except OAuthError:
            return False
        return True

    return Fitting(fits, pattern=key.pattern)
