from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.limits import (
    NO_LOGIN,
    Ceilings,
    Terms,
    approvals_needed,
    ceilings,
    describe_approvals,
    is_at_least,
    parse_approval,
    strictest,
    stronger,
)
from fleeting.core.model import (
    ApprovalStage,
    Client,
    Limits,
    Resource,
    SenderConstraint,
    SenderKey,
    StepUp,
)
from fleeting.core.operations import declare_type
from tests.core.asking import plain_request

NONE, DPOP, MTLS = SenderConstraint
MINUTE = timedelta(minutes=1)
REFUND = declare_type("refund", {"actions": ["refund"], "max_lifetime": "3m", "max_uses": 3})
SENSITIVE = declare_type("wire", {"actions": ["send"], "sensitive": True})


def above(*, type_=None, held=DPOP, client=None, resource=None, **cap):
    key = None if held is NONE else SenderKey(held, "thumbprint")
    request = plain_request(
        client=Client("bot", frozenset(), **(client or {})),
        resource=Resource("https://api", frozenset(), **(resource or {})),
        key=key,
    )
    return ceilings(request, type_, **cap)


def test_a_permit_that_says_nothing_gives_five_minutes_bound_to_a_key():
    assert above().over(Terms()) == Limits(5 * MINUTE, None, DPOP)


def test_a_permit_that_is_silent_gives_what_the_ceilings_say():
    assert above(client={"max_lifetime": 10 * MINUTE}).over(Terms()).lifetime == 10 * MINUTE


def test_the_strictest_ceiling_wins_over_the_permit():
    given_ = above(
        type_=REFUND,
        client={"max_lifetime": 2 * MINUTE, "max_uses": 9},
        resource={"max_lifetime": 4 * MINUTE, "max_uses": 2},
    )
    assert given_.over(Terms(lifetime=9 * MINUTE, uses=5)) == Limits(2 * MINUTE, 2, DPOP)
    assert given_.over(Terms(lifetime=MINUTE, uses=1)) == Limits(MINUTE, 1, DPOP)


def test_nothing_lives_longer_than_the_installations_own_cap():
    assert above().over(Terms(lifetime=timedelta(hours=5))).lifetime == timedelta(hours=1)
    assert above(hard_cap=MINUTE).over(Terms()).lifetime == MINUTE


def test_a_sensitive_type_is_spent_once_unless_its_permit_says_otherwise():
    assert above(type_=SENSITIVE).over(Terms()).uses == 1
    assert above(type_=SENSITIVE, client={"max_uses": 7}).over(Terms()).uses == 1
    assert above(type_=SENSITIVE).over(Terms(uses=5)).uses == 5


def test_only_a_bearer_client_goes_without_a_key_and_never_for_a_sensitive_type():
    bearer = {"insecure_bearer": True}
    assert above(client=bearer, held=NONE).over(Terms()).bound is NONE
    assert above(client=bearer, held=NONE).over(Terms(bound=DPOP)).bound is DPOP
    assert above(client=bearer, held=NONE, type_=SENSITIVE).over(Terms(bound=NONE)).bound is DPOP
    assert above(held=NONE).over(Terms(bound=NONE)).bound is DPOP


def test_a_token_is_bound_at_least_as_its_key_can():
    assert above(held=MTLS).over(Terms()).bound is MTLS
    assert above(held=DPOP, client={"insecure_bearer": True}).over(Terms()).bound is DPOP
    assert above(held=DPOP).over(Terms(bound=MTLS)).bound is MTLS


def test_approvals_and_step_up_are_the_permits_own():
    terms = Terms(approvals=(ApprovalStage(2, "leads"),), step_up=StepUp(("gold",)))
    limits = above().over(terms)
    assert (limits.approvals, limits.step_up) == (terms.approvals, terms.step_up)
    assert approvals_needed(limits) == 2


