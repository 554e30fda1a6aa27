"""Offers: when one is within another, how it is narrowed, and what people read of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import TypeAlias

from fleeting.core.access_requests import Offer, Plan, Total
from fleeting.core.durations import format_duration
from fleeting.core.errors import InvalidRequest
from fleeting.core.model import SCOPE_TYPE, Operation
from fleeting.core.operations import (
    SCOPES,
    FieldKind,
    FieldType,
    OperationType,
    contains,
    describe,
    describe_field,
    excess,
    narrow,
)
from fleeting.core.plans import added_up, total_name

Types: TypeAlias = Mapping[str, OperationType]


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What a person wants an offer to be instead; None leaves a part as it is.

    operations: all that are left. plan: its totals are added to those that hold already.
    """

    operations: tuple[Operation, ...] | None = None
    lifetime: timedelta | None = None
    uses: int | None = None
    plan: Plan | None = None


# Containment.


def beyond(outer: Offer, inner: Offer, types: Types) -> tuple[str, ...]:
    """Return all that *inner* has beyond *outer*, in words; nothing where it is within."""
    return tuple(_beyond(outer, inner, types))


def _beyond(outer: Offer, inner: Offer, types: Types) -> Iterator[str]:
    yield from _operations_beyond(outer.operations, inner.operations, types)
    if inner.lifetime > outer.lifetime:
        yield (
            f"a lifetime of {format_duration(inner.lifetime)} is more than "
            f"{format_duration(outer.lifetime)}"
        )
    if outer.uses is not None and (inner.uses is None or inner.uses > outer.uses):
        yield f"{uses_words(inner.uses)} is more than {uses_words(outer.uses)}"
    if outer.plan is not None and inner.plan is not None:
        yield from _plan_beyond(outer.plan, inner.plan)
    elif outer.plan is not inner.plan:
        yield "a plan is another thing than one token"


def _operations_beyond(
    outer: Sequence[Operation], inner: Sequence[Operation], types: Types
) -> Iterator[str]:
    if len(inner) > len(outer):
        yield f"{len(inner)} operations are more than {len(outer)}"
    for operation in inner:
        if _holder(outer, operation, types) is None:
            yield _why_beyond(outer, operation, types)


def _holder(outer: Sequence[Operation], operation: Operation, types: Types) -> Operation | None:
    """Return the first of *outer* that contains *operation*; none does if its type is gone."""
    type_ = _type(operation, types)
    if type_ is None:
        return None
    return next((each for each in outer if contains(each, operation, type_)), None)


def _type(operation: Operation, types: Types) -> OperationType | None:
    return SCOPES if operation.type == SCOPE_TYPE else types.get(operation.type)


def _why_beyond(outer: Sequence[Operation], operation: Operation, types: Types) -> str:
    type_ = _type(operation, types)
    if type_ is None:
        return f"{operation.type} is not declared any more"
    alike = [each for each in outer if each.type == operation.type]
    reasons = [excess(each, operation, type_) or "" for each in alike]
    return f"{operation.type}: " + ("; ".join(reasons) or "was not asked for")


def _plan_beyond(outer: Plan, inner: Plan) -> Iterator[str]:
    if inner.calls > outer.calls:
        yield f"a plan of {inner.calls} tokens is more than {outer.calls}"
    if inner.duration > outer.duration:
        yield (
            f"a plan for {format_duration(inner.duration)} is more than "
            f"{format_duration(outer.duration)}"
        )
    left = _least_totals(inner.totals)
    for total in outer.totals:
        most = left.get((total.type, total.field))
        if most is None or most > total.most:
            told = "no bound" if most is None else str(most)
            yield f"a total {total.type}.{total.field} of {told} is more than {total.most}"


def _least_totals(totals: Sequence[Total]) -> dict[tuple[str, str], int | Decimal]:
    least: dict[tuple[str, str], int | Decimal] = {}
    for total in totals:
        key = (total.type, total.field)
        least[key] = min(total.most, least.get(key, total.most))
    return least


# Narrowing.


def narrowed(offer: Offer, narrowing: Narrowing, types: Types) -> Offer:
    """Return *offer* with what *narrowing* wants less of; texts stay those of who asked.

    Raises:
        InvalidRequest: it would be wider, be nothing, or be the same.
    """
    wanted = _wanted(offer, narrowing, types)
    if not wanted.operations or not all(each.actions for each in wanted.operations):
        raise InvalidRequest("nothing would be left of it: deny it, or leave the operation out")
    too_much = beyond(offer, wanted, types)
    if too_much:
        raise InvalidRequest(f"narrowing never makes wider: {'; '.join(too_much)}")
    less = replace(wanted, operations=tuple(_with_texts(offer, wanted, types)))
    if less == offer:
        raise InvalidRequest("that changes nothing: say what is to be less")
    return less


