from datetime import timedelta

from fleeting.cli.usage_reading import _FEW, _LONGEST, _MANY, _SHORTEST, _between, _next_length
from tests.cli.recorded_days import START

DAY = timedelta(days=1)


def test_the_next_stretch_is_as_long_as_memory_allows():
    assert _next_length(DAY, _FEW) == DAY
    assert _next_length(DAY, 0) == 2 * DAY
    assert _next_length(_LONGEST, 0) == _LONGEST
    assert _next_length(DAY, _MANY + 1) == DAY / 2
    assert _next_length(_SHORTEST, _MANY + 1) == _SHORTEST


def test_progress_is_told_in_seconds_of_the_whole_period():
    told = []
    whole = (START, START + 4 * DAY)
    advance = _between(lambda *it: told.append(it), (START + DAY, START + 3 * DAY), whole)
    advance(1, 2)
    assert told == [(2 * 86400, 4 * 86400)]
