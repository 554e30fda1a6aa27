"""What is compiled, and what is left to the Cedar engine."""

import json
import re

import cedarpy
import pytest

from fleeting.policy import compiling
from fleeting.policy.cedar_values import EvaluationError
from fleeting.policy.compiling import compile_policy
from fleeting.policy.facts import Facts
from fleeting.policy.python_code import Names, NotCompilable
from tests.policy import every_pair

ACTION = ("Action", "payment_refund:refund")


def tree(condition, kind="when"):
    text = f"permit(principal, action, resource) {kind} {{ {condition} }};"
    parsed = json.loads(cedarpy.policies_to_json_str(text))
    return parsed["staticPolicies"]["policy0"]


@pytest.fixture(scope="module")
def facts(ask, refund, user, now):
    request = ask(
        refund(7),
        subject=user(acr="gold", attributes={"department": "it", "tags": ("x",)}),
        context={"ticket": "INC-7"},
    )
    return Facts(request, request.operations[0], now)


@pytest.fixture(scope="module")
def holds(world, facts):
    def holds(condition, **changes):
        return compile_policy(tree(condition, **changes), world, "payment_refund")(facts, ACTION)

    return holds


def test_every_variable_and_value_can_be_compared(holds):
    for condition in (
        'principal == User::"ada" && resource == Resource::"https://api"',
        'action == Action::"payment_refund:refund" && action in Action::"payment_refund"',
        'context.client == Client::"bot" && context.client in Group::"support"',
        'principal in [Group::"leads", Group::"support"] && !(principal in [Group::"leads"])',
        'principal is User in Group::"support" && !(principal is Client)',
        'principal has department && principal.department == "it" && !(principal has level)',
        'User::"ada".department like "i*" && !(User::"bob" has department)',
        "context.request has ticket && !(context.request has urgency) && !(context has actor)",
        "{a: 1, b: {c: true}}.b.c && {a: 1} has a && !({a: 1} has b) && {a: 1} == {a: 1}",
        'context.now > datetime("2026-01-01") && context.operation.amount * 2 - 1 == 13',
        "if context.operation.amount < 8 then true else false",
    ):
        assert holds(condition), condition
    assert not holds("true", kind="unless")


@pytest.mark.parametrize(
    "condition",
    [
        "context.request.urgency > 1",
        "context.operation.nothing",
        "context.operation.nothing == 1 || true",
        "(if context.operation.nothing then 1 else 2) == 1",
        "(if false then 2 else context.operation.nothing) == 1",
        "(if true then context.operation.nothing else 2) == 1",
        '(if true then context.operation.nothing else context.operation.nothing) like "a"',
        "(if true then context.operation.nothing else context.operation.no) has a",
        "(if true then context.operation.nothing else context.operation.no).a",
        "context.operation.nothing is User",
        'User::"bob".department == "it"',
        "principal.level == 1",
        "9223372036854775807 + 1 > 0",
    ],
)
def test_what_cedar_cannot_evaluate_errs(holds, condition):
    with pytest.raises(EvaluationError):
        holds(condition)


@pytest.mark.parametrize(
    "condition",
    [
        '1 == "1"',
        "1 && true",
        "1.a == 1",
        '"a" < "b"',
        '1 like "1"',
        "1 is User",
        "1 has a",
        "[].isEmpty()",
        "1.isEmpty()",
        "1.contains(1)",
        '[1, "1"].contains(1)',
        '[1].contains("1")',
        '(if true then 1 else "1") == 1',
        "{a: 1}.b == 1",
        "{a: context.operation.nothing} has a",
        'principal.hasTag("a")',
        "principal.undeclared == 1",
        "principal has undeclared",
        "context == context",
        "context.operation == context.operation",
        "context has operation",
        "context.client.operation == 1",
        "context.operation.nothing.more == 1",
        'datetime("0000-01-01") == context.now',
        'ip("10.0.0") == ip("10.0.0")',
        "decimal(context.acr) == decimal(context.acr)",
        'unknown("x")',
        "(!" * 41 + "true" + ")" * 41,
        "principal in [principal, 1]",
        '(1 == 1) in Group::"support"',
    ],
)
def test_what_is_not_known_is_left_to_cedar(holds, condition):
    with pytest.raises(NotCompilable):
        holds(condition)


