"""Read declared tables strictly, with messages that say where and what to write instead."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches

from fleeting.core.durations import parse_duration

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
"""What types, actions, fields, context keys and attributes may be called."""

I64 = range(-(2**63), 2**63)
"""The integers that policy can compare (Cedar's Long)."""

UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""What no string may hold: controls, line breaks, reordering and unseen marks, half characters."""


class DeclarationError(ValueError):
    """A declaration is wrong; the message says where, why, and what to write instead."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the known name most like *name*, or nothing."""
    close = get_close_matches(name, [*known], n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def shown(text: str) -> str:
    """Return *text* in quotes, short and printable, as RFC 6749 §5.2 lets a description say it."""
    cut = text if len(text) <= 60 else f"{text[:60]}..."  # noqa: PLR2004 -- a line's worth
    return "'" + re.sub(r"[^\x20-\x7e]|[\"\\]", "?", cut) + "'"


def is_integer(value: object) -> bool:
    """Say whether *value* is an integer that policy can compare; True is not one."""
    return isinstance(value, int) and not isinstance(value, bool) and value in I64


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a declaration, and where it stands."""

    where: str
    values: Mapping[str, object]

    def refuse(self, key: str, message: str) -> DeclarationError:
        """Return the error about *key*, or about the table where it is empty, to be raised."""
        where = self.at(key)
        return DeclarationError(f"{where}: {message}" if where else message)

    def at(self, key: str) -> str:
        """Return where *key* of this table stands."""
        return ".".join(part for part in (self.where, key) if part)

    def allow_only(self, known: Collection[str]) -> None:
        """Refuse every key that is not *known*."""
        for key in self.values:
            if key not in known:
                hint = nearest(str(key), known) or f"; known are {', '.join(sorted(known))}"
                raise self.refuse("", f"unknown key '{key}'{hint}")

    def text(self, key: str) -> str | None:
        """Return the string at *key*, or None where it is absent."""
        value = self.values.get(key)
        if value is None or isinstance(value, str):
            return value
        raise self.refuse(key, "must be a string in quotes")

    def flag(self, key: str) -> bool:
        """Return the boolean at *key*, False where it is absent."""
        value = self.values.get(key, False)
        if isinstance(value, bool):
            return value
        raise self.refuse(key, "must be true or false")

    def count(self, key: str, default: int | None = None) -> int | None:
        """Return the positive integer at *key*, or *default* where it is absent."""
        value = self.values.get(key, default)
        if value is None or (isinstance(value, int) and is_integer(value) and value > 0):
            return value
        raise self.refuse(key, "must be a whole number of 1 or more")

    def strings(self, key: str) -> tuple[str, ...]:
        """Return the array of distinct strings at *key*, empty where it is absent."""
        value = self.values.get(key, ())
        if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            if len(set(value)) == len(value):
                return tuple(value)
            raise self.refuse(key, "must not repeat a value")
        raise self.refuse(key, 'must be an array of strings, such as ["EUR", "USD"]')

    def pattern(self, key: str) -> str | None:
        """Return the regular expression at *key*, or None where it is absent."""
        value = self.text(key)
        try:
            re.compile(value or "")
        except re.error as error:
            raise self.refuse(key, f"is not a regular expression: {error}") from error
        return value

    def duration(self, key: str) -> timedelta | None:
        """Return the duration at *key*, or None where it is absent."""
        value = self.text(key)
        try:
            return None if value is None else parse_duration(value)
        except ValueError as error:
            raise self.refuse(key, str(error)) from error

    def tables(self, key: str) -> "dict[str, Table]":
        """Return the named tables at *key*, none where it is absent."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.refuse(key, "must be a table")
        return {name: self._table(f"{self.at(key)}.{name}", value[name]) for name in value}

    @staticmethod
    def _table(where: str, value: object) -> "Table":
        if not isinstance(value, dict):
            raise DeclarationError(f'{where}: must be a table, such as {{ type = "string" }}')
        return Table(where, value)


def check_name(where: str, name: str) -> str:
    """Return *name* if it is one that a token, a policy and a screen can all carry."""
    if NAME.fullmatch(name) is None:
        raise DeclarationError(
            f"{where}: {name!r} is not a name: write a letter, then up to 63 letters, digits, "
            "'_', '-' or '.'"
        )
    return name
