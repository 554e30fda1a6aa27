"""Values worth trying: those that conditions compare with, and their neighbours."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations

from fleeting.core.declaring import I64
from fleeting.core.model import AttributeValue, FieldValue, Json
from fleeting.policy.tree import Node

_LEAST_DECIMAL = Decimal("0.0001")
_DURATION = re.compile(
    r"(?P<sign>-?)(?:(?P<days>\d+)d)?(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m(?!s))?"
    r"(?:(?P<seconds>\d+)s)?(?:(?P<milliseconds>\d+)ms)?"
)
_SECOND, _DAY = timedelta(seconds=1), timedelta(days=1)
_FAR = 100_000 * _DAY
_MOST = {
    "days": 100_000,
    "hours": 2_400_000,
    "minutes": 144_000_000,
    "seconds": 8_640_000_000,
    "milliseconds": 8_640_000_000_000,
}
"""Of each unit no more counts: so much is too far."""


def integers(now: object, literals: Iterable[Node]) -> list[Json]:
    """Return the whole numbers at which a comparison may turn, the nearest to *now* first."""
    marks = {each for each in literals if isinstance(each, int) and not isinstance(each, bool)}
    values = {mark + step for mark in marks for step in (-1, 0, 1)} - {now}
    start = now if isinstance(now, int) else 0
    return [*sorted((v for v in values if v in I64), key=lambda value: (abs(value - start), value))]


def decimals(now: FieldValue | None, literals: Iterable[Node]) -> list[Json]:
    """Return the decimals at which a comparison may turn, the nearest to *now* first."""
    marks = {Decimal(text) for text in _texts(literals, "decimal")}
    steps = (-_LEAST_DECIMAL, Decimal(0), _LEAST_DECIMAL)
    start = now if isinstance(now, Decimal) else Decimal(0)
    values = {mark + step for mark in marks for step in steps} - {start}
    return [_plain(v) for v in sorted(values, key=lambda value: (abs(value - start), value))]


def _plain(value: Decimal) -> str:
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def booleans(now: object, _literals: Iterable[Node]) -> list[Json]:
    """Return the truth values that *now* is not."""
    return [value for value in (True, False) if value is not now]


def strings(now: object, literals: Iterable[Node]) -> list[Json]:
    """Return the strings that conditions compare with, and one for each pattern."""
    found = (_string(literal) for literal in literals)
    return [text for text in dict.fromkeys(found) if text and text != now]


def _string(literal: Node) -> str:
    if isinstance(literal, dict) and "like" in literal:
        return "".join(each["Literal"] for each in literal["like"] if isinstance(each, dict))
    return literal if isinstance(literal, str) else ""


def lists(now: AttributeValue | None, literals: Iterable[Node]) -> list[Json]:
    """Return lists of strings with one more that conditions ask for."""
    held = now if isinstance(now, tuple) else ()
    return [[*held, text] for text in strings(None, literals) if text not in held]


# Instants.


def instants(now: datetime, literals: Sequence[Node]) -> list[datetime]:
    """Return when, after *now*, a condition on the time may turn, the soonest first.

    What is more involved than a time of day is looked for at every full hour of a day. Cedar's
    time has no end and ours does: what is beyond it, such as a second after the last of the year
    9999, nobody need wait for.
    """
    marks = {*_moments(literals), *_times_of_day(now, literals)}
    turns = {*marks, *_each_plus(marks, _SECOND)}
    hour = now.replace(minute=0, second=0, microsecond=0)
    hours = [hour + timedelta(hours=count) for count in range(1, 25)]
    return [*sorted(turn for turn in turns if turn > now), *hours]


def _moments(literals: Sequence[Node]) -> Iterator[datetime]:
    for text in _texts(literals, "datetime"):
        try:
            at = datetime.fromisoformat(text)
            yield at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        except (ValueError, OverflowError):  # of the year 0, or of one after 9999
            continue


def _each_plus(moments: Iterable[datetime], length: timedelta) -> Iterator[datetime]:
    for at in moments:
        try:
            yield at + length
        except OverflowError:
            continue


def _times_of_day(now: datetime, literals: Sequence[Node]) -> Iterator[datetime]:
    """Yield the times of day that durations mean, by themselves and in another's time zone."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    durations = {*_durations(literals)}
    shifted = {one - other for one, other in permutations(sorted(durations)[:8], 2)}
    for since in durations | shifted | {timedelta(0)}:
        yield from _each_plus((midnight, midnight + _DAY), since)


def _durations(literals: Sequence[Node]) -> Iterator[timedelta]:
    """Yield the durations that could be times of day: those of less than some hundred years."""
    found = map(_duration, _texts(literals, "duration"))
    return (each for each in found if abs(each) < _FAR)


def _duration(text: str) -> timedelta:
    found = _DURATION.fullmatch(text)
    assert found is not None  # noqa: S101 -- the Cedar engine has read it
    counts = {
        name: int(count) for name, count in found.groupdict().items() if count and name != "sign"
    }
    length = timedelta(**{name: min(count, _MOST[name]) for name, count in counts.items()})
    return -length if found["sign"] else length


def _texts(literals: Iterable[Node], kind: str) -> Iterator[str]:
    for literal in literals:
        if isinstance(literal, dict) and isinstance(literal.get(kind), str):
            yield literal[kind]
