"""What a permit was needed for is what was used of the tokens that it gave."""

from datetime import timedelta

import pytest

from tests.policy.usages import Sized, Used

POLICIES = """
@id("small") @lifetime("60s") @uses("2")
permit (principal in Group::"support", action == Action::"payment_refund:refund", resource)
when { context.operation.amount <= 5000 };
@id("large") @lifetime("5m") @uses("5")
permit (principal in Group::"support", action == Action::"payment_refund:refund", resource)
when { context.operation.amount <= 50000 };
@id("transfers") @uses("1")
permit (principal, action in Action::"transfer", resource);
"""


@pytest.fixture
def needs(ask, refund):
    used = [
        Used(ask(refund(100)), (1.0, 2.5)),
        Used(ask(refund(4000)), (7.0,), operation={"type": "x", "actions": ["y"], "amount": 1}),
        Used(ask(refund(9000)), ()),
        Used(ask(refund(90000)), (1.0,)),
        Used(ask("payments:read"), ()),
    ]
    return Sized(POLICIES, used).needed


def test_requests_tokens_and_uses_are_counted(needs):
    assert (needs.requests, needs.tokens, needs.uses) == (5, 5, 4)
    assert needs.refused == 1  # used once, and refused by the policies as they are now


def test_a_permit_is_chosen_or_stands_beside_a_better_path(needs):
    small, large = needs.of("small"), needs.of("large")
    assert small.chosen == {"payment_refund:refund": 2}
    assert small.beside == 0
    assert large.chosen == {"payment_refund:refund": 1}
    assert large.beside == 2
    assert not needs.of("transfers").chosen


def test_what_was_given_and_what_was_used_of_it_are_kept_apart(needs):
    small = needs.of("small")
    assert (small.tokens, small.used, small.uses, small.most_uses) == (2, 1, 2, 2)
    assert (small.lifetime, small.granted_uses) == (timedelta(minutes=1), 2)
    assert small.seconds.most == 2.5
    assert small.asked["amount"].most == 100
    assert small.served == {"amount": 100}
    assert small.told


def test_tokens_without_a_limit_of_uses_are_not_told_in_full(ask, refund):
    text = '@id("all") permit (principal, action, resource);'
    limited = text.replace("permit", '@uses("1") permit')
    assert not Sized(text, [Used(ask(refund(1)))] * 2).needed.of("all").told
    assert Sized(limited, [Used(ask(refund(1)))]).needed.of("all").told


def test_each_action_counts_for_the_permit_that_gave_it(ask, refund, transfer):
    both = ask(transfer(), refund(1))
    needs = Sized(POLICIES, [Used(both, operation=both.operations[0].to_json())]).needed
    assert needs.of("transfers").used == 1
    assert needs.of("small").used == 0
    assert needs.of("small").tokens == 1
