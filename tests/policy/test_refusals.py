import json
from dataclasses import replace

import pytest

from fleeting.policy.outcomes import decide
from fleeting.policy.refusals import BUDGET, MOST_LOOKED_AT, MOST_TOLD, Refusals

REFUND = 'action == Action::"payment_refund:refund"'
MAKE = 'action == Action::"transfer:make"'
POLICIES = f"""\
@id("small") permit (principal in Group::"support", {REFUND}, resource)
when {{ context.operation.amount <= 100 }};
@id("large") @approval("2 of leads") permit (principal in Group::"support", {REFUND}, resource)
when {{ context.operation.amount <= 1000 && context.request has ticket }};
@id("secret") permit (principal in Group::"support", {REFUND}, resource)
when {{ context.operation.payment_id == "hidden" }};
@id("board") permit (principal in Group::"board", {REFUND}, resource)
when {{ context.operation.amount <= 77777 }};
@id("vip") permit (principal is User, {REFUND}, resource)
when {{ principal has level && principal.level > 5 }};
@id("make") @step_up("gold") @max_age("5m") permit (principal is User, {MAKE}, resource);
@id("late") permit (principal, action == Action::"transfer:cancel", resource)
when {{ context.now > datetime("2026-02-01") }};
@id("bound") @bound("dpop")
permit (principal, action == Action::"scope:payments:read", resource);
"""


def unnamed(told):
    return {k: v for k, v in told.items() if k not in ("type", "action", "operation")}


@pytest.fixture(scope="module")
def told(load):
    """Return what a refused caller reads, without the names of what it asked for."""
    bundle = load(POLICIES)
    refusals = Refusals(bundle)

    def told(asked):
        found = refusals.would_allow(asked, decide(bundle, asked))
        return [*map(unnamed, found)]

    return told


def test_the_caller_reads_what_it_could_ask_for_instead(told, suppose):
    assert told(suppose({"amount": 2000}, context={"ticket": "A"})) == [
        {"fields": {"amount": 100}},
        {"fields": {"amount": 1000}, "approval": True},
    ]


def test_a_missing_context_key_is_named_without_a_value(told, suppose):
    assert told(suppose({"amount": 500})) == [
        {"fields": {"amount": 100}},
        {"needs_context": ["ticket"], "approval": True},
    ]


def test_a_login_a_key_and_a_later_time_are_told(told, suppose):
    transfer = {"type": "transfer", "actions": ["make", "cancel"], "value": "5.00"}
    assert told(suppose(transfer, subject="ada")) == [
        {"login": {"acr": "gold", "fresh": True}},
        {"not_before": "2026-02-01T00:00:01Z"},
    ]


def test_what_is_permitted_is_told_nothing(told, suppose):
    assert told(suppose({"amount": 5})) == []


def test_what_it_is_about_is_named(load, suppose):
    bundle = load(POLICIES)
    asked = suppose({"amount": 2000})
    (first, *_) = Refusals(bundle).would_allow(asked, decide(bundle, asked))
    assert first == {
        "type": "payment_refund",
        "action": "refund",
        "operation": 0,
        "fields": {"amount": 100},
    }


@pytest.mark.parametrize(
    "more",
    [{"groups": ["sales"]}, {"subject": "ada"}, {"subject": "ada", "attributes": {"level": 1}}],
)
def test_nothing_of_what_others_may_is_told(told, suppose, more):
    assert told(suppose({"amount": 200_000}, **more)) == []


def test_others_groups_are_another_slice_of_the_same_policies(load, suppose):
    bundle = load(POLICIES)
    refusals = Refusals(bundle)
    for groups in (["support"], ["support", "board"], ["support"]):
        asked = suppose({"amount": 200_000}, groups=groups)
        (first, *_) = refusals.would_allow(asked, decide(bundle, asked))
        assert unnamed(first) == {"fields": {"amount": 77777 if "board" in groups else 100}}


def test_no_text_of_a_policy_no_group_and_no_id_is_told(told, suppose):
    asked = [
        suppose({"amount": amount}, context=context)
        for amount in (5, 500, 2000, 200_000)
        for context in ({}, {"ticket": "A"})
    ]
    text = json.dumps([told(each) for each in asked])
    for hidden in ("hidden", "board", "support", "leads", "small", "large", "77777", "level"):
        assert hidden not in text


