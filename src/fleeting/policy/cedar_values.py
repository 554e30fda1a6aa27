"""Cedar's values as Python has them: what each literal means, and where arithmetic ends.

A Long is an int within 64 bits, a decimal its value times ten thousand, a datetime the milliseconds
since 1970, a duration milliseconds, an ip address an ``Address``, an entity ``(type, id)``, a set a
frozenset and a record the tuple of its values by name. What a literal is read as here, Cedar reads
it as; not all that Cedar reads is read here.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address
from typing import NamedTuple, NoReturn, TypeAlias

Entity: TypeAlias = tuple[str, str]

SMALLEST, LARGEST = -(2**63), 2**63 - 1
DAY = 86_400_000
"""Milliseconds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DECIMAL = re.compile(r"(-?)([0-9]+)\.([0-9]{1,4})")
_DATETIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{3})?(?:Z|[+-][0-9]{4}))?"
)
_DURATION = re.compile(
    r"(-?)(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?(?:([0-9]+)ms)?"
)
_UNITS = (DAY, 3_600_000, 60_000, 1000, 1)
_PREFIX = re.compile(r"0|[1-9][0-9]{0,2}")


class EvaluationError(Exception):
    """A policy cannot be evaluated for a request: in Cedar, it errs."""


def missing(holder: str, name: str) -> NoReturn:
    """Refuse to go on without the attribute *name*.

    Raises:
        EvaluationError: always.
    """
    raise EvaluationError(f"`{holder}` does not have the attribute `{name}`")


def long(value: int) -> int:
    """Return *value* if it is a Long.

    Raises:
        EvaluationError: it is beyond 64 bits.
    """
    if SMALLEST <= value <= LARGEST:
        return value
    raise EvaluationError("integer overflow")


def quotient(value: int, unit: int) -> int:
    """Return how many whole *unit* are in *value*, towards zero."""
    return value // unit if value >= 0 else -(-value // unit)


def start_of_day(moment: int) -> int:
    """Return the midnight before *moment*, or itself (``toDate``).

    Raises:
        EvaluationError: it is before the beginning of time.
    """
    return long(moment - moment % DAY)


def like(text: str, pieces: tuple[str, ...]) -> bool:
    """Say whether *text* is *pieces* with anything, or nothing, between each two of them.

    Each piece is looked for once, from the left: a pattern of many wildcards costs no more than
    its length times the text's, whoever wrote the text.
    """
    if len(pieces) == 1:
        return text == pieces[0]
    first, *between, last = pieces
    at, end = len(first), len(text) - len(last)
    if at > end or not text.startswith(first) or not text.endswith(last):
        return False
    for piece in between:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


class Address(NamedTuple):
    """An ip address, or the network it stands in. bits: 32 or 128."""

    bits: int
    number: int
    prefix: int

    def is_ipv4(self) -> bool:
        """Say whether it is of IPv4."""
        return self.bits == 32  # noqa: PLR2004 -- the width of IPv4

    def is_ipv6(self) -> bool:
        """Say whether it is of IPv6."""
        return not self.is_ipv4()

    def is_loopback(self) -> bool:
        """Say whether all of it is loopback: 127.0.0.0/8 or ::1."""
        return self.is_in(_LOOPBACK[self.bits])

    def is_multicast(self) -> bool:
        """Say whether all of it is multicast: 224.0.0.0/4 or ff00::/8."""
        return self.is_in(_MULTICAST[self.bits])

    def is_in(self, other: "Address") -> bool:
        """Say whether every address of it is one of *other*."""
        if self.bits != other.bits or self.prefix < other.prefix:
            return False
        host = other.bits - other.prefix
        return self.number >> host == other.number >> host


def decimal(text: str) -> int:
    """Return ``decimal(text)``.

    Raises:
        ValueError: it is none that is read here.
    """
    found = _DECIMAL.fullmatch(text)
    if found is None:
        raise ValueError(f"no decimal: {text}")
    sign, whole, fraction = found.groups()
    return _within(int(f"{sign}{whole}{fraction.ljust(4, '0')}"))


def decimal_value(value: Decimal) -> int:
    """Return what ``facts`` tells Cedar of *value*: four places.

    Raises:
        EvaluationError: it is beyond what a decimal can hold.
    """
    return long(int((value * 10_000).to_integral_value()))


def moment(text: str) -> int:
    """Return ``datetime(text)``.

    Raises:
        ValueError: it is none that is read here, such as one of the year 0.
    """
    if _DATETIME.fullmatch(text) is None:
        raise ValueError(f"no datetime: {text}")
    read = datetime.fromisoformat(text)
    return moment_value(read if read.tzinfo else read.replace(tzinfo=UTC))


def moment_value(value: datetime) -> int:
    """Return what ``facts`` tells Cedar of *value*: whole milliseconds."""
    return (value - _EPOCH) // _MILLISECOND


def duration(text: str) -> int:
    """Return ``duration(text)``.

    Raises:
        ValueError: it is none that is read here.
    """
    found = _DURATION.fullmatch(text)
    if found is None or not text.removeprefix("-"):
        raise ValueError(f"no duration: {text}")
    sign, *counts = found.groups()
    parts = zip(counts, _UNITS, strict=True)
    total = sum(int(count) * unit for count, unit in parts if count is not None)
    return _within(-total if sign else total)


def address(text: str) -> Address:
    """Return ``ip(text)``.

    Raises:
        ValueError: it is none that is read here.
    """
    host, slash, prefix = text.partition("/")
    if "%" in host or (":" in host and "." in host):
        raise ValueError(f"no ip address: {text}")
    ip = ip_address(host)
    if not slash:
        return Address(ip.max_prefixlen, int(ip), ip.max_prefixlen)
    if _PREFIX.fullmatch(prefix) is None or int(prefix) > ip.max_prefixlen:
        raise ValueError(f"no ip network: {text}")
    return Address(ip.max_prefixlen, int(ip), int(prefix))


def _within(value: int) -> int:
    if not SMALLEST <= value <= LARGEST:
        raise ValueError(f"beyond 64 bits: {value}")
    return value


_LOOPBACK = {32: address("127.0.0.0/8"), 128: address("::1")}
_MULTICAST = {32: address("224.0.0.0/4"), 128: address("ff00::/8")}
