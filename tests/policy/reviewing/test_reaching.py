"""What is said to change nothing must change nothing: held against the decisions themselves."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleeting.core.operations import declare_type
from fleeting.policy import PolicySource, PolicyWorld, load_policies
from fleeting.policy.reviewing import Declared, review
from tests.policy.conftest import WORLD
from tests.policy.reviewing.conftest import API, BOT, REFUND

AMOUNT = "context.operation.amount"
LATER = 'context.now.offset(duration("1h")).toTime()'
FIVE_O_CLOCK = 'duration("5h")'
FIVE = timedelta(minutes=5)


# Never matches.


def test_numbers_that_cannot_be_at_once_are_told_with_what_is_left(warnings, permit):
    assert warnings(permit(f"{AMOUNT} > 5000 && {AMOUNT} < 100"), "never-matches") == [
        (
            "3:26: no request can satisfy this permit: what it asks of `context.operation.amount` "
            "cannot be (it contradicts another condition, the scope, or what is declared: "
            "by the rest, it is at least 5001)"
        )
    ]
    (told,) = warnings(permit(f"{AMOUNT} < 3 && {AMOUNT} == 7"), "never-matches")
    assert "by the rest, it is at least 0 and at most 2)" in told


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        (f"{AMOUNT} < 0", "`context.operation.amount` cannot be"),
        ("context.delegation_depth < 0", "`context.delegation_depth` cannot be"),
        ("context has auth_age && context.auth_age < 0", "`context.auth_age` cannot be"),
        (
            'context.now.toTime() >= duration("19h") && context.now.toTime() <= duration("7h")',
            "3:20: no request can satisfy this permit: what it asks of `context.now.toTime()`",
        ),
        ('context.now.toTime() > duration("24h")', "of `context.now.toTime()` cannot be"),
        (f"{LATER} > {FIVE_O_CLOCK} && {LATER} < {FIVE_O_CLOCK}", "of each other cannot be"),
        (
            "context.operation.amount + 1 > 5 && context.operation.amount + 1 < 5",
            "of each other cannot be",
        ),
        (
            'context.operation.payment_id == "A" && context.operation.payment_id == "B"',
            "`context.operation",
        ),
        ("principal is Client", "of `principal` cannot be"),
        ('!(principal in Group::"support")', "of `principal` cannot be"),
        ("false", "of each other cannot be"),
    ],
)
def test_what_cannot_be_is_told(warnings, permit, condition, told):
    scope = f'principal is User in Group::"support", {REFUND}, resource'
    (found,) = warnings(permit(condition, scope=scope), "never-matches", users=("",))
    assert told in found


def test_a_forbid_that_cannot_be_is_a_hole_and_is_told(warnings, forbid):
    (told,) = warnings(forbid(f"{AMOUNT} > 9 && {AMOUNT} < 5"), "never-matches")
    assert "no request can satisfy this forbid" in told


def test_declared_bounds_count_where_every_type_has_them(warnings, permit):
    def amount(**bounds):
        return {"actions": ["go"], "fields": {"n": {"kind": "at_most", **bounds}}}

    types = {
        "a": amount(type="integer", maximum=10),
        "b": amount(type="integer", maximum=20, minimum=-5),
        "c": amount(type="decimal", maximum="1.5"),
        "d": {"actions": ["go"], "fields": {"n": {"kind": "exact", "type": "integer"}}},
    }
    at = PolicyWorld(types={name: declare_type(name, each) for name, each in types.items()})

    def told(condition, *names):
        actions = ", ".join(f'Action::"{name}"' for name in names)
        scope = f"principal, action in [{actions}], resource"
        return len(warnings(permit(condition, scope=scope), "never-matches", at=at))

    assert told("context.operation.n > 10", "a") == 1
    assert told("context.operation.n > 10", "a", "b") == 0
    assert told("context.operation.n > 20", "a", "b") == 1
    assert told("context.operation.n < -5", "a", "b") == 1
    assert told("context.operation.n < -5", "a", "b", "d") == 0
    assert told('context.operation.n.greaterThan(decimal("1.5"))', "c") == 1
    assert told('context.operation.n.greaterThan(decimal("1.4999"))', "c") == 0


# Always overridden.


def test_a_forbid_over_all_of_a_permit_is_told(warnings, permit, forbid):
    text = permit(f"{AMOUNT} > 5000") + forbid(f"{AMOUNT} > 1000")
    assert warnings(text, "always-overridden") == [
        (
            "1:1: whatever this permits, `f` (test.cedar:4) forbids "
            "(narrow the forbid, or delete the permit)"
        )
    ]
    assert (
        warnings(permit(f"{AMOUNT} > 500") + forbid(f"{AMOUNT} > 1000"), "always-overridden") == []
    )
    unconditional = forbid(scope='principal, action in Action::"payment_refund", resource')
    assert len(warnings(permit() + unconditional, "always-overridden")) == 1


def test_a_forbid_of_fewer_actions_leaves_a_way(warnings, permit, forbid):
    both = 'principal, action in Action::"transfer", resource'
    one = 'principal, action == Action::"transfer:make", resource'
    text = permit(scope=both) + forbid(scope=one)
    assert warnings(text, "always-overridden") == []
    other = forbid(scope=one.replace("make", "cancel"), id_="g")
    assert warnings(text + other, "always-overridden") == []  # it takes both: a solver's task
    assert len(warnings(permit(scope=one) + forbid(scope=both), "always-overridden")) == 1


CAP = (
    "!(context.limits.uses == 1 && context.limits.lifetime <= 300 && context.limits.approvals < 9)"
)


@pytest.mark.parametrize(
    ("says", "given_"),
    [
        ('@uses("5")', "lifetime 5m, uses 5"),
        ("", "lifetime 5m, unlimited uses"),
        ('@uses("1") @lifetime("10m")', "lifetime 10m, uses 1"),
    ],
)
def test_limits_that_a_cap_refuses_are_told(warnings, permit, forbid, says, given_):
    (told,) = warnings(permit(says=says) + forbid(CAP), "always-overridden")
    assert told.endswith(f"(it reads context.limits, and this gives {given_})")


@pytest.mark.parametrize(
    ("says", "changes"),
    [
        ('@uses("1")', {}),
        ('@uses("1") @lifetime("10m")', {"resources": (replace(API, max_lifetime=FIVE),)}),
        (
            '@uses("1") @lifetime("10m")',
            {"resources": (API, replace(API, identifier="https://b", max_lifetime=FIVE))},
        ),
        ('@uses("5")', {"resources": (replace(API, types=frozenset()),)}),
        ('@uses("5")', {"clients": ()}),
    ],
)
def test_limits_that_may_pass_a_cap_are_not_told(warnings, permit, forbid, says, changes):
    assert warnings(permit(says=says) + forbid(CAP), "always-overridden", **changes) == []


# Redundant.


def test_a_permit_within_another_is_told(warnings, permit):
    text = permit(f"{AMOUNT} <= 100") + permit(f"{AMOUNT} <= 5000", id_="b")
    assert warnings(text, "redundant-permit") == [
        (
            "1:1: `b` (test.cedar:4) permits whatever this permits, and is chosen before it "
            "(delete it, or make it wider, or its limits narrower)"
        )
    ]


def test_of_two_that_say_the_same_the_later_is_redundant(warnings, permit):
    (told,) = warnings(permit() + permit(id_="b") + permit(id_="c"), "redundant-permit")[:1]
    assert told.startswith("3:1: `a` (test.cedar:1)")
    assert len(warnings(permit() + permit(id_="b") + permit(id_="c"), "redundant-permit")) == 2


def test_others_do_not_replace_it(warnings, permit):
    for other in (
        permit(id_="b", scope=f'principal in Group::"finance", {REFUND}, resource'),
        permit(id_="b", scope='principal, action in Action::"transfer", resource'),
        permit("context.delegation_depth < 1", id_="b"),
    ):
        told = warnings(permit() + other, "redundant-permit")
        assert not any(each.startswith("1:1:") for each in told)


def test_what_is_a_path_only_with_a_reason_replaces_nothing_that_needs_none(warnings, permit):
    glass = '@break_glass("alarm leads, review in 24h")'
    told = warnings(permit(says=glass) + permit(id_="b"), "redundant-permit")
    assert not any("`a`" in each and "permits whatever" in each for each in told)
    assert len(warnings(permit(says=glass) + permit(id_="b", says=glass), "redundant-permit")) == 1


SAME = ('@uses("1") @lifetime("60s")', '@uses("1") @lifetime("60s")')


@pytest.mark.parametrize(
    ("wide", "narrow", "sensitive"),
    [
        (*SAME, False),
        ('@lifetime("60s")', '@lifetime("60s") @approval("1 of leads")', False),
        ('@lifetime("9m")', '@lifetime("60s") @approval("1 of leads")', False),
        ('@approval("1 of a")', '@approval("1 of b, then 1 of c")', False),
        ('@lifetime("60s")', '@lifetime("61s")', False),
        ('@lifetime("5m")', "", False),
        ('@uses("2")', '@uses("3")', False),
        ('@uses("2")', "", False),
        ('@uses("1")', "", True),
        ("", "", True),
        ("", '@step_up("gold")', False),
        ('@step_up("gold")', '@step_up("gold")', False),
        ("", '@bound("mtls")', False),
        ('@bound("none")', '@bound("dpop")', False),
    ],
)
def test_what_asks_no_more_replaces(warnings, permit, wide, narrow, sensitive):
    assert len(_redundant(warnings, permit, wide, narrow, sensitive=sensitive)) == 1


@pytest.mark.parametrize(
    ("wide", "narrow", "sensitive"),
    [
        ('@approval("1 of leads")', "", False),
        ('@approval("1 of a")', '@approval("1 of b")', False),
        ('@lifetime("6m")', "", False),
        ("", '@lifetime("60s")', False),
        ("", '@lifetime("10m")', False),
        ('@uses("2")', '@uses("1")', False),
        ("", '@uses("2")', False),
        ('@uses("2")', "", True),
        ('@step_up("gold")', "", False),
        ('@step_up("gold")', '@step_up("silver")', False),
        ('@bound("mtls")', "", False),
    ],
)
def test_what_asks_more_or_gives_more_does_not(warnings, permit, wide, narrow, sensitive):
    assert _redundant(warnings, permit, wide, narrow, sensitive=sensitive) == []


def _redundant(warnings, permit, wide, narrow, *, sensitive):
    type_ = "transfer" if sensitive else "payment_refund"
    scope = f'principal in Group::"support", action in Action::"{type_}", resource'
    text = permit("context.delegation_depth < 1", says=narrow, scope=scope)
    return warnings(text + permit(id_="b", says=wide, scope=scope), "redundant-permit")


# All three, of any set of policies: without the policy, every decision is the same.

CONDITIONS = st.sampled_from(
    [
        *("true", "context.operation.amount <= 10", "context.operation.amount <= 20"),
        *("context.operation.amount > 10", "context.operation.amount >= 5"),
        *('context.operation.payment_id == "A"', 'context.operation.payment_id != "A"'),
        *('principal in Group::"support"', "principal is Client", "principal is User"),
    ]
)
BODIES = st.one_of(
    CONDITIONS,
    st.builds("{} && {}".format, CONDITIONS, CONDITIONS),
    st.builds("{} || {}".format, CONDITIONS, CONDITIONS),
    st.builds("!({} && {})".format, CONDITIONS, CONDITIONS),
)
LIMITS = st.sampled_from(
    ["context.limits.uses == 1", "context.limits.lifetime <= 60", "context.limits.uses > 1"]
)
SAYS = st.sampled_from(
    [
        *("", '@uses("1")', '@uses("2")', '@lifetime("60s")', '@lifetime("10m")'),
        *('@approval("1 of leads")', '@uses("1") @lifetime("60s")', '@bound("mtls")'),
    ]
)
SCOPES = st.sampled_from(
    [
        f"principal, {REFUND}, resource",
        f'principal in Group::"support", {REFUND}, resource',
        f'principal == Client::"bot", {REFUND}, resource',
        'principal, action in Action::"payment_refund", resource == Resource::"https://api"',
    ]
)
PERMITS = st.builds("{} permit ({}) when {{ {} }};".format, SAYS, SCOPES, BODIES)
FORBIDS = st.builds(
    "forbid ({}) {} {{ {} }};".format, SCOPES, st.sampled_from(["when", "unless"]), BODIES | LIMITS
)
SETS = st.lists(PERMITS, min_size=2, max_size=4).flatmap(
    lambda permits: st.lists(FORBIDS, max_size=2).map(lambda forbids: [*permits, *forbids])
)


@given(SETS)
@settings(max_examples=60, deadline=None)
def test_without_a_policy_that_changes_nothing_every_decision_is_the_same(refund, ask, now, set_):
    texts = {f"p{place}": f'@id("p{place}") {text}\n' for place, text in enumerate(set_)}
    declared = Declared(clients=(BOT,), resources=(API,), users=("",))
    bundle = _load(texts)
    found = [
        each
        for each in review(bundle, declared)
        if each.rule in ("never-matches", "always-overridden", "redundant-permit")
    ]
    requests = [
        ask(refund(amount, payment_id=payment), groups=groups)
        for amount in (0, 5, 10, 11, 20, 21)
        for groups in ((), ("support",))
        for payment in "AB"
    ]
    for problem in found:
        without = _load({id_: text for id_, text in texts.items() if id_ != problem.policy})
        for request in requests:
            before, after = (_outcome(each, request, now) for each in (bundle, without))
            if problem.rule == "always-overridden":  # it was never granted by this permit
                assert before[0] != "permitted" or problem.policy != _chosen(bundle, request, now)
            else:
                assert before == after, (problem, texts)


def _load(texts):
    return load_policies([PolicySource("test.cedar", "".join(texts.values()))], WORLD)


def _outcome(bundle, request, now):
    (answer,) = bundle.decide(request, now=now).answers
    limits = answer.paths[0].limits if answer.paths and answer.verdict == "permitted" else None
    return answer.verdict, limits


def _chosen(bundle, request, now):
    (answer,) = bundle.decide(request, now=now).answers
    return answer.paths[0].policy if answer.paths else ""
