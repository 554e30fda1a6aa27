from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings

from fleeting.core.model import ApprovalStage, Limits, StepUp
from fleeting.policy.proving.cases import Case, is_possible, limits_json, outcome
from tests.policy.proving import conditions as given_
from tests.policy.proving.rules import permit


def test_a_request_is_told_as_one_would_send_it(ask, user, refund, now):
    subject = user(acr="gold", auth_time=now, attributes={"tags": ("a",), "department": "x"})
    case = Case(ask(refund(), subject=subject, context={"ticket": "INC-7"}, key=None), now)
    assert case.to_json() == {
        "client_id": "bot",
        "subject": {
            "kind": "User",
            "id": "ada",
            "groups": ["support"],
            "attributes": {"tags": ["a"], "department": "x"},
            "issuer": "https://idp",
            "acr": "gold",
            "auth_time": "2026-01-02T03:04:05.678000Z",
        },
        "resource": "https://api",
        "authorization_details": [
            {
                "type": "payment_refund",
                "actions": ["refund"],
                "payment_id": "42",
                "amount": 5000,
                "currency": "EUR",
            }
        ],
        "request_context": {"ticket": "INC-7"},
        "key": "none",
        "now": "2026-01-02T03:04:05.678000Z",
    }
    assert Case(ask("payments:read"), now).to_json()["scope"] == "payments:read"


def test_limits_are_told_in_the_words_of_annotations():
    whole = Limits(
        timedelta(minutes=5),
        2,
        approvals=(ApprovalStage(2, "leads"),),
        step_up=StepUp(("gold", "silver"), timedelta(hours=1)),
    )
    assert limits_json(whole) == {
        "lifetime": "5m",
        "uses": 2,
        "bound": "dpop",
        "approval": "2 of leads",
        "step_up": "gold silver",
        "max_age": "1h",
    }
    bare = Limits(timedelta(seconds=1), step_up=StepUp(("gold",)))
    assert limits_json(bare) == {"lifetime": "1s", "bound": "dpop", "step_up": "gold"}
    fresh = Limits(timedelta(seconds=1), step_up=StepUp(max_age=timedelta(minutes=1)))
    assert limits_json(fresh)["max_age"] == "1m"


@settings(derandomize=True, database=None, deadline=None, max_examples=30)
@given(given_.cases())
def test_what_the_parsers_take_is_possible_and_nothing_else(case):
    assert is_possible(case, given_.WORLD)
    (operation,) = case.request.operations
    broken = replace(operation, fields={**operation.fields, "amount": -1})
    assert not is_possible(
        replace(case, request=replace(case.request, operations=(broken,))), given_.WORLD
    )
    odd = replace(case.request, context={"ticket": "7"})
    assert not is_possible(replace(case, request=odd), given_.WORLD)


def test_the_outcome_is_the_limits_or_nothing(pay, ask, now):
    from fleeting.core.operations import parse_operation

    value = {"type": "pay", "actions": ["make"], "amount": 5, "to": "x", "currency": "EUR"}
    case = Case(ask(parse_operation(value, given_.WORLD.types)), now)
    assert outcome(case.decided_by(pay(permit("a", '@uses("4")')))).uses == 4
    assert outcome(case.decided_by(pay(""))) is None


@pytest.fixture
def world():
    return given_.WORLD
