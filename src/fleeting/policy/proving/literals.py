"""Cedar's literals of decimals, instants and durations, as whole numbers."""

import re
from datetime import date
from decimal import Decimal

_DATETIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d{3}))?(?:Z|([+-])(\d\d)(\d\d)))?"
)
_DURATION = re.compile(r"(-?)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_UNITS = (86_400_000, 3_600_000, 60_000, 1_000, 1)
_EPOCH = date(1970, 1, 1).toordinal()
_FOUR_CENTURIES_YEARS, _FOUR_CENTURIES_DAYS = 400, 146_097


def decimal_units(text: str) -> int:
    """Return a decimal in ten-thousandths.

    Raises:
        ValueError: it is none.
    """
    return int(Decimal(text).scaleb(4))


def datetime_ms(text: str) -> int:
    """Return an instant in milliseconds since 1970.

    Raises:
        ValueError: it is none.
    """
    found = _DATETIME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not an instant")
    year, month, day, hour, minute, second, ms, far, near = (
        int(part or 0) for part in found.group(1, 2, 3, 4, 5, 6, 7, 9, 10)
    )
    # Cedar knows the year 0, and Python does not; the calendar repeats every four centuries.
    days = date(year + _FOUR_CENTURIES_YEARS, month, day).toordinal() if year < 1 else 0
    days = days - _FOUR_CENTURIES_DAYS if days else date(year, month, day).toordinal()
    offset = (far * 60 + near) * 60 * (-1 if found[8] == "-" else 1)
    seconds = (days - _EPOCH) * 86_400 + hour * 3600 + minute * 60 + second - offset
    return seconds * 1000 + ms


def duration_ms(text: str) -> int:
    """Return a duration in milliseconds.

    Raises:
        ValueError: it is none.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a duration")
    amounts = (int(part or 0) for part in found.groups()[1:])
    total = sum(amount * unit for amount, unit in zip(amounts, _UNITS, strict=True))
    return -total if found[1] else total
