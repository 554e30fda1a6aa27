"""Cedar's operators and methods on terms, as one table."""

from collections.abc import Callable, Mapping
from typing import Any

from fleeting.policy.proving.sets import SetTerm, Variable, same_elements
from fleeting.policy.proving.terms import (
    FAILED,
    Kind,
    Number,
    Term,
    Truth,
    UnsupportedError,
    divided,
    negated,
    outside_long,
    some,
    truncated,
)

_DAY = 86_400_000
_ORDERED = (Kind.LONG, Kind.DATETIME, Kind.DURATION)


def equal(a: Term, b: Term) -> Truth:
    """Say when two terms are the same value; of different types they never are."""
    if a.kind is not b.kind:
        return False
    if a.kind is Kind.ENTITY:
        return a.value.equals(b.value)
    if a.kind is Kind.SET:
        return same_elements(a.value, b.value)
    if a.kind is Kind.RECORD:
        raise UnsupportedError("records compared as a whole")
    return a.value == b.value


def _equality(a: Term, b: Term) -> Term:
    if Kind.NOTHING in (a.kind, b.kind):
        return FAILED
    return Term(Kind.BOOL, equal(a, b), some((a.errs, b.errs)))


def _inequality(a: Term, b: Term) -> Term:
    found = _equality(a, b)
    return found if found is FAILED else Term(Kind.BOOL, negated(found.value), found.errs)


def _function(
    result: Kind, taken: tuple[Kind, ...], compute: Callable[..., Any], *, bounded: bool = False
) -> Callable[..., Term]:
    """Return an operator that takes just these kinds; bounded: beyond a Long, it errs."""

    def apply(*terms: Term) -> Term:
        if tuple(each.kind for each in terms) != taken:
            return FAILED
        value = compute(*[each.value for each in terms])
        errs = some(each.errs for each in terms)
        return Term(result, value, some((errs, outside_long(value))) if bounded else errs)

    return apply


def _order(compare: Callable[[Number, Number], Truth]) -> Callable[[Term, Term], Term]:
    def apply(a: Term, b: Term) -> Term:
        if a.kind is not b.kind or a.kind not in _ORDERED:
            return FAILED
        return Term(Kind.BOOL, compare(a.value, b.value), some((a.errs, b.errs)))

    return apply


def _contains(holder: Term, element: Term) -> Term:
    if holder.kind is not Kind.SET or element.kind is Kind.NOTHING:
        return FAILED
    return Term(Kind.BOOL, holder.value.has(element), some((holder.errs, element.errs)))


def _within(entity: Term, holder: Term) -> Term:
    """Return Cedar's ``in``: of an entity, or of one out of a set of them."""
    holders = [holder]
    if holder.kind is Kind.SET and not isinstance(holder.value, Variable):
        holders = [*holder.value.elements]
    if any(each.kind is not Kind.ENTITY for each in (entity, *holders)):
        return FAILED
    inside = some([entity.value.within(each.value) for each in holders])
    return Term(Kind.BOOL, inside, some((entity.errs, holder.errs)))


def _all_of(whole: SetTerm, part: SetTerm) -> Truth:
    return part.within(whole)


def _any_of(one: SetTerm, other: SetTerm) -> Truth:
    return one.meets(other)


_LONGS = (Kind.LONG, Kind.LONG)
_SETS = (Kind.SET, Kind.SET)
_DECIMALS = (Kind.DECIMAL, Kind.DECIMAL)
_INSTANT, _SPAN = (Kind.DATETIME,), (Kind.DURATION,)


def _whole(unit_ms: int) -> Callable[..., Term]:
    return _function(Kind.LONG, _SPAN, lambda span: truncated(span, unit_ms))


OPERATORS: Mapping[str, Callable[..., Term]] = {
    "==": _equality,
    "!=": _inequality,
    "in": _within,
    "!": _function(Kind.BOOL, (Kind.BOOL,), negated),
    "<": _order(lambda a, b: a < b),
    "<=": _order(lambda a, b: a <= b),
    ">": _order(lambda a, b: a > b),
    ">=": _order(lambda a, b: a >= b),
    "+": _function(Kind.LONG, _LONGS, lambda a, b: a + b, bounded=True),
    "-": _function(Kind.LONG, _LONGS, lambda a, b: a - b, bounded=True),
    "*": _function(Kind.LONG, _LONGS, lambda a, b: a * b, bounded=True),
    "neg": _function(Kind.LONG, (Kind.LONG,), lambda a: -a, bounded=True),
    "contains": _contains,
    "containsAll": _function(Kind.BOOL, _SETS, _all_of),
    "containsAny": _function(Kind.BOOL, _SETS, _any_of),
    "isEmpty": _function(Kind.BOOL, (Kind.SET,), lambda each: each.empty()),
    "lessThan": _function(Kind.BOOL, _DECIMALS, lambda a, b: a < b),
    "lessThanOrEqual": _function(Kind.BOOL, _DECIMALS, lambda a, b: a <= b),
    "greaterThan": _function(Kind.BOOL, _DECIMALS, lambda a, b: a > b),
    "greaterThanOrEqual": _function(Kind.BOOL, _DECIMALS, lambda a, b: a >= b),
    "offset": _function(
        Kind.DATETIME, (*_INSTANT, *_SPAN), lambda at, span: at + span, bounded=True
    ),
    "durationSince": _function(
        Kind.DURATION, (*_INSTANT, *_INSTANT), lambda at, since: at - since, bounded=True
    ),
    "toDate": _function(Kind.DATETIME, _INSTANT, lambda at: divided(at, _DAY) * _DAY, bounded=True),
    "toTime": _function(Kind.DURATION, _INSTANT, lambda at: at - divided(at, _DAY) * _DAY),
    "toMilliseconds": _whole(1),
    "toSeconds": _whole(1000),
    "toMinutes": _whole(60_000),
    "toHours": _whole(3_600_000),
    "toDays": _whole(_DAY),
}
