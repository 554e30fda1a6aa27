"""Strings for the solver: as numbers where they are only compared, else as strings."""

import re
from collections.abc import Callable, Mapping, Sequence
from re import _parser  # type: ignore[attr-defined]
from typing import Any, Protocol, TypeAlias

import z3

from fleeting.policy.proving.patterns import Parsed
from fleeting.policy.proving.terms import Expression, Truth, UnsupportedError
from fleeting.policy.tree import Node

_ESCAPE = re.compile(r"\\u\{([0-9a-fA-F]+)\}")
_LAST_CHARACTER = 0x2FFFF
_LAST_ASCII = 0x7F
_PRINTABLE = (" ", "~")

Regular: TypeAlias = Any
"""A regular expression of z3."""


class Strings(Protocol):
    """How strings are told apart. sort: z3's, of a string."""

    sort: Expression

    def literal(self, text: str) -> Expression:
        """Return what stands for *text*."""
        ...

    def variable(self, name: str) -> Expression:
        """Return a string that depends on the request."""
        ...

    def read(self, value: Expression) -> str | int:
        """Return the text of a value of a model, or its number if all that is known is: another."""
        ...

    def like(self, value: Expression, pattern: Node) -> Truth:
        """Say when *value* matches Cedar's *pattern*."""
        ...

    def matches(self, value: Expression, pattern: str) -> Truth:
        """Say when *value* may match the whole regular expression; never less often."""
        ...

    def literals(self) -> Sequence[str]:
        """Return every text that was named."""
        ...


class Numbered:
    """Each text that is named is a number of its own; any other number is some other text."""

    __slots__ = ("_numbers", "sort")

    def __init__(self) -> None:
        """Start without any text."""
        self.sort = z3.IntSort()
        self._numbers: dict[str, int] = {}

    def literal(self, text: str) -> Expression:
        """Return the number of *text*."""
        return self._numbers.setdefault(text, len(self._numbers))

    def variable(self, name: str) -> Expression:
        """Return a number that depends on the request."""
        return z3.Int(name)

    def read(self, value: Expression) -> str | int:
        """Return the text of a number, or the number."""
        number = int(value.as_long())
        return next((text for text, its in self._numbers.items() if its == number), number)

    def like(self, _value: Expression, _pattern: Node) -> Truth:
        """Refuse: where a policy asks for a pattern, strings are ``Spelled``."""
        raise UnsupportedError("like")

    def matches(self, _value: Expression, _pattern: str) -> Truth:
        """Say always: which of the named texts match is for the caller to say."""
        return True

    def literals(self) -> Sequence[str]:
        """Return every text that was named."""
        return [*self._numbers]


class Spelled:
    """Strings as the solver's own theory knows them: slower, and it understands patterns."""

    __slots__ = ("_literals", "sort")

    def __init__(self) -> None:
        """Start without any text."""
        self.sort = z3.StringSort()
        self._literals: dict[str, Expression] = {}

    def literal(self, text: str) -> Expression:
        """Return *text* as the solver writes it."""
        if any(ord(character) > _LAST_CHARACTER for character in text):
            raise UnsupportedError("a character beyond U+2FFFF")
        return self._literals.setdefault(text, _spelled(text))

    def variable(self, name: str) -> Expression:
        """Return a string that depends on the request."""
        return z3.String(name)

    def read(self, value: Expression) -> str | int:
        """Return the text that *value* is."""
        return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), str(value.as_string()))

    def like(self, value: Expression, pattern: Node) -> Truth:
        """Say when *value* matches Cedar's *pattern*."""
        parts = [_ANYTHING() if each == "Wildcard" else _word(each["Literal"]) for each in pattern]
        return z3.InRe(value, _joined(parts))

    def matches(self, value: Expression, pattern: str) -> Truth:
        """Say when *value* may match the whole regular expression; never less often."""
        parsed = _parser.parse(pattern)
        if parsed.state.flags & (re.IGNORECASE | re.MULTILINE | re.VERBOSE):
            return True
        return z3.InRe(value, _regular(parsed))

    def literals(self) -> Sequence[str]:
        """Return every text that was named."""
        return [*self._literals]


def printable(value: Expression) -> Truth:
    """Say when *value*, a string as the solver knows them, can be read on any screen."""
    return z3.InRe(value, z3.Star(z3.Range(*_PRINTABLE)))


def _spelled(text: str) -> Expression:
    return z3.StringVal("".join(map(_escaped, text)))


def _escaped(character: str) -> str:
    """Return *character* so that the solver does not read more into it, such as an escape."""
    code = ord(character)
    return f"\\u{{{code:x}}}" if code > _LAST_ASCII or character == "\\" else character


def _word(text: str) -> Regular:
    return z3.Re(_spelled(text))


def _joined(parts: Sequence[Regular]) -> Regular:
    if not parts:
        return _word("")
    return z3.Concat(*parts) if len(parts) > 1 else parts[0]


def _any_of(parts: Sequence[Regular]) -> Regular:
    return z3.Union(*parts) if len(parts) > 1 else parts[0]


# Python's regular expressions. What has no exact counterpart becomes something wider, so that
# what is proved of all strings that fit is true of all that match.


def _ANY() -> Regular:  # noqa: N802 -- a constant that needs z3's context
    return z3.AllChar(z3.ReSort(z3.StringSort()))


def _ANYTHING() -> Regular:  # noqa: N802
    return z3.Star(_ANY())


def _regular(parsed: Parsed) -> Regular:
    return _joined([_OPERATORS.get(str(name), _wider)(operands) for name, operands in parsed])


def _wider(_operands: Parsed) -> Regular:
    return _ANYTHING()


def _nothing(_operands: Parsed) -> Regular:
    return _word("")


def _literal(operands: Parsed) -> Regular:
    return _word(chr(operands))


def _not_literal(operands: Parsed) -> Regular:
    return z3.Intersect(_ANY(), z3.Complement(_literal(operands)))


def _any(_operands: Parsed) -> Regular:
    return _ANY()


def _group(operands: Parsed) -> Regular:
    return _ANYTHING() if operands[1] else _regular(operands[-1])


def _branch(operands: Parsed) -> Regular:
    return _any_of([_regular(each) for each in operands[1]])


def _repeat(operands: Parsed) -> Regular:
    least, most, repeated = operands
    inner = _regular(repeated)
    if most is _parser.MAXREPEAT:
        tail = z3.Star(inner)
        return _joined([*[inner] * least, tail])
    return z3.Loop(inner, int(least), int(most))


def _class(members: Parsed) -> Regular:
    negated = str(members[0][0]) == "NEGATE"
    if any(str(name) == "CATEGORY" for name, _ in members):
        return _ANY()
    parts = [_characters(str(name), operands) for name, operands in members[negated:]]
    if negated:
        return z3.Intersect(_ANY(), z3.Complement(_any_of(parts)))
    return _any_of(parts)


def _characters(name: str, operands: Parsed) -> Regular:
    if name == "RANGE":
        return z3.Range(*(_spelled(chr(end)) for end in operands))
    return _word(chr(operands))


_OPERATORS: Mapping[str, Callable[[Parsed], Regular]] = {
    "LITERAL": _literal,
    "NOT_LITERAL": _not_literal,
    "ANY": _any,
    "IN": _class,
    "SUBPATTERN": _group,
    "BRANCH": _branch,
    "MAX_REPEAT": _repeat,
    "MIN_REPEAT": _repeat,
    "POSSESSIVE_REPEAT": _repeat,
    "AT": _nothing,
    "ASSERT": _nothing,
    "ASSERT_NOT": _nothing,
}
