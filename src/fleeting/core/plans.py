"""Plans: how standing work is asked for, what policy allows of it, and what is left of it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from fleeting.core import strict_json
from fleeting.core.access_requests import Plan, RequestRecord, Total
from fleeting.core.ceremony import MOST_CALLS, PlanTerms
from fleeting.core.declaring import is_integer, shown
from fleeting.core.durations import format_duration, parse_duration
from fleeting.core.errors import AccessDenied, InvalidRequest
from fleeting.core.model import FieldValue, Json, Operation
from fleeting.core.operation_types import DECIMAL as DECIMAL_TEXT
from fleeting.core.operation_types import Field, FieldKind, FieldType, OperationType

_MEMBERS = frozenset({"calls", "duration", "totals"})
_EXAMPLE = '{"calls": 10, "duration": "2h", "totals": {"payment_refund.amount": 50000}}'
_MAX_TOTALS = 16
_SECOND = timedelta(seconds=1)


# Asking for one.


def parse_plan(
    text: str, operations: Sequence[Operation], types: Mapping[str, OperationType]
) -> Plan:
    """Return the plan that the parameter ``plan`` asks for; *operations* bound each token of it.

    Raises:
        InvalidRequest: with a message that says what to write instead.
    """
    members = _object(text)
    calls, duration = members.get("calls"), members.get("duration")
    if not isinstance(calls, int) or not is_integer(calls) or not 1 <= calls <= MOST_CALLS:
        raise InvalidRequest(f"plan: 'calls' is a whole number from 1 to {MOST_CALLS}")
    try:
        within = parse_duration(duration if isinstance(duration, str) else "")
    except ValueError as error:
        raise InvalidRequest(f"plan: 'duration': {error}") from None
    totals = members.get("totals", {})
    if not isinstance(totals, dict) or len(totals) > _MAX_TOTALS:
        raise InvalidRequest(f"plan: 'totals' is an object of at most {_MAX_TOTALS} members")
    found = tuple(_total(name, most, operations, types) for name, most in totals.items())
    return Plan(calls, within, found)


def _object(text: str) -> dict[str, Json]:
    try:
        value: Json = strict_json.loads(text)
    except strict_json.JsonError as error:
        raise InvalidRequest(f"plan: {error}") from None
    if not isinstance(value, dict) or not value.keys() <= _MEMBERS:
        raise InvalidRequest(f"plan is a JSON object such as {_EXAMPLE}")
    return value


def _total(
    name: str, most: Json, operations: Sequence[Operation], types: Mapping[str, OperationType]
) -> Total:
    type_name, _, field_name = name.rpartition(".")
    field = added_up(type_name, field_name, operations, types)
    return Total(type_name, field_name, _amount(name, most, field))


def added_up(
    type_name: str,
    field_name: str,
    operations: Sequence[Operation],
    types: Mapping[str, OperationType],
) -> Field:
    """Return the field that a total is of: bounded in every operation of its type, or it counts 0.

    Raises:
        InvalidRequest: it is none, or is not bounded everywhere.
    """
    of_type = [operation for operation in operations if operation.type == type_name]
    field = types[type_name].fields.get(field_name) if of_type and type_name in types else None
    if field is None or field.kind is not FieldKind.AT_MOST:
        name = f"{type_name}.{field_name}"
        raise InvalidRequest(
            f"plan: {shown(name)} is no total: write TYPE.FIELD of an at_most field that is asked"
        )
    if any(field_name not in operation.fields for operation in of_type):
        raise InvalidRequest(f"plan: every {type_name} needs a {field_name} if they are added up")
    return field


def _amount(name: str, most: Json, field: Field) -> int | Decimal:
    if field.type is FieldType.INTEGER and isinstance(most, int) and is_integer(most) and most >= 0:
        return most
    if field.type is FieldType.DECIMAL and isinstance(most, str) and DECIMAL_TEXT.fullmatch(most):
        value = Decimal(most)
        if value >= 0:
            return value
    like = "a whole number" if field.type is FieldType.INTEGER else 'a decimal such as "99.50"'
    raise InvalidRequest(f"plan: {shown(name)} is {like}, not below zero")


def total_name(total: Total) -> str:
    """Return what *total* is called."""
    return f"{total.type}.{total.field}"


def plan_json(plan: Plan) -> dict[str, Json]:
    """Return *plan* as ``parse_plan`` reads it."""
    totals: dict[str, Json] = {total_name(total): _json(total.most) for total in plan.totals}
    body: dict[str, Json] = {"calls": plan.calls, "duration": format_duration(plan.duration)}
    return body | {"totals": totals} if totals else body


def _json(value: int | Decimal) -> Json:
    return str(value) if isinstance(value, Decimal) else value


def check_permitted(plan: Plan, permitted: Iterable[PlanTerms | None]) -> None:
    """Check that every chosen permit allows a plan as large as *plan*.

    Raises:
        AccessDenied: one allows none, or a smaller one; says which would do.
    """
    for terms in permitted:
        if terms is None:
            raise AccessDenied("policy permits no plan for this: ask for each token by itself")
        if plan.calls > terms.calls or plan.duration > terms.duration:
            most = f"{terms.calls} tokens in {format_duration(terms.duration)}"
            raise AccessDenied(f"policy permits plans of at most {most} for this")


# What is left of one.


def beyond_plan(
    record: RequestRecord, operations: Sequence[Operation], uses: int | None, now: datetime
) -> str | None:
    """Return what one more token would have beyond the plan of *record*, in words, or None.

    This does NOT check that the operations are within those of the plan.
    """
    plan = record.offer.plan
    if plan is None:
        return "it is no plan"
    if record.not_after is not None and now + _SECOND > record.not_after:
        return "the plan is over"  # a token that lives less than a second is none
    if record.calls >= plan.calls:
        return f"all {plan.calls} tokens of the plan were issued"
    spent = spent_with(record, operations, uses)
    for total in plan.totals:
        name = total_name(total)
        if spent.get(name, 0) > total.most:
            return f"{name} would add up to {spent[name]}, and the plan says {total.most}"
    return None


def spent_with(
    record: RequestRecord, operations: Sequence[Operation], uses: int | None
) -> dict[str, int | Decimal]:
    """Return what the totals of *record* come to with one more token.

    A token counts as much as all its uses can do; what is below zero gives nothing back.
    """
    spent = dict(record.spent)
    for total in () if record.offer.plan is None else record.offer.plan.totals:
        name = total_name(total)
        for operation in operations:
            if operation.type == total.type:
                spent[name] = spent.get(name, 0) + _counted(operation.fields.get(total.field)) * (
                    uses or 1
                )
    return spent


def _counted(value: FieldValue | None) -> int | Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return 0
    return max(value, type(value)(0))