def test_a_slot_or_a_node_of_a_later_cedar_is_left_to_cedar(world):
    for body in (
        {"Slot": "?principal"},
        {"Value": [1]},
        {"Value": {"__extn": 1}},
        {"new": {"arg": 1}},
    ):
        node = {"conditions": [{"kind": "when", "body": body}]}
        with pytest.raises(NotCompilable):
            compile_policy(node, world, "payment_refund")


def test_long_chains_are_flat_and_stop_where_cedar_does(holds):
    assert holds(" || ".join(f"context.operation.amount == {n}" for n in range(300)))
    assert not holds(" && ".join(["true"] * 300 + ["false", '1 == "1"']))
    assert holds("false || (true || 1)")
    assert holds("true && (true && (true && true))")


def test_code_that_is_too_much_for_python_is_left_to_cedar(world, monkeypatch):
    monkeypatch.setattr(compiling, "DEEPEST", 10**6)
    body = {"Value": True}
    for _ in range(220):
        body = {"!": {"arg": body}}
    with pytest.raises(NotCompilable, match="too much"):
        compile_policy({"conditions": [{"kind": "when", "body": body}]}, world, "payment_refund")


def test_names_that_look_like_code_stay_names(holds, world):
    quoted = "'); import os #"
    assert not holds(f'"{quoted}" == "x" || principal in Group::"{quoted}"')
    assert not holds(f'"x" like "{quoted}*" || {{"{quoted}": false}}["{quoted}"]')
    assert Names(world, "payment_refund").values["__builtins__"] == {}


def test_entities_of_namespaces_are_entities_like_others(holds):
    assert holds('principal != NS::User::"ada" && !(principal is NS::User)')
    assert not holds('principal in NS::Group::"support" || principal in [NS::Group::"support"]')


def test_the_loader_refuses_templates_and_namespaces(problems):
    slot = "permit(principal == ?principal, action, resource);"
    assert "templates are not supported" in problems(f'@id("a") {slot}')[0]
    for condition in ('principal == NS::User::"ada"', "principal is NS::User"):
        text = f'@id("a") permit(principal, action, resource) when {{ {condition} }};'
        assert problems(text)


def cedars_answer(text):
    """Return what Cedar itself says of *text*: the ids of what is satisfied, and of what errs."""
    groups = [{"type": "Group", "id": "support"}]
    ada, bot = {"type": "User", "id": "ada"}, {"type": "Client", "id": "bot"}
    result = cedarpy.is_authorized(
        {
            "principal": ada,
            "action": {"type": "Action", "id": ACTION[1]},
            "resource": {"type": "Resource", "id": "https://api"},
            "context": {"client": {"__entity": bot}},
        },
        text,
        json.dumps([{"uid": uid, "attrs": {}, "parents": groups} for uid in (ada, bot)]),
    )
    errors = {re.search("`(policy[0-9]+)`", each)[1] for each in result.diagnostics.errors}
    return set(result.diagnostics.reasons), errors


def test_every_operator_says_what_cedar_says_of_every_pair_of_values(world, facts):
    conditions = list(every_pair.conditions())
    text = "\n".join(f"permit(principal, action, resource) when {{ {c} }};" for c in conditions)
    satisfied, errors = set(), set()
    for id_, node in json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].items():
        try:
            if compile_policy(node, world, "payment_refund")(facts, ACTION):
                satisfied.add(id_)
        except EvaluationError:
            errors.add(id_)
    expected = cedars_answer(text)
    differing = (satisfied ^ expected[0]) | (errors ^ expected[1])
    assert [conditions[int(id_.removeprefix("policy"))] for id_ in differing] == []
    assert len(satisfied) > 1000
    assert len(errors) > 50
