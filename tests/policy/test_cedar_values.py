"""Cedar's values, each beside what the Cedar engine itself says of it."""

from datetime import UTC, datetime
from decimal import Decimal

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleeting.policy import cedar_values
from fleeting.policy.cedar_values import (
    EvaluationError,
    address,
    decimal,
    decimal_value,
    duration,
    like,
    long,
    missing,
    moment,
    moment_value,
    quotient,
    start_of_day,
)

LARGEST = 2**63 - 1
UNREAD = "no |not |beyond|must be|out of range|Invalid|Expected|expected|does not|Octet"


def cedar(condition):
    """Say whether Cedar finds *condition* true, None where it errs or cannot read it."""
    policy = f"permit(principal, action, resource) when {{ {condition} }};"
    request = {
        "principal": 'User::"a"',
        "action": 'Action::"a"',
        "resource": 'Resource::"a"',
        "context": {},
    }
    try:
        handle = cedarpy.PolicySet.from_str(policy)
    except ValueError:
        return None
    result = cedarpy.is_authorized(request, handle, "[]")
    return None if result.diagnostics.errors else result.decision is cedarpy.Decision.Allow


def test_a_long_ends_at_64_bits():
    assert long(LARGEST) == LARGEST
    assert long(-LARGEST - 1) == -LARGEST - 1
    for beyond in (LARGEST + 1, -LARGEST - 2):
        with pytest.raises(EvaluationError, match="overflow"):
            long(beyond)


def test_what_is_missing_is_named():
    with pytest.raises(EvaluationError, match="`context` does not have the attribute `acr`"):
        missing("context", "acr")


@pytest.mark.parametrize("value", [0, 1, 999, 1000, -1, -999, -1000, -1001])
def test_counts_are_cut_towards_zero(value):
    assert cedar(f'duration("{value}ms").toSeconds() == {quotient(value, 1000)}')


def test_a_day_begins_at_midnight_and_time_has_a_beginning():
    assert start_of_day(moment("1969-12-31T23:59:59.999Z")) == moment("1969-12-31")
    with pytest.raises(EvaluationError):
        start_of_day(-LARGEST - 1)


@pytest.mark.parametrize(
    "text", ["1.5", "-1.25", "0.0", "-0.0001", "007.10", "922337203685477.5807"]
)
def test_decimals_are_what_cedar_reads(text):
    canonical = Decimal(decimal(text)) / 10_000
    assert cedar(f'decimal("{text}") == decimal("{canonical:.4f}")')
    assert decimal_value(Decimal(text)) == decimal(text)


@pytest.mark.parametrize(
    "text", ["1", "1.", ".5", "1.00001", "+1.0", "1e3", "922337203685477.5808"]
)
def test_what_is_no_decimal_is_none_here(text):
    with pytest.raises(ValueError, match=UNREAD):
        decimal(text)
    assert cedar(f'decimal("{text}") == decimal("{text}")') is None


def test_a_decimal_beyond_cedars_errs():
    with pytest.raises(EvaluationError):
        decimal_value(Decimal(10**15))


@pytest.mark.parametrize(
    "text",
    [
        *("2024-02-29", "1970-01-01", "0001-01-01", "9999-12-31T23:59:59.999-2359"),
        *("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05+0530"),
    ],
)
def test_datetimes_are_what_cedar_reads(text):
    since = f'datetime("{text}").durationSince(datetime("1970-01-01")).toMilliseconds()'
    assert cedar(f"{since} == {moment(text)}")


@pytest.mark.parametrize(
    "text",
    ["2023-02-29", "2026-01-02T24:00:00Z", "2026-01-02T03:04Z", "2026-1-2", "", "2026-W01-1"],
)
def test_what_is_no_datetime_is_none_here(text):
    with pytest.raises(ValueError, match=UNREAD):
        moment(text)
    assert cedar(f'datetime("{text}") == datetime("{text}")') is None


def test_the_year_0_is_left_to_cedar():
    with pytest.raises(ValueError, match=UNREAD):
        moment("0000-01-01")
    assert cedar('datetime("0000-01-01") < datetime("0001-01-01")')


def test_a_moment_is_whole_milliseconds_and_earlier_ones_are_negative():
    assert moment_value(datetime(1970, 1, 1, 0, 0, 1, 999, tzinfo=UTC)) == 1000
    assert moment_value(datetime(1969, 12, 31, 23, 59, 59, 999500, tzinfo=UTC)) == -1


@pytest.mark.parametrize("text", ["1d2h3m4s5ms", "-1d2h", "0s", "90m", f"-{LARGEST + 1}ms"])
def test_durations_are_what_cedar_reads(text):
    assert cedar(f'duration("{text}").toMilliseconds() == {duration(text)}')


@pytest.mark.parametrize("text", ["", "-", "1", "1s1m", "1.5s", "+1s", f"{LARGEST + 1}ms"])
def test_what_is_no_duration_is_none_here(text):
    with pytest.raises(ValueError, match=UNREAD):
        duration(text)
    assert cedar(f'duration("{text}") == duration("{text}")') is None


ADDRESSES = [
    *("10.0.0.1", "10.0.0.0/8", "10.1.2.3/16", "127.0.0.1", "127.0.0.0/7", "127.0.0.0/8"),
    *("224.0.0.0/4", "224.0.0.0/3", "::1", "::1/127", "::1/128", "ff00::/8", "ff00::/7"),
    *("0.0.0.0/0", "::/0", "2001:db8::1"),
]
METHODS = {
    "isIpv4": "is_ipv4",
    "isIpv6": "is_ipv6",
    "isLoopback": "is_loopback",
    "isMulticast": "is_multicast",
}


@pytest.mark.parametrize("text", ADDRESSES)
def test_addresses_are_what_cedar_reads(text):
    for method, name in METHODS.items():
        ours = getattr(cedar_values.Address, name)(address(text))
        assert cedar(f'ip("{text}").{method}()') is ours
    for other in ADDRESSES:
        assert cedar(f'ip("{text}").isInRange(ip("{other}"))') is address(text).is_in(
            address(other)
        )
        assert cedar(f'ip("{text}") == ip("{other}")') is (address(text) == address(other))


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0",
        "10.0.0.256",
        "10.0.0.1/33",
        "10.0.0.1/08",
        "10.0.0.1/",
        "::1/129",
        "::ffff:1.2.3.4",
    ],
)
def test_what_is_no_address_is_none_here(text):
    with pytest.raises(ValueError, match=UNREAD):
        address(text)
    assert cedar(f'ip("{text}") == ip("{text}")') is None


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.text("ab", max_size=6), st.lists(st.text("ab", max_size=2), min_size=1, max_size=5))
def test_patterns_match_what_cedars_do(text, pieces):
    assert cedar(f'"{text}" like "{"*".join(pieces)}"') is like(text, tuple(pieces))


def test_a_pattern_of_many_wildcards_costs_little_whoever_wrote_the_text():
    pieces = ("", *["a"] * 60, "b", "")
    assert not like("a" * 20_000, pieces)
