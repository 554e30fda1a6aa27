"""Durations as people write them: ``60s``, ``5m``, ``1h``."""

import re
from datetime import timedelta

LONGEST = timedelta(hours=24)
"""Access that is just in time does not outlive a day."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([1-9][0-9]{0,5})([smhd])")


def parse_duration(text: str) -> timedelta:
    """Return the duration that *text* says: whole seconds, more than none, at most a day.

    Raises:
        ValueError: with a message that says what to write instead.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a duration: write a number and s, m or h, such as '5m'")
    duration = timedelta(seconds=int(found[1]) * _SECONDS[found[2]])
    if duration > LONGEST:
        raise ValueError(f"{text!r} is longer than a day: write '24h' or less")
    return duration


def format_duration(duration: timedelta) -> str:
    """Return *duration* in the largest unit that divides it, such as ``5m`` or ``90s``."""
    seconds = int(duration.total_seconds())
    for unit in ("h", "m"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{seconds // _SECONDS[unit]}{unit}"
    return f"{seconds}s"
