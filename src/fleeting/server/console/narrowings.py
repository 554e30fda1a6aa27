"""Read what a person wants an offer to be instead: as JSON of the API, or as a page's form."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import cast

from fleeting.core.access_requests import Offer, Plan, Total
from fleeting.core.ceremony import MOST_CALLS
from fleeting.core.durations import parse_duration
from fleeting.core.errors import InvalidAuthorizationDetails, InvalidRequest
from fleeting.core.model import SCOPE_TYPE, Json, Operation
from fleeting.core.offers import Narrowing
from fleeting.core.operation_parsing import parse_details, parse_operation
from fleeting.core.operation_types import DECIMAL, Field, FieldKind, FieldType, OperationType
from fleeting.core.operations import type_of
from fleeting.server.console.bodies import Members

Types = Mapping[str, OperationType]

NARROW_MEMBERS = ("authorization_details", "lifetime", "uses", "plan", "offer")
_MOST_USES = 1_000_000


def read_narrowing(body: Members, offer: Offer, types: Types) -> Narrowing:
    """Return what ``{authorization_details?, lifetime?, uses?, plan?}`` says.

    A member ``offer`` beside them names what was seen: whoever narrows holds it against that.
    offer: as it stands, for what a plan leaves out. This does NOT check that it is narrower.

    Raises:
        InvalidRequest, InvalidAuthorizationDetails: it cannot be read, with what to write instead.
    """
    body.allow_only(NARROW_MEMBERS)
    details, plan = body.values.get("authorization_details"), body.values.get("plan")
    return Narrowing(
        operations=None if details is None else _operations(details, types),
        lifetime=None if body.values.get("lifetime") is None else _duration(body, "lifetime"),
        uses=None if body.values.get("uses") is None else _count(body, "uses", _MOST_USES),
        plan=None if plan is None else _plan(plan, offer.plan),
    )


def _operations(value: Json, types: Types) -> tuple[Operation, ...]:
    if not isinstance(value, list) or not value:
        return parse_details(value, types)  # which says what is wrong with it
    return tuple(_operation(item, types) for item in value)


def _operation(value: Json, types: Types) -> Operation:
    if not isinstance(value, dict) or value.get("type") != SCOPE_TYPE:
        return parse_operation(value, types)
    actions = value.get("actions")
    if not isinstance(actions, list) or not all(isinstance(each, str) for each in actions):
        raise InvalidAuthorizationDetails("the actions of a scope operation are its scopes")
    return Operation(SCOPE_TYPE, tuple(cast("list[str]", actions)), {})


def _duration(body: Members, name: str) -> timedelta:
    try:
        return parse_duration(body.text(name))
    except ValueError as error:
        raise InvalidRequest(f"'{name}': {error}") from None


def _count(body: Members, name: str, most: int) -> int:
    value = body.values.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise InvalidRequest(f"'{name}' must be a whole number from 1 to {most}")
    return value


def _plan(value: Json, now: Plan | None) -> Plan:
    if now is None:
        raise InvalidRequest("there is no plan in this request: narrow 'uses' or 'lifetime'")
    if not isinstance(value, dict):
        raise InvalidRequest("'plan' must be an object, such as {\"calls\": 5}")
    plan = Members(value)
    plan.allow_only(("calls", "duration", "totals"))
    totals = value.get("totals")
    return replace(
        now,
        calls=_count(plan, "calls", MOST_CALLS) if "calls" in value else now.calls,
        duration=_duration(plan, "duration") if "duration" in value else now.duration,
        totals=now.totals if totals is None else tuple(_totals(totals)),
    )


def _totals(value: Json) -> Iterable[Total]:
    if not isinstance(value, dict):
        raise InvalidRequest("'totals' must be an object, such as {\"payment_refund.amount\": 500}")
    for name, most in value.items():
        type_, _, field = name.rpartition(".")
        yield Total(type_, field, _number(name, most))


def _number(name: str, value: Json) -> int | Decimal:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and DECIMAL.fullmatch(value) and not value.startswith("-"):
        return Decimal(value)
    raise InvalidRequest(f"the total of '{name[:100]}' must be a number, or a decimal in quotes")


# Forms: every operation of the offer with its fields, as the page showed them.


def form_narrowing(form: Mapping[str, str], offer: Offer, types: Types) -> dict[str, Json]:
    """Return the JSON that a page's form says, of an *offer* that is as the page showed it.

    Field ``op.N`` keeps an operation, ``op.N.action.NAME`` an action, ``op.N.field.NAME`` bounds a
    field, and ``op.N.choice.NAME.M`` keeps one value of several.
    """
    body: dict[str, Json] = {"offer": form["offer"]} if form.get("offer") else {}
    details: list[Json] = [
        _form_operation(form, f"op.{place}", operation, type_of(operation, types))
        for place, operation in enumerate(offer.operations)
        if f"op.{place}" in form
    ]
    if not details:
        raise InvalidRequest("nothing would be left of it: deny it instead")
    if details != [operation.to_json() for operation in offer.operations]:
        body["authorization_details"] = details
    if form.get("lifetime", "").strip():
        body["lifetime"] = form["lifetime"].strip()
    if form.get("uses", "").strip():
        body["uses"] = _whole("uses", form["uses"])
    plan = _form_plan(form)
    if plan:
        body["plan"] = plan
    return body


def _form_operation(
    form: Mapping[str, str], prefix: str, operation: Operation, type_: OperationType
) -> Json:
    kept: list[Json] = [a for a in operation.actions if f"{prefix}.action.{a}" in form]
    body: dict[str, Json] = {"type": operation.type, "actions": kept}
    if not kept:
        raise InvalidRequest(f"{operation.type}: leave an action, or leave the operation out")
    written = operation.to_json()
    for name in operation.fields:
        body[name] = _form_field(form, prefix, type_.fields[name], written[name])
    return body


def _form_field(form: Mapping[str, str], prefix: str, field: Field, value: Json) -> Json:
    if field.kind is FieldKind.ONE_OF and isinstance(value, list):
        left: list[Json] = [
            each
            for place, each in enumerate(value)
            if f"{prefix}.choice.{field.name}.{place}" in form
        ]
        if not left:
            raise InvalidRequest(f"{field.name}: leave one of its values")
        return left
    sent = form.get(f"{prefix}.field.{field.name}", "").strip()
    if not sent:
        return value
    return _whole(field.name, sent) if field.type is FieldType.INTEGER else sent


def _form_plan(form: Mapping[str, str]) -> dict[str, Json]:
    plan: dict[str, Json] = {}
    if form.get("plan.calls", "").strip():
        plan["calls"] = _whole("calls", form["plan.calls"])
    if form.get("plan.duration", "").strip():
        plan["duration"] = form["plan.duration"].strip()
    return plan


def _whole(name: str, text: str) -> int:
    try:
        return int(text.strip())
    except ValueError:
        raise InvalidRequest(f"{name} is a whole number, not '{text.strip()[:50]}'") from None