def test_constraints_are_ordered():
    assert [stronger(a, b) for a, b in product(SenderConstraint, repeat=2)] == [
        *(NONE, DPOP, MTLS),
        *(DPOP, DPOP, MTLS),
        *(MTLS, MTLS, MTLS),
    ]
    assert is_at_least(MTLS, DPOP)
    assert not is_at_least(NONE, DPOP)


@pytest.mark.parametrize(
    ("text", "stages"),
    [
        ("2 of payments-leads", (ApprovalStage(2, "payments-leads"),)),
        ("2 of a, then 1 of b", (ApprovalStage(2, "a"), ApprovalStage(1, "b"))),
    ],
)
def test_approvals_are_read_and_written(text, stages):
    assert parse_approval(text) == stages
    assert describe_approvals(stages) == text


@pytest.mark.parametrize(
    "text",
    ["", "leads", "0 of leads", "two of leads", "2 of", "2 of a b", "2 of a,1 of b", "1 of "],
)
def test_any_other_text_is_no_approval(text):
    with pytest.raises(ValueError, match="write such as"):
        parse_approval(text)


def test_the_strictest_of_two_keeps_both():
    a = Limits(MINUTE, None, DPOP, parse_approval("2 of a, then 1 of b"), StepUp(("x", "y")))
    b = Limits(2 * MINUTE, 3, MTLS, parse_approval("1 of a"), StepUp(("y", "z"), MINUTE))
    assert strictest(a, b) == Limits(
        MINUTE, 3, MTLS, parse_approval("2 of a, then 1 of b"), StepUp(("y",), MINUTE)
    )


def test_stages_of_one_group_add_up_for_they_want_other_people():
    a = Limits(MINUTE, approvals=parse_approval("1 of a, then 1 of a"))
    assert strictest(a, Limits(MINUTE)).approvals == parse_approval("2 of a")


def test_two_logins_that_cannot_be_one_are_met_by_none():
    a, b = Limits(MINUTE, step_up=StepUp(("x",))), Limits(MINUTE, step_up=StepUp(("y",)))
    assert strictest(a, b).step_up == StepUp((NO_LOGIN,))


def test_a_demand_for_freshness_alone_leaves_the_other_login():
    a, b = Limits(MINUTE, step_up=StepUp((), MINUTE)), Limits(MINUTE, step_up=StepUp(("y",)))
    assert strictest(a, b).step_up == StepUp(("y",), MINUTE)
    assert strictest(b, Limits(MINUTE)).step_up == StepUp(("y",))


any_limits = st.builds(
    Limits,
    st.integers(1, 300).map(lambda seconds: timedelta(seconds=seconds)),
    st.none() | st.integers(1, 5),
    st.sampled_from(SenderConstraint),
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 3)).map(
        lambda counts: tuple(ApprovalStage(n, group) for group, n in sorted(counts.items()))
    ),
)


def within(inner, outer):
    counts = {stage.group: stage.count for stage in inner.approvals}
    return (
        inner.lifetime <= outer.lifetime
        and (outer.uses is None or (inner.uses is not None and inner.uses <= outer.uses))
        and is_at_least(inner.bound, outer.bound)
        and all(counts.get(stage.group, 0) >= stage.count for stage in outer.approvals)
    )


@given(any_limits, any_limits)
def test_the_strictest_is_within_both(a, b):
    met = strictest(a, b)
    assert within(met, a)
    assert within(met, b)
    assert strictest(a, a) == a


@given(any_limits, st.none() | st.integers(1, 5), st.sampled_from(SenderConstraint))
def test_limits_are_never_beyond_the_ceilings(wanted, uses, held):
    ceiling = Ceilings(2 * MINUTE, uses, DPOP, held)
    terms = Terms(wanted.lifetime, wanted.uses, wanted.bound, wanted.approvals)
    limits = ceiling.over(terms)
    assert within(limits, Limits(2 * MINUTE, uses, DPOP))
    assert within(limits, wanted)
