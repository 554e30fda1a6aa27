"""Single conditions against the reference engine; what is not modelled is named."""

import pytest

from fleeting.core.model import Limits
from fleeting.policy.proving.encoding import Encoder
from fleeting.policy.proving.variables import Variables
from tests.policy.proving import conditions as given_
from tests.policy.proving.test_encoding import answers, check, place_of, policy

AMOUNT = "context.operation.amount"
FIVE = Limits(given_.PARTIES.resources[0].max_lifetime, 1)


@pytest.fixture(scope="module", params=["user", "client"])
def case(request):
    return CASES[request.param]


def _cases():
    from dataclasses import replace

    from fleeting.core.model import Actor, Operation, Subject, SubjectKind
    from fleeting.policy.proving.cases import Case
    from fleeting.policy.proving.parties import asking, key_of

    fields = {"amount": 5, "to": "x", "currency": ("EUR", "USD"), "labels": ("x", "y")}
    bot, api = given_.PARTIES.clients[0], given_.PARTIES.resources[0]
    request = asking(bot, api, key_of(FIVE.bound))
    request = replace(request, operations=(Operation("pay", ("make",), fields),))
    ada = Subject(
        SubjectKind.USER, "ada", frozenset("a"), {"tags": ("EUR",), "level": 2}, "https://idp", "x"
    )
    user = replace(request, subject=ada, actors=(Actor("bot"),))
    return {"user": Case(user, given_.NOW), "client": Case(request, given_.NOW)}


CASES = _cases()


@pytest.mark.parametrize(
    "condition",
    [
        "context.limits.uses == 1 && context.limits.bound == context.limits.bound",
        "context.operation.amount == context.operation.to",
        "context.operation.amount < context.operation.to",
        '(if true then context.operation.to else "x") has x',
        'context.operation.amount like "5"',
        "context.operation.amount is User",
        "context.operation.amount in principal",
        "principal in context.operation.currency",
        "[context.acr, principal.nothing].contains(context.acr)",
        "context.operation.to.contains(context.operation.to)",
        "context.operation.currency.contains(5)",
        "context.operation.currency.contains(principal.nothing)",
        "context.operation.currency.containsAny(context.operation.labels)",
        "principal.tags.containsAny(context.operation.currency)",
        "context.operation.currency.containsAll(principal.tags)",
        "context.operation.currency == context.operation.labels",
        '["EUR", "USD"] == context.operation.currency',
        '["EUR", "USD"].containsAny(context.operation.currency)',
        "[].containsAll(context.operation.currency)",
        "[] == []",
        '[principal, User::"ada"].contains(principal)',
        "{a: principal.level, b: 2}.b == 2",
        "{a: principal.nothing, b: 2}.b == 2",
        f"(if {AMOUNT} < 9 then principal.nothing else {AMOUNT}) == 5",
        f"(if {AMOUNT} > 9 then {AMOUNT} else principal.nothing) == 5",
        "(if true then context.operation.amount else 3) == 5",
        'User::"ada".tags.contains("EUR")',
        'User::"ada" in Group::"a"',
        'User::"eve" in Group::"a" || User::"ada" == principal',
        'Group::"a" in Group::"a" && !(Group::"a" in Group::"b")',
        'Action::"pay:make" in Action::"pay" && action != Action::"pay:undo"',
        'principal in Resource::"https://api" || resource in Group::"a"',
        'context.client in [Group::"a", Group::"b"] && context.client == Client::"bot"',
        "principal.issuer.contains(principal)",
        "5",
        "!5",
        "if 5 then true else false",
    ],
)
def test_a_condition_is_as_cedar_has_it(condition, case):
    found = check(condition, "principal", "resource", case, FIVE)
    assert found is not None


@pytest.mark.parametrize(
    ("condition", "construct"),
    [
        ('ip("10.0.0.1").isIpv4()', "isIpv4"),
        ('principal.hasTag("x")', "hasTag"),
        ("{a: 1} == {a: 1}", "records compared as a whole"),
        (
            "(if context.operation.amount < 5 then principal else context.client) == resource",
            "if … then … else of entity",
        ),
        (
            f"(if {AMOUNT} < 5 then {AMOUNT} else context.operation.to) == 5",
            "if … then … else of Long",
        ),
        (
            "decimal(context.operation.to).lessThan(context.operation.value)",
            "decimal() of what is no literal",
        ),
        ("!" * 4 + "(" * 0 + "true", ""),
    ],
)
def test_what_is_not_modelled_is_named(condition, construct, case):
    written = policy(f'@id("p") forbid (principal, action, resource) when {{ {condition} }};')
    variables = Variables(place_of(case), given_.WORLD, given_.PARTIES, [written])
    encoder = Encoder(variables)
    encoded = encoder.encode(written)
    assert encoded.unsupported == construct
    assert (answers(written, case, FIVE) is None) == bool(construct)


def test_the_groups_of_a_client_that_is_only_named_are_not_modelled():
    written = policy(
        '@id("p") forbid (principal, action, resource) when { Client::"bot" in Group::"a" };'
    )
    assert answers(written, CASES["user"], FIVE) is None
    assert answers(written, CASES["client"], FIVE) == (True, False)


def test_a_condition_nested_too_deeply_is_not_modelled(monkeypatch):
    deep = policy(
        '@id("p") forbid (principal, action, resource) when { '
        + "(if context has acr then true else " * 90
        + "false"
        + ")" * 90
        + " };"
    )
    import sys

    variables = Variables(place_of(CASES["user"]), given_.WORLD, given_.PARTIES, [deep])
    frames, here = 0, sys._getframe()
    while here is not None:
        frames, here = frames + 1, here.f_back
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(frames + 150)
    try:
        encoded = Encoder(variables).encode(deep)
    finally:
        sys.setrecursionlimit(usual)
    assert encoded.unsupported == "a condition nested so deeply"


def test_a_long_chain_of_alternatives_is_modelled():
    chain = " || ".join(f"context.operation.amount == {n}" for n in range(5, 900, 2))
    assert check(chain, "principal", "resource", CASES["user"], FIVE) == (True, False)
