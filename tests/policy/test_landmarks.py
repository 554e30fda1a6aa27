from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from fleeting.policy.landmarks import booleans, decimals, instants, integers, lists, strings

NOON = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)


def test_whole_numbers_are_tried_at_and_beside_what_they_are_compared_with():
    assert integers(11, [10, True, "x", {"decimal": "1.0"}]) == [10, 9]
    assert integers(None, [2]) == [1, 2, 3]
    assert integers(0, [2**63 - 1]) == [2**63 - 2, 2**63 - 1]


def test_decimals_are_tried_likewise():
    found = decimals(Decimal(60), [{"decimal": "50.00"}, {"decimal": "0.0001"}, 3])
    assert found == ["50.0001", "50", "49.9999", "0.0002", "0.0001", "0"]
    assert decimals(None, [{"decimal": "0.0"}]) == ["-0.0001", "0.0001"]


def test_other_truths_strings_and_lists_are_tried():
    assert booleans(True, []) == [False]
    assert booleans(None, []) == [True, False]
    like = {"like": [{"Literal": "A"}, "Wildcard", {"Literal": "B"}]}
    assert strings("x", ["x", "y", 3, like, {"like": ["Wildcard"]}]) == ["y", "AB"]
    assert lists(("a",), ["a", "b"]) == [["a", "b"]]
    assert lists(None, ["a"]) == [["a"]]


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_soonest_instant_is_tried_first_and_none_that_is_over():
    found = instants(NOON, [{"datetime": "2026-02-01"}, {"datetime": "2025-01-01T00:00:00Z"}])
    assert at("2026-02-01") in found
    assert all(each > NOON for each in found)
    marks = found[:-24]
    assert marks == sorted(marks)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["8h"], "2026-01-02T08:00"),
        (["18h30m"], "2026-01-01T18:30"),
        (["1h", "20h"], "2026-01-01T19:00"),
        (["1d2h3m4s5ms"], "2026-01-02T02:03:04.005"),
        (["-1h"], "2026-01-01T23:00"),
    ],
)
def test_durations_are_tried_as_times_of_day_in_any_time_zone(texts, expected):
    assert at(expected) in instants(NOON, [{"duration": each} for each in texts])


def test_every_full_hour_of_a_day_is_tried_at_last():
    assert instants(NOON, [])[-24:] == [
        at("2026-01-01T12:00") + timedelta(hours=count) for count in range(1, 25)
    ]