def _wanted(offer: Offer, narrowing: Narrowing, types: Types) -> Offer:
    """Return *offer* with what *narrowing* names in its place; it may still be wider."""
    operations = offer.operations if narrowing.operations is None else narrowing.operations
    uses = offer.uses if narrowing.uses is None else narrowing.uses
    lifetime, plan = narrowing.lifetime or offer.lifetime, offer.plan
    if narrowing.plan is None:
        return Offer(operations, lifetime, uses, plan)
    kept = () if plan is None else plan.totals
    for total in narrowing.plan.totals:
        if total not in kept:
            _check_counts(total, operations, types)
    totals = _merged(kept, narrowing.plan.totals)
    if totals and uses is None:
        uses = 1  # as where it is asked: what adds up must be counted, use by use
    return Offer(operations, lifetime, uses, replace(narrowing.plan, totals=totals))


def _check_counts(total: Total, operations: Sequence[Operation], types: Types) -> None:
    """Refuse a total that would bound nothing: whoever sets one relies on it."""
    field = added_up(total.type, total.field, operations, types)
    if field.type is FieldType.INTEGER and not isinstance(total.most, int):
        raise InvalidRequest(f"plan: {total_name(total)} is a whole number")


def _merged(kept: Sequence[Total], wanted: Sequence[Total]) -> tuple[Total, ...]:
    named = {(total.type, total.field) for total in wanted}
    return (*(each for each in kept if (each.type, each.field) not in named), *wanted)


def _with_texts(offer: Offer, wanted: Offer, types: Types) -> Sequence[Operation]:
    """Return the operations of *wanted* with the texts of those that they are within.

    Text is never compared, so nobody but who asked may have written it.
    """
    return [
        met
        for operation in wanted.operations
        if (type_ := _type(operation, types)) is not None
        and (holder := _holder(offer.operations, operation, types)) is not None
        and (met := narrow(holder, operation, type_)) is not None
    ]


# Words.


def uses_words(uses: int | None) -> str:
    """Return how often a token may be used."""
    if uses is None:
        return "any number of uses"
    return "1 use" if uses == 1 else f"{uses} uses"


def operation_words(operation: Operation, types: Types) -> str:
    """Return *operation* in the words of its type, without texts: those are the caller's words."""
    type_ = _type(operation, types)
    if type_ is None:
        return f"{operation.type} (not declared any more)"
    bounds = {
        name: value
        for name, value in operation.fields.items()
        if name in type_.fields and type_.fields[name].kind is not FieldKind.TEXT
    }
    return describe(replace(operation, fields=bounds), type_)


def offer_words(offer: Offer, types: Types) -> tuple[str, ...]:
    """Return *offer* for people to read: each operation, then what the token is, then the plan."""
    operations = [operation_words(operation, types) for operation in offer.operations]
    token = f"lives {format_duration(offer.lifetime)}, {uses_words(offer.uses)}"
    if offer.plan is None:
        return (*operations, f"one token: {token}")
    return (*operations, f"each token: {token}", *_plan_words(offer.plan, types))


def _plan_words(plan: Plan, types: Types) -> Iterator[str]:
    tokens = "1 token" if plan.calls == 1 else f"{plan.calls} tokens"
    yield f"at most {tokens} within {format_duration(plan.duration)}"
    for total in plan.totals:
        yield f"all together {_total_words(total, types)}"


def _total_words(total: Total, types: Types) -> str:
    type_ = types.get(total.type)
    field = None if type_ is None else type_.fields.get(total.field)
    unit = f" {field.unit}" if field is not None and field.unit else ""
    return f"{total.type}.{total.field} at most {total.most}{unit}"


def difference_words(before: Offer, after: Offer, types: Types) -> tuple[str, ...]:
    """Return in words how *after*, which is within *before*, is less."""
    return tuple(_difference(before, after, types))


def _difference(before: Offer, after: Offer, types: Types) -> Iterator[str]:
    left = []
    for operation in after.operations:
        holder, type_ = _holder(before.operations, operation, types), _type(operation, types)
        if holder is not None and type_ is not None:
            left.append(holder)
            yield from _less(holder, operation, type_)
    for operation in before.operations:
        if operation in left:
            left.remove(operation)  # of two alike, one may be left
        else:
            yield f"without {operation_words(operation, types)}"
    if after.lifetime != before.lifetime:
        was = format_duration(before.lifetime)
        yield f"lives {format_duration(after.lifetime)}, not {was}"
    if after.uses != before.uses:
        yield f"{uses_words(after.uses)}, not {uses_words(before.uses)}"
    if before.plan is not None and after.plan is not None and before.plan != after.plan:
        yield from (f"plan: {words}" for words in _plan_words(after.plan, types))


def _less(before: Operation, after: Operation, type_: OperationType) -> Iterator[str]:
    gone = [action for action in before.actions if action not in after.actions]
    if gone:
        yield f"without {', '.join(gone)}"
    for name, field in type_.fields.items():
        was, now = before.fields.get(name), after.fields.get(name)
        if was != now:
            yield f"{describe_field(field, now)}, not {describe_field(field, was)}"
