from decimal import Decimal

import pytest

from fleeting.policy.cedar_values import EvaluationError
from fleeting.policy.facts import Facts
from fleeting.policy.kinds import (
    BOOL,
    DATETIME,
    DECIMAL,
    ENTITY,
    LONG,
    STRING,
    STRINGS,
)
from fleeting.policy.native_facts import (
    attribute_of,
    attribute_reader,
    has_attribute,
    native,
    principal,
    resource,
    within,
    within_any,
)
from fleeting.policy.tree import Uid

ADA, BOT, ACTION = ("User", "ada"), ("Client", "bot"), ("Action", "transfer:make")


@pytest.fixture
def facts(ask, transfer, user, now):
    request = ask(
        transfer(), subject=user(groups=("leads",), attributes={"level": 3, "tags": ("a", "b")})
    )
    return Facts(request, request.operations[0], now)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (STRING, "x", "x"),
        (LONG, 5, 5),
        (BOOL, False, False),
        (DECIMAL, Decimal("-3.5"), -35_000),
        (STRINGS, ("a", "b", "a"), frozenset({"a", "b"})),
        (ENTITY, Uid("Client", "bot"), BOT),
        (DECIMAL, None, None),
    ],
)
def test_values_are_read_as_their_kind(facts, kind, value, expected):
    assert native(lambda _: value, kind)(facts) == expected


def test_a_time_is_read_as_milliseconds(facts, now):
    assert native(lambda facts: facts.now, DATETIME)(facts) == int(now.timestamp() * 1000)


def test_attributes_are_the_principals_and_nobody_elses(facts):
    level, tags = attribute_reader("level", LONG), attribute_reader("tags", STRINGS)
    assert principal(facts) == ADA
    assert resource(facts) == ("Resource", "https://api")
    assert (level(facts), tags(facts)) == (3, frozenset({"a", "b"}))
    assert attribute_reader("issuer", STRING)(facts) == "https://idp"
    assert attribute_of(ADA, level, "level", facts) == 3
    assert has_attribute(ADA, level, facts)
    assert not has_attribute(BOT, level, facts)
    absent = attribute_reader("department", STRING)
    assert not has_attribute(ADA, absent, facts)
    for entity, read in ((BOT, level), (ADA, absent)):
        with pytest.raises(EvaluationError):
            attribute_of(entity, read, "x", facts)


@pytest.mark.parametrize(
    ("entity", "other", "expected"),
    [
        (ADA, ADA, True),
        (ADA, ("Group", "leads"), True),
        (ADA, ("Group", "support"), False),
        (BOT, ("Group", "support"), True),
        (BOT, ("Group", "leads"), False),
        (ACTION, ("Action", "transfer"), True),
        (ACTION, ("Action", "payment_refund"), False),
        (("Action", "payment_refund:refund"), ("Action", "payment_refund"), False),
        (("User", "bob"), ("Group", "leads"), False),
        (("Group", "leads"), ("Group", "leads"), True),
    ],
)
def test_who_is_within_what_is_what_the_request_says(facts, entity, other, expected):
    assert within(entity, other, facts, ACTION) is expected
    assert within_any(entity, frozenset({other, ("Group", "x")}), facts, ACTION) is expected
