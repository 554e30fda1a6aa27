from datetime import timedelta

import pytest

from fleeting.policy.proving.comparing import Change, compare, difference_of
from fleeting.policy.proving.solving import Effort
from tests.policy.proving.conditions import NOW
from tests.policy.proving.rules import forbid, permit

SMALL = permit("small", '@lifetime("60s") @uses("1")', "context.operation.amount <= 100")
LARGE = permit("large", '@uses("1") @approval("2 of leads")', "context.operation.amount <= 900")


def changes(old, new, parties, effort):
    found = compare(old, new, parties, effort)
    assert not found.equivalent
    for each in found.differences:
        assert difference_of(each.case, old, new) == each
    return {(each.change, each.policy) for each in found.differences}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (SMALL + LARGE, LARGE + SMALL),
        (SMALL, SMALL.replace("<= 100", "< 101")),
        (
            SMALL,
            SMALL + permit("other", '@lifetime("60s") @uses("1")', "context.operation.amount < 5"),
        ),
        (SMALL, SMALL + forbid("never", "context.operation.amount > 100")),
        (SMALL, SMALL.replace("60s", "1m").replace("small", "little")),
    ],
)
def test_sets_that_decide_alike_are_proved_equivalent(pay, parties, effort, old, new):
    found = compare(pay(old), pay(new), parties, effort)
    assert found.equivalent, found.differences
    assert (found.gaps, found.tried) == ((), 0)


def test_what_becomes_permitted_or_denied_is_told_by_policy(pay, parties, effort):
    wider = SMALL + LARGE.replace("900", "901")
    assert changes(pay(SMALL + LARGE), pay(wider), parties, effort) == {(Change.PERMITTED, "large")}
    assert changes(pay(wider), pay(SMALL + LARGE), parties, effort) == {(Change.DENIED, "large")}
    capped = SMALL + LARGE + forbid("cap", "context.operation.amount > 50")
    assert changes(pay(SMALL + LARGE), pay(capped), parties, effort) == {
        (Change.DENIED, "small"),
        (Change.DENIED, "large"),
    }


def test_other_limits_are_a_difference(pay, parties, effort):
    longer = SMALL.replace("60s", "61s")
    assert changes(pay(SMALL), pay(longer), parties, effort) == {(Change.LIMITS, "small")}
    stepped = SMALL.replace("@uses", '@step_up("gold") @uses')
    assert (Change.LIMITS, "small") in changes(pay(SMALL), pay(stepped), parties, effort)


def test_a_permit_that_asks_less_can_deny_by_what_it_grants(pay, parties, effort):
    cap = forbid("single", "context.limits.uses > 1")
    old, new = (
        pay(LARGE + cap),
        pay(LARGE + cap + permit("any", "", "context.operation.amount < 5")),
    )
    assert changes(old, new, parties, effort) == {(Change.DENIED, "large")}


def test_what_is_not_modelled_is_a_gap_and_is_tried(pay, parties, effort):
    odd = permit("odd", when='ip("127.0.0.1").isLoopback() && context.operation.amount == 777')
    found = compare(pay(SMALL), pay(SMALL + odd), parties, effort)
    assert not found.equivalent
    assert found.gaps == ("policy 'odd' uses isLoopback, which is not modelled",)
    assert found.tried > 0
    (difference,) = found.differences  # which boundary values show
    assert (difference.change, difference.policy) == (Change.PERMITTED, "odd")


def test_the_same_policy_that_is_not_modelled_in_both_sets_changes_nothing(pay, parties, effort):
    odd = permit("odd", when='ip("127.0.0.1").isLoopback()')
    wider = compare(
        pay(odd + SMALL), pay(odd + SMALL.replace("100", "100 || false")), parties, effort
    )
    assert wider.equivalent


def test_no_answer_in_time_leaves_a_gap(pay, parties):
    amount, urgency = "context.operation.amount", "context.request.urgency"
    cubic = f"{amount} * {amount} * {amount} == {urgency} * {urgency} + 7"
    hard = f"context.request has urgency && {amount} > 1 && {cubic}"
    found = compare(
        pay(SMALL),
        pay(SMALL + permit("hard", when=hard)),
        parties,
        Effort(timedelta(milliseconds=1), NOW),
    )
    assert not found.equivalent


def test_the_scopes_of_an_installation_are_compared_too(world, load, effort):
    from fleeting.core.model import Client, Resource
    from fleeting.policy.proving.parties import Parties
    from tests.policy.proving.conditions import BOTH

    text = '@id("a") permit (principal, action == Action::"scope:payments:read", resource);'
    api = Resource("https://api", frozenset(), frozenset({"payments:read"}))
    parties = Parties((Client("bot", BOTH),), (api,))
    (found,) = compare(load(""), load(text), parties, effort).differences
    assert (found.change, found.action) == (Change.PERMITTED, "scope:payments:read")
    assert found.case.to_json()["scope"] == "payments:read"


GLASS = '@lifetime("60s") @uses("1") @break_glass("alarm leads, review in 24h")'


def test_that_a_path_needs_no_reason_any_more_is_a_difference(pay, parties, effort):
    glass, plain = permit("p", GLASS), permit("p", '@lifetime("60s") @uses("1")')
    assert changes(pay(glass), pay(plain), parties, effort) == {(Change.PERMITTED, "p")}
    assert changes(pay(plain), pay(glass), parties, effort) == {(Change.DENIED, "p")}


def test_a_path_for_emergencies_changes_what_is_asked_with_a_reason(pay, parties, effort):
    waits = permit("waits", '@uses("1") @approval("2 of leads")')
    (found,) = compare(pay(waits), pay(waits + permit("p", GLASS)), parties, effort).differences
    assert (found.change, found.policy) == (Change.LIMITS, "p")
    assert found.case.to_json()["break_glass"] == found.case.request.break_glass
    assert found.case.request.break_glass is not None
