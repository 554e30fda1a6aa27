"""Proposals are no tighter than what was used, and say why; what is not known is left alone."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleeting.policy.rightsizing import Margins, Tightening, without
from tests.policy.usages import Sized, Used

SCOPE = 'principal in Group::"support", action == Action::"payment_refund:refund", resource'
SMALL = f"""
@id("small") @lifetime("5m") @uses("10") permit ({SCOPE})
when {{ context.operation.amount <= 500000 }};
"""


@pytest.fixture
def uses(ask, refund):
    """Make so many uses of tokens for refunds of these amounts."""

    def uses(*amounts, seconds=(1.0,), **more):
        return [Used(ask(refund(amount)), seconds, **more) for amount in amounts]

    return uses


def test_lifetime_uses_and_amount_come_down_to_what_was_used_with_some_headroom(uses):
    sized = Sized(SMALL, uses(98_765, 5, seconds=(3.0, 71.0)))
    assert sized.lines() == [
        ("small", '@lifetime("5m")', '@lifetime("90s")'),
        ("small", '@uses("10")', '@uses("3")'),
        (
            "small",
            "context.operation.amount <= 500000",
            "context.operation.amount <= 120000",
        ),
    ]
    assert sized.evidence() == [
        "2 tokens, 4 uses: the last use came at most 71.0s after issuance (99 of 100 within 71.0s)",
        "2 tokens, 4 uses: none was used more than 2 times",
        "2 tokens, 4 uses: what was used asked for at most 98765 (99 of 100: 98765)",
    ]
    assert sized.text_with() == (
        SMALL.replace("5m", "90s").replace('"10"', '"3"').replace("500000", "120000")
    )
    assert sized.trial().blamed == {}
    assert (sized.trial().tokens, sized.trial().uses) == (2, 4)


def test_a_policy_that_says_nothing_gets_an_annotation(uses):
    text = f'@id("plain") permit ({SCOPE});'
    sized = Sized(text, uses(5))
    assert sized.lines() == [
        ("plain", "lifetime 5m, by default or a ceiling", '@lifetime("10s")'),
    ]
    assert sized.text_with() == text.replace('"plain")', '"plain") @lifetime("10s")')


def test_what_was_served_is_told_where_it_is_less_than_what_was_asked_for(uses, refund):
    served = refund(7).to_json()
    sized = Sized(SMALL, uses(1000, operation=served))
    assert sized.evidence()[-1].endswith(", and at most 7 was served")


def test_what_was_all_used_is_left_as_it_is(uses):
    tight = SMALL.replace("5m", "10s").replace('"10"', '"1"').replace("500000", "1000")
    assert Sized(tight, uses(1000)).lines() == []


def test_a_permit_that_nobody_needed_is_to_go(uses):
    text = SMALL + '@id("never") permit (principal in Group::"x", action, resource);\n'
    sized = Sized(text, uses(1))
    assert sized.lines()[-1] == ("never", "permit never", "")
    assert sized.evidence()[-1] == "none of 1 request needed it"
    assert "never" not in sized.text_with()
    wide = SMALL + f'@id("wide") @lifetime("1h") permit ({SCOPE});\n'
    sized = Sized(wide, uses(1))
    assert sized.evidence()[-1] == (
        "none of 1 request needed it; 1 times it stood beside a better path"
    )


def test_an_action_that_nobody_asked_for_is_to_go(ask, transfer, uses):
    text = '@id("a") @uses("1") permit (principal, action in Action::"transfer", resource);'
    sized = Sized(text, [Used(ask(transfer()))])
    assert sized.lines()[-1] == (
        "a",
        'action in Action::"transfer"',
        'action == Action::"transfer:make"',
    )
    assert sized.evidence()[-1] == "1 token, 1 use: none of it for transfer:cancel"
    assert sized.trial().blamed == {}


@pytest.mark.parametrize(
    ("written", "amounts", "after"),
    [
        ("amount < 5000", (100,), "amount < 120"),
        ("amount >= 10", (100, 200), "amount >= 80"),
        ("amount > 10", (100, 200), "amount > 80"),
        ("amount >= 99", (100, 200), None),
        ("amount <= 120", (100, 200), None),
    ],
)
def test_every_kind_of_bound_moves_towards_what_was_used(uses, written, amounts, after):
    text = SMALL.replace("amount <= 500000", written)
    lines = [after for _, _, after in Sized(text, uses(*amounts)).lines() if "amount" in after]
    assert lines == ([] if after is None else [f"context.operation.{after}"])


def test_without_headroom_a_strict_bound_still_takes_what_was_used(uses):
    none = Margins(headroom=Decimal(0), least_uses=1)
    for written, after in (("amount < 5000", "amount < 101"), ("amount > 10", "amount > 99")):
        sized = Sized(SMALL.replace("amount <= 500000", written), uses(100), none)
        assert sized.lines()[-1][2] == f"context.operation.{after}"
        assert sized.trial().blamed == {}


def test_decimals_stay_decimals(ask, transfer):
    text = (
        '@id("a") @uses("1") permit (principal, action == Action::"transfer:make", resource)\n'
        'when { context.operation.value.lessThanOrEqual(decimal("500.00")) };'
    )
    sized = Sized(text, [Used(ask(transfer("9.87")))])
    assert 'decimal("12.0000")' in sized.text_with()
    assert sized.trial().blamed == {}


def test_too_few_uses_prove_nothing(uses):
    sized = Sized(SMALL, uses(1, 2), Margins(least_uses=20))
    assert sized.proposals == []
    assert sized.why_left() == {"small": "2 uses of its tokens; at least 20 are needed"}
    never = SMALL + '@id("never") permit (principal in Group::"x", action, resource);\n'
    assert Sized(never, uses(1), Margins(least_uses=20)).why_left()["never"] == (
        "nothing asked for it, but little was used at all"
    )


def test_what_guards_do_not_report_is_not_taken_for_unused(ask):
    text = '@id("read") permit (principal, action == Action::"scope:payments:read", resource);'
    sized = Sized(text, [Used(ask("payments:read"), ())] * 30)
    assert sized.proposals == []
    assert "guards do not report" in sized.why_left()["read"]


def test_a_lifetime_that_was_too_short_already_is_not_made_shorter(uses):
    sized = Sized(SMALL, uses(1, late=True))
    assert [each.what for each in sized.proposals] == [Tightening.USES, Tightening.BOUND]
    assert sized.why_left() == {"small": "its lifetime: 1 token came to be used only after the end"}


def test_a_bound_on_what_nobody_used_is_left_alone(ask, transfer):
    text = (
        '@id("a") @uses("1") permit (principal, action == Action::"transfer:make", resource)\n'
        "when { context.operation has final } when { context.operation.final };"
    )
    assert [each.what for each in Sized(text, [Used(ask(transfer(final=True)))]).proposals] == [
        Tightening.LIFETIME
    ]


def test_decisions_that_enforcement_points_ask_for_count_as_uses_but_show_no_lifetime(uses):
    sized = Sized(SMALL, [replace(each, evaluated=True) for each in uses(100, 200)])
    assert [each.what for each in sized.proposals] == [Tightening.BOUND]
    assert sized.evidence()[0].startswith("0 tokens, 2 uses: ")
    assert sized.why_left() == {
        "small": "its lifetime and uses: enforcement points ask for its decisions"
    }
    assert (sized.trial().uses, sized.trial().blamed) == (2, {})


def test_forbids_are_never_touched(uses):
    text = SMALL + '@id("no") forbid (principal in Group::"x", action, resource);\n'
    assert {each.policy for each in Sized(text, uses(1)).proposals} == {"small"}


def test_what_is_to_blame_is_taken_out_and_if_nothing_can_be_then_all(uses):
    proposals = Sized(SMALL, uses(1)).proposals
    assert [each.what for each in without(proposals, {"small": {Tightening.USES}})] == [
        Tightening.LIFETIME,
        Tightening.BOUND,
    ]
    assert without(proposals, {"other": {Tightening.USES}}) == []


POLICIES = f"""
@id("small") @lifetime("2m") @uses("3") permit ({SCOPE})
when {{ context.operation.amount <= 5000 }};
@id("middle") @lifetime("5m") @uses("9") permit ({SCOPE})
when {{ context.operation.amount < 50000 && context.operation.amount > 100 }};
@id("large") permit ({SCOPE}) when {{ context.operation.amount <= 500000 }};
@id("cap") forbid (principal, action, resource) unless {{ context.limits.lifetime >= 20 }};
"""


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 600_000), st.lists(st.floats(0, 300), max_size=3)),
        min_size=1,
        max_size=8,
    )
)
def test_what_stands_the_trial_refuses_no_use_and_gives_nobody_more(ask, refund, used):
    sized = Sized(POLICIES, [Used(ask(refund(a)), tuple(s)) for a, s in used])
    proposals, trial = sized.proposals, sized.trial()
    while trial.blamed:
        assert proposals
        proposals = without(proposals, trial.blamed)
        trial = sized.trial(sized.text_with(proposals))
    assert trial.requests == len(used)
    assert replace(trial, requests=0).blamed == {}
