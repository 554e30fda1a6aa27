"""Offers only ever shrink, and people read what they are."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.access_requests import Offer, Plan, Total
from fleeting.core.errors import InvalidRequest
from fleeting.core.model import Operation, scope_operation
from fleeting.core.offers import (
    Narrowing,
    beyond,
    difference_words,
    narrowed,
    offer_words,
    operation_words,
    uses_words,
)
from tests.approving import TYPES, minutes, offer, refund

AMOUNT = ("payment_refund", "amount")
PLAN = Plan(10, minutes(60), (Total(*AMOUNT, 90_000),))
GONE = Operation("gone", ("do",), {})


def plan(**changes):
    return offer(plan=replace(PLAN, **changes))


@pytest.mark.parametrize(
    ("outer", "inner", "told"),
    [
        (offer(5), offer(6), "amount 6 is more than 5"),
        (offer(), offer(lifetime=minutes(6)), "a lifetime of 6m is more than 5m"),
        (offer(), offer(uses=2), "2 uses is more than 1 use"),
        (offer(), offer(uses=None), "any number of uses is more than 1 use"),
        (offer(), offer(operations=(refund(), refund())), "2 operations are more than 1"),
        (offer(), offer(operations=(GONE,)), "gone is not declared any more"),
        (offer(operations=(GONE,)), offer(), "payment_refund: was not asked for"),
        (offer(), offer(operations=(scope_operation("read"),)), "scope: was not asked for"),
        (offer(), plan(), "a plan is another thing"),
        (plan(), offer(), "a plan is another thing"),
        (plan(), plan(calls=11), "a plan of 11 tokens is more than 10"),
        (plan(), plan(duration=minutes(61)), "a plan for 61m is more than 1h"),
        (plan(), plan(totals=()), "amount of no bound is more than 90000"),
        (plan(), plan(totals=(Total(*AMOUNT, 90_001),)), "amount of 90001 is more than 90000"),
    ],
)
def test_what_is_beyond_an_offer_is_said(outer, inner, told):
    assert told in "; ".join(beyond(outer, inner, TYPES))


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (offer(), offer()),
        (offer(), offer(1)),
        (offer(uses=None), offer(uses=3)),
        (plan(), plan(calls=1, totals=(Total(*AMOUNT, 5), Total(*AMOUNT, 99_000)))),
        (
            offer(operations=(scope_operation("read"),)),
            offer(operations=(scope_operation("read"),)),
        ),
    ],
)
def test_what_is_within_an_offer_is_not_beyond_it(outer, inner):
    assert beyond(outer, inner, TYPES) == ()


def test_each_part_can_be_made_less_and_the_rest_stays():
    both = offer(operations=(refund(), refund(9, payment_id="43")), uses=3)
    kept = (refund(20, currency=("EUR",)),)
    assert narrowed(both, Narrowing(operations=kept), TYPES) == replace(both, operations=kept)
    assert narrowed(both, Narrowing(lifetime=minutes(1)), TYPES).lifetime == minutes(1)
    assert narrowed(both, Narrowing(uses=2), TYPES).uses == 2


def test_the_texts_of_an_operation_stay_those_of_who_asked():
    wanted = refund(20, note="for somebody else")
    less = narrowed(offer(), Narrowing(operations=(wanted,)), TYPES)
    assert less.operations == (refund(20),)


def test_a_plan_keeps_the_totals_that_are_not_named():
    other = Total("payment_refund", "other", Decimal("1.5"))
    both = plan(totals=(*PLAN.totals, other))
    wanted = Narrowing(plan=replace(PLAN, calls=5, totals=(Total(*AMOUNT, 7),)))
    less = narrowed(both, wanted, TYPES)
    assert less.plan == Plan(5, PLAN.duration, (other, Total(*AMOUNT, 7)))
    assert narrowed(both, Narrowing(plan=replace(both.plan, calls=5)), TYPES).plan.calls == 5
    named = Narrowing(plan=replace(PLAN, totals=(Total(*AMOUNT, 1),)))
    assert narrowed(plan(), named, TYPES).plan.totals == (Total(*AMOUNT, 1),)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Narrowing(), "changes nothing"),
        (Narrowing(operations=()), "deny it"),
        (Narrowing(operations=(refund(), Operation("scope", (), {}))), "leave the operation out"),
        (Narrowing(uses=2), "never makes wider: 2 uses is more than 1 use"),
        (Narrowing(operations=(refund(50_001),), lifetime=minutes(9)), "more than 50000; a life"),
        (Narrowing(plan=PLAN), "a plan is another thing"),
    ],
)
def test_nothing_is_ever_made_wider(wanted, told):
    with pytest.raises(InvalidRequest, match=told):
        narrowed(offer(), wanted, TYPES)


@pytest.mark.parametrize(
    "total",
    [
        Total(*AMOUNT, Decimal("500.5")),
        Total("payment_refund", "payment_id", 1),
        Total("payment_refund", "gone", 1),
        Total("gone", "amount", 1),
        Total("", "amount", 1),
    ],
)
def test_a_total_that_would_bound_nothing_is_not_set(total):
    with pytest.raises(InvalidRequest, match="plan: "):
        narrowed(plan(totals=()), Narrowing(plan=replace(PLAN, totals=(total,))), TYPES)


def test_nor_one_of_an_operation_that_does_not_say_how_much():
    unbounded = refund()
    del (fields := dict(unbounded.fields))["amount"]
    kept = replace(plan(totals=()), operations=(replace(unbounded, fields=fields),))
    with pytest.raises(InvalidRequest, match="needs a amount"):
        narrowed(kept, Narrowing(plan=PLAN), TYPES)


def test_what_is_to_add_up_from_now_on_is_used_once_per_token():
    before = replace(plan(totals=()), uses=None)
    assert narrowed(before, Narrowing(plan=PLAN), TYPES).uses == 1
    assert narrowed(before, Narrowing(plan=PLAN, uses=3), TYPES).uses == 3


def test_of_two_operations_that_are_alike_one_is_told_to_be_gone():
    two = offer(operations=(refund(), refund()))
    less = narrowed(two, Narrowing(operations=(refund(),)), TYPES)
    assert difference_words(two, less, TYPES)[0].startswith("without Refund one payment")


AMOUNTS = st.integers(1, 100)
OPERATIONS = st.builds(
    lambda amount, actions, currency, id_, note: refund(
        amount, *actions, currency=currency, payment_id=id_, note=note
    ),
    AMOUNTS,
    st.sampled_from([("refund",), ("void",), ("refund", "void")]),
    st.sampled_from([("EUR",), ("USD", "EUR"), "USD"]),
    st.sampled_from("12"),
    st.sampled_from("ab"),
)
LISTS = st.lists(OPERATIONS, min_size=1, max_size=3).map(tuple)
PLANS = st.builds(
    lambda calls, time, most: Plan(calls, minutes(time), (Total(*AMOUNT, most),)),
    AMOUNTS,
    AMOUNTS,
    AMOUNTS,
)
USES = st.none() | st.integers(1, 3)
OFFERS = st.builds(Offer, LISTS, st.integers(1, 9).map(minutes), USES, st.none() | PLANS)
WANTED = st.builds(
    Narrowing,
    st.none() | LISTS,
    st.none() | st.integers(1, 9).map(minutes),
    USES,
    st.none() | PLANS,
)


@given(OFFERS, WANTED)
def test_whatever_is_wanted_the_result_is_within_the_offer_or_there_is_none(before, wanted):
    try:
        after = narrowed(before, wanted, TYPES)
    except InvalidRequest:
        return
    assert beyond(before, after, TYPES) == ()
    assert after != before
    assert difference_words(before, after, TYPES)
    texts = {operation.fields["note"] for operation in before.operations}
    assert {operation.fields["note"] for operation in after.operations} <= texts


@given(OFFERS, OFFERS, OFFERS)
def test_to_be_within_is_transitive(a, b, c):
    assert beyond(a, a, TYPES) == ()
    if not beyond(a, b, TYPES) and not beyond(b, c, TYPES):
        assert not beyond(a, c, TYPES)


# Words.


def test_an_offer_is_told_in_the_words_of_its_types():
    assert offer_words(offer(), TYPES) == (
        (
            'Refund one payment (refund): payment_id "42", amount at most 50000 cent, '
            'currency "EUR" or "USD"'
        ),
        "one token: lives 5m, 1 use",
    )
    assert offer_words(plan(), TYPES)[1:] == (
        "each token: lives 5m, 1 use",
        "at most 10 tokens within 1h",
        "all together payment_refund.amount at most 90000 cent",
    )
    foreign = plan(calls=1, totals=(Total("gone", "x", 1), Total("payment_refund", "x", 2)))
    assert offer_words(foreign, TYPES)[2:] == (
        "at most 1 token within 1h",
        "all together gone.x at most 1",
        "all together payment_refund.x at most 2",
    )


def test_what_is_not_declared_any_more_is_said_to_be_so():
    assert operation_words(GONE, TYPES) == "gone (not declared any more)"
    assert operation_words(scope_operation("read"), TYPES) == "OAuth scopes (read)"
    assert difference_words(offer(operations=(GONE,)), offer(operations=(GONE,)), TYPES) == (
        "without gone (not declared any more)",
    )


def test_how_an_offer_is_less_is_said_part_by_part():
    before = offer(
        operations=(refund(50_000, "refund", "void"), refund(9, payment_id="43")), uses=3
    )
    after = Offer((refund(20, currency=("EUR",)),), minutes(1), 1)
    assert difference_words(before, after, TYPES) == (
        "without void",
        "amount at most 20 cent, not amount at most 50000 cent",
        'currency "EUR", not currency "EUR" or "USD"',
        (
            'without Refund one payment (refund): payment_id "43", amount at most 9 cent, '
            'currency "EUR" or "USD"'
        ),
        "lives 1m, not 5m",
        "1 use, not 3 uses",
    )
    assert difference_words(plan(), plan(calls=1), TYPES)[0] == "plan: at most 1 token within 1h"
    assert difference_words(before, before, TYPES) == ()
    assert uses_words(None) == "any number of uses"
