"""Show texts as what they are: what could reorder, hide or fake a line is spelt out."""

import unicodedata
from datetime import UTC, datetime, timedelta

from markupsafe import Markup

_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Controls, marks that reorder or are not seen, unassigned and half characters, line ends."""
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters that look like nothing at all."""
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def visible(value: object) -> object:
    """Return a text with everything unseen in it spelt out, such as ``⟦U+202E⟧``.

    Markup of our own templates, and what is no text, stays as it is.
    """
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    if value.isascii() and value.isprintable():
        return value
    return "".join(map(_visible, value))


def _visible(character: str) -> str:
    if character == "\n":
        return character
    if character in _BLANK or unicodedata.category(character) in _UNSEEN:
        return f"⟦U+{ord(character):04X}⟧"
    return character


def instant(at: str | datetime) -> str:
    """Return an instant, ISO or not, as people read it: ``2026-01-01 12:00:05 UTC``."""
    return f"{_instant(at).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def distance(at: str | datetime, now: datetime) -> str:
    """Return how far an instant is: ``in 14 min``, ``2 h 5 min ago``."""
    ahead = _instant(at) - now
    words = _amount(abs(ahead))
    return f"in {words}" if ahead > timedelta(0) else f"{words} ago"


def _instant(at: str | datetime) -> datetime:
    return datetime.fromisoformat(at) if isinstance(at, str) else at


def _amount(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    if seconds < _DAY:
        return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE} min"
    return f"{seconds // _DAY} d {seconds % _DAY // _HOUR} h"
