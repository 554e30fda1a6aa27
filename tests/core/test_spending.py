from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fleeting.core.model import (
    Operation,
    Spend,
    SpendRefusal,
    SpendResult,
    TokenRecord,
    scope_operation,
)
from fleeting.core.spending import decide_spend, is_alive, operation_digest, revoke

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
END = NOW + timedelta(seconds=60)
TOKEN = TokenRecord("j", "t", "r", "c", "alice", "https://api", NOW, END, uses=2)
SPEND = Spend("j", "use", "https://api")


def test_uses_are_counted_until_none_is_left():
    assert decide_spend(TOKEN, SPEND, None, now=NOW) == SpendResult(1, 2)
    assert decide_spend(replace(TOKEN, used=1), SPEND, None, now=NOW) == SpendResult(2, 2)
    refused = decide_spend(replace(TOKEN, used=2), SPEND, None, now=NOW)
    assert refused == SpendResult(None, 2, SpendRefusal.SPENT)


def test_a_token_without_a_limit_is_counted_too():
    unlimited = replace(TOKEN, uses=None, used=99)
    assert decide_spend(unlimited, SPEND, None, now=NOW) == SpendResult(100, None)


def test_asking_again_gives_the_same_use_even_when_all_are_spent():
    spent = replace(TOKEN, used=2)
    assert decide_spend(spent, SPEND, 1, now=NOW) == SpendResult(1, 2, repeated=True)


def test_operations_are_told_apart_by_what_they_say_and_not_by_its_order():
    one = Operation("refund", ("do",), {"a": 1, "b": "x"})
    assert operation_digest(one) == operation_digest(replace(one, fields={"b": "x", "a": 1}))
    others = (replace(one, type="pay"), replace(one, fields={"a": 2}), scope_operation("do"))
    assert len({operation_digest(it) for it in (one, *others, None)}) == 5


def test_an_unknown_token_is_worth_nothing():
    assert decide_spend(None, SPEND, None, now=NOW).refusal is SpendRefusal.UNKNOWN


def test_another_audience_learns_nothing_about_the_token():
    other = replace(SPEND, audience="https://other")
    refused = decide_spend(replace(TOKEN, revoked_at=NOW), other, 1, now=END)
    assert refused == SpendResult(None, None, SpendRefusal.AUDIENCE)


@pytest.mark.parametrize("earlier_use", [None, 1])
def test_the_end_of_the_life_is_exact(earlier_use):
    last = END - timedelta(microseconds=1)
    assert decide_spend(TOKEN, SPEND, earlier_use, now=last).use == 1
    refused = decide_spend(TOKEN, SPEND, earlier_use, now=END)
    assert refused == SpendResult(None, 2, SpendRefusal.EXPIRED)


def test_a_revoked_token_is_refused_as_revoked_even_after_its_end():
    revoked = replace(TOKEN, revoked_at=NOW)
    assert decide_spend(revoked, SPEND, 1, now=END).refusal is SpendRefusal.REVOKED


def test_a_live_token_can_be_revoked_once():
    ended = revoke(TOKEN, NOW)
    assert ended == replace(TOKEN, revoked_at=NOW)
    assert revoke(ended, NOW) is None


def test_there_is_nothing_to_revoke_in_an_expired_or_unknown_token():
    assert revoke(TOKEN, END) is None
    assert revoke(None, NOW) is None


@pytest.mark.parametrize(
    ("changes", "alive"),
    [
        ({}, True),
        ({"uses": 2, "used": 1}, True),
        ({"uses": 2, "used": 2}, False),
        ({"revoked_at": NOW}, False),
        ({"expires_at": NOW}, False),
    ],
)
def test_a_token_is_alive_while_it_could_be_used_once_more(changes, alive):
    assert is_alive(replace(TOKEN, **changes), NOW) is alive
