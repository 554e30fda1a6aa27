import json

import cedarpy
import pytest

from fleeting.policy.reviewing.literals import compare, constant, is_plain

AMOUNT = {".": {"left": {"Var": "context"}, "attr": "amount"}}


def condition(text):
    policy = f"permit(principal, action, resource) when {{ {text} }};"
    parsed = json.loads(cedarpy.policies_to_json_str(policy))
    return parsed["staticPolicies"]["policy0"]["conditions"][0]["body"]


@pytest.mark.parametrize(
    ("text", "operator", "number"),
    [
        ("context.amount <= 5", "<=", 5),
        ("5 < context.amount", ">", 5),
        ("context.amount == -3", "==", -3),
        ('context.amount.lessThan(decimal("5.0"))', "<", 50_000),
        ('decimal("-0.5").greaterThanOrEqual(context.amount)', "<=", -5_000),
        ('context.amount >= duration("1d2h3m4s5ms")', ">=", 93_784_005),
        ('context.amount >= duration("-7h")', ">=", -25_200_000),
    ],
)
def test_a_comparison_with_a_number_is_read_either_way_round(text, operator, number):
    found = compare(condition(text))
    assert (found.term, found.operator, found.number) == (AMOUNT, operator, number)


@pytest.mark.parametrize(
    "text",
    ['context.amount == "5"', "context.a < context.b", "1 < 2", "context.a", "context.a == true"],
)
def test_other_conditions_compare_with_no_number(text):
    assert compare(condition(text)) is None


def test_a_constant_is_found_on_either_side():
    assert constant(condition('context.amount == "x"')) == (AMOUNT, "x")
    assert constant(condition("true == context.amount")) == (AMOUNT, True)
    assert constant(condition('"x" == "y"')) is None
    assert constant(condition("context.a == context.b")) is None
    assert constant(condition("context.a < 5")) is None


def test_whole_numbers_are_told_as_they_are_written():
    assert is_plain(condition("context.amount < 5"))
    assert not is_plain(condition('context.amount < duration("5s")'))
    assert not is_plain(condition('context.amount.lessThan(decimal("5.0"))'))
