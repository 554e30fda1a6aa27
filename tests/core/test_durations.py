from datetime import timedelta

import pytest

from fleeting.core.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("1s", timedelta(seconds=1)),
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
        ("24h", timedelta(days=1)),
        ("1d", timedelta(days=1)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text, duration):
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text", ["", "5", "m", "0s", "-5m", "5 m", "5M", "1.5h", "05m", "5m\n", "\u0665m", "25h", "2d"]
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="write"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["90s", "5m", "1h", "59s", "61m"])
def test_a_duration_is_written_as_it_was_read(text):
    assert format_duration(parse_duration(text)) == text


def test_the_largest_unit_that_divides_is_written():
    assert format_duration(timedelta(seconds=3600)) == "1h"
    assert format_duration(timedelta(0)) == "0s"