def test_a_client_outside_its_ceiling_is_told_nothing(told, suppose):
    asked = suppose({"amount": 2000})
    client = replace(asked.request.client, types=frozenset())
    assert told(replace(asked, request=replace(asked.request, client=client))) == []


class Counting:
    """A bundle that counts how often it is asked."""

    def __init__(self, bundle):
        self.bundle, self.count = bundle, 0
        self.deciding = self

    def __getattr__(self, name):
        return getattr(self.bundle, name)

    def decide(self, *asked, now):
        self.count += 1
        return self.bundle.deciding.decide(*asked, now=now)


def test_one_refusal_asks_the_engine_a_bounded_number_of_times(load, suppose):
    tiers = "".join(
        f'@id("t{n}") @approval("1 of x") permit (principal, {REFUND}, resource) when {{'
        f" context.operation.amount == {n * 10} && context.request has urgency"
        f" && context.request.urgency == {n} }};"
        for n in range(1, 100)
    )
    bundle = Counting(load(tiers))
    several = [
        {"type": "payment_refund", "payment_id": f"{n}", "amount": 5, "currency": "EUR"}
        for n in range(16)
    ]
    asked = suppose(operations=several)
    told = Refusals(bundle).would_allow(asked, decide(bundle.bundle, asked))
    assert bundle.count <= BUDGET
    assert len(told) <= MOST_TOLD


def test_no_more_is_told_than_a_caller_can_read(load, suppose):
    bundle = load(
        f'@id("x") permit (principal, {REFUND}, resource) when {{ context.operation.amount == 1 }};'
    )
    several = [
        {"type": "payment_refund", "payment_id": f"{n}", "amount": 5, "currency": "EUR"}
        for n in range(10)
    ]
    asked = suppose(operations=several)
    told = Refusals(bundle).would_allow(asked, decide(bundle, asked))
    assert [each["operation"] for each in told] == [*range(MOST_TOLD)]


def test_all_that_one_alternative_needs_is_told_together(load, suppose):
    bundle = load(
        f'@id("x") permit (principal, {REFUND}, resource) when {{ context.operation.amount <= 100'
        ' && context.operation.currency.contains("USD") };'
        f'@id("y") permit (principal, {MAKE}, resource) when {{ context.request has ticket'
        " && context.request has urgency && context.request.urgency > 2 };"
        f'@id("z") permit (principal, action == Action::"transfer:cancel", resource) unless {{'
        " context.operation has final || context.request has ticket ||"
        " context.request has urgency };"
    )

    def told(asked):
        found = Refusals(bundle).would_allow(asked, decide(bundle, asked))
        return [*map(unnamed, found)]

    assert told(suppose()) == [{"fields": {"amount": 100, "currency": ["USD"]}}]
    transfer = {"type": "transfer", "actions": ["make"], "value": "5.00"}
    assert told(suppose(transfer)) == [{"needs_context": ["ticket"], "context": {"urgency": 3}}]
    cancel = {"type": "transfer", "actions": ["cancel"], "value": "5.00", "final": True}
    assert told(suppose(cancel)) == [{"without_fields": ["final"]}]
    assert told(suppose(cancel, context={"ticket": "A"})) == [
        {"without_context": ["ticket"], "without_fields": ["final"]}
    ]
    cancel.pop("final")
    assert told(suppose(cancel, context={"ticket": "A", "urgency": 1})) == [
        {"without_context": ["ticket", "urgency"]}
    ]


def test_among_hundreds_of_permits_only_so_many_are_taken_apart(load, suppose):
    """ATTACKS 33: the first refusal of a set must not hold up everybody else."""
    permits = [
        f'@id("p{n:03}") permit (principal in Group::"support", {REFUND}, resource)\n'
        f"when {{ context.operation.amount <= {n} }};"
        for n in range(1, 3 * MOST_LOOKED_AT)
    ]
    forbid = f'@id("no") forbid (principal, {REFUND}, resource) when {{ context has actor }};'
    bundle = load("\n".join([*permits, forbid]))
    refusals = Refusals(bundle)
    asked = suppose({"amount": 2000})
    assert refusals.would_allow(asked, decide(bundle, asked))
    assert len(refusals._taken) == MOST_LOOKED_AT
    assert "no" in refusals._taken
