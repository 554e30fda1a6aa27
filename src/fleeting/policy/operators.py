"""The closed table of Cedar's operators: what each takes, gives, and is in Python.

Only what stands here is ever compiled, and only for operands of these very kinds.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from fleeting.policy.cedar_values import Address, like, long, missing, quotient, start_of_day
from fleeting.policy.kinds import (
    BOOL,
    DATETIME,
    DECIMAL,
    DURATION,
    ENTITIES,
    ENTITY,
    IP,
    LONG,
    Kind,
    Sort,
)
from fleeting.policy.native_facts import (
    attribute_of,
    has_attribute,
    principal,
    resource,
    within,
    within_any,
)

NAMES: Mapping[str, object] = MappingProxyType(
    {
        "attribute_of": attribute_of,
        "frozenset": frozenset,
        "has_attribute": has_attribute,
        "like": like,
        "long": long,
        "missing": missing,
        "principal": principal,
        "quotient": quotient,
        "resource": resource,
        "start_of_day": start_of_day,
        "within": within,
        "within_any": within_any,
        **{name: getattr(Address, name) for name in ("is_in", "is_ipv4", "is_ipv6")},
        **{name: getattr(Address, name) for name in ("is_loopback", "is_multicast")},
    }
)
"""All that compiled code can call."""


class Form(NamedTuple):
    """What an operator is for operands of these kinds. code: with ``{0}``, ``{1}`` for them."""

    gives: Kind
    code: str


Rule: TypeAlias = Callable[[Sequence[Kind]], Form | None]
"""Returns the form for operands of these kinds, None where there is none."""


def form_of(operator: str, operands: Sequence[Kind]) -> Form | None:
    """Return what *operator* is for *operands*, None where that is not known here.

    All of them evaluate every operand, from the left; those that do not are ``compiling``'s.
    """
    rule = _RULES.get(operator)
    return None if rule is None else rule(operands)


def _exact(takes: tuple[Kind, ...], gives: Kind, code: str) -> Rule:
    form = Form(gives, code)
    return lambda operands: form if tuple(operands) == takes else None


def _ordered(symbol: str) -> Rule:
    form = Form(BOOL, f"({{0}} {symbol} {{1}})")
    pairs = {(kind, kind) for kind in (LONG, DATETIME, DURATION)}
    return lambda operands: form if tuple(operands) in pairs else None


def _alike(code: str) -> Rule:
    form = Form(BOOL, code)
    return lambda operands: form if len(operands) == 2 and len({*operands}) == 1 else None  # noqa: PLR2004


def _sets(code: str) -> Rule:
    alike = _alike(code)
    return lambda operands: alike(operands) if operands[0].sort is Sort.SET else None


def _contains(operands: Sequence[Kind]) -> Form | None:
    holder, *element = operands
    fits = holder.sort is Sort.SET and element == [holder.of]
    return Form(BOOL, "({1} in {0})") if fits else None


def _is_empty(operands: Sequence[Kind]) -> Form | None:
    (holder,) = operands
    return Form(BOOL, "(not {0})") if holder.sort is Sort.SET else None


def _in(operands: Sequence[Kind]) -> Form | None:
    forms: dict[tuple[Kind, ...], Form] = {
        (ENTITY, ENTITY): Form(BOOL, "within({0}, {1}, F, A)"),
        (ENTITY, ENTITIES): Form(BOOL, "within_any({0}, {1}, F, A)"),
    }
    return forms.get(tuple(operands))


def _count(unit: int) -> Rule:
    return _exact((DURATION,), LONG, f"quotient({{0}}, {unit})")


_RULES: Mapping[str, Rule] = {
    "!": _exact((BOOL,), BOOL, "(not {0})"),
    "neg": _exact((LONG,), LONG, "long(-{0})"),
    "+": _exact((LONG, LONG), LONG, "long({0} + {1})"),
    "-": _exact((LONG, LONG), LONG, "long({0} - {1})"),
    "*": _exact((LONG, LONG), LONG, "long({0} * {1})"),
    "==": _alike("({0} == {1})"),
    "!=": _alike("({0} != {1})"),
    "<": _ordered("<"),
    "<=": _ordered("<="),
    ">": _ordered(">"),
    ">=": _ordered(">="),
    "in": _in,
    "contains": _contains,
    "containsAll": _sets("({0} >= {1})"),
    "containsAny": _sets("(not {0}.isdisjoint({1}))"),
    "isEmpty": _is_empty,
    "lessThan": _exact((DECIMAL, DECIMAL), BOOL, "({0} < {1})"),
    "lessThanOrEqual": _exact((DECIMAL, DECIMAL), BOOL, "({0} <= {1})"),
    "greaterThan": _exact((DECIMAL, DECIMAL), BOOL, "({0} > {1})"),
    "greaterThanOrEqual": _exact((DECIMAL, DECIMAL), BOOL, "({0} >= {1})"),
    "offset": _exact((DATETIME, DURATION), DATETIME, "long({0} + {1})"),
    "durationSince": _exact((DATETIME, DATETIME), DURATION, "long({0} - {1})"),
    "toDate": _exact((DATETIME,), DATETIME, "start_of_day({0})"),
    "toTime": _exact((DATETIME,), DURATION, "({0} % 86400000)"),
    "toMilliseconds": _count(1),
    "toSeconds": _count(1000),
    "toMinutes": _count(60_000),
    "toHours": _count(3_600_000),
    "toDays": _count(86_400_000),
    "isIpv4": _exact((IP,), BOOL, "is_ipv4({0})"),
    "isIpv6": _exact((IP,), BOOL, "is_ipv6({0})"),
    "isLoopback": _exact((IP,), BOOL, "is_loopback({0})"),
    "isMulticast": _exact((IP,), BOOL, "is_multicast({0})"),
    "isInRange": _exact((IP, IP), BOOL, "is_in({0}, {1})"),
}
