"""Uses are counted for the tokens they are of, and numbers remembered in little room."""

from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.evidence import EntryKind, RecordedEntry
from fleeting.policy.usage import Sample, TokenUses, about, numbers

OPERATION = {"type": "refund", "actions": ["do", "undo"], "amount": 5, "final": True}


def row(jti="jti", seconds=1.0, kind=EntryKind.TOKEN_SPENT):
    at = 1_000_000 + int(seconds * 1_000_000)
    return RecordedEntry("writer", 1, kind, at, "", None, jti, "")


@pytest.fixture
def uses():
    uses = TokenUses()
    uses.issued("jti", 1_000_000, "note")
    return uses


def test_uses_are_counted_with_the_last_of_them_and_what_they_served(uses):
    uses.used(row(seconds=2.5), {"operation": OPERATION})
    uses.used(row(seconds=1), {"operation": {**OPERATION, "actions": ["stop"], "amount": 3}})
    uses.used(row("other"), {"operation": OPERATION})
    uses.used(row(seconds=9), {"operation": OPERATION, "repeated": True})
    (token,) = uses.tokens()
    assert len(uses) == 1
    assert (token.note, token.uses, token.seconds) == ("note", 2, 2.5)
    assert token.most == {"amount": 5}
    assert token.covers("refund", "undo")
    assert token.covers("refund", "stop")
    assert not token.covers("refund", "go")


@pytest.mark.parametrize("operation", [None, {"type": "refund"}, "GET /"])
def test_a_guard_that_does_not_say_what_it_served_served_any_action(uses, operation):
    uses.used(row(kind=EntryKind.CALL_SERVED), {"operation": operation})
    (token,) = uses.tokens()
    assert token.covers("any", "thing")


def test_a_use_that_came_too_late_is_none_but_is_remembered(uses):
    uses.used(row(kind=EntryKind.SPEND_REFUSED), {"reason": "spent"})
    (token,) = uses.tokens()
    assert not token.late
    uses.used(row(kind=EntryKind.SPEND_REFUSED), {"reason": "expired"})
    assert token.late
    assert token.uses == 0
    assert token.seconds == 0


def test_numbers_are_those_of_an_operation_that_are_compared():
    assert numbers({"a": 1, "b": True, "c": Decimal("1.5"), "d": "2", "e": (1,)}) == {
        "a": 1,
        "c": Decimal("1.5"),
    }


def test_a_sample_knows_its_ends_and_about_what_lies_between():
    sample = Sample()
    assert sample.within(0.99) == 0
    for value in range(1, 1001):
        sample.add(value)
    assert (sample.count, sample.least, sample.most) == (1000, 1, 1000)
    assert sample.within(0.5) == 500
    assert sample.within(0.99) == 990
    assert sample.within(1) == 1000
    assert replace(sample, count=2000).within(1) == 1000


@given(st.integers(-(2**63), 2**63) | st.decimals(-(10**14), 10**14, places=4))
def test_about_is_never_less_and_never_far(value):
    rounded = about(value)
    assert type(rounded) is type(value)
    assert value <= rounded <= value + abs(value) / 10 + 1
    assert about(value, ROUND_FLOOR) <= value


def test_about_keeps_the_kind_of_number():
    assert about(0) == 0
    assert about(7) == 7
    assert about(118_518) == 120_000
    assert about(14.83) == 15.0
    assert about(Decimal("1.234")) == Decimal("1.3")
