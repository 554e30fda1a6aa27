"""Regular expressions of declarations: strings that match them, and their form for the solver."""

import re
from collections.abc import Iterator
from re import _parser  # type: ignore[attr-defined]
from typing import Any, TypeAlias

Parsed: TypeAlias = Any
"""What Python's own parser makes of a pattern: pairs of an operator and its operands."""

PATH = r"/|(?:/[A-Za-z0-9_.-]*[A-Za-z0-9_-]+)+"
"""Paths as operations carry them, only plainer: good as examples, not as a definition."""

_MANY = 12
_UNLIKELY = "xA0-_"
_CLASSES = {
    "CATEGORY_DIGIT": "0",
    "CATEGORY_WORD": "a",
    "CATEGORY_SPACE": " ",
    "CATEGORY_NOT_DIGIT": "a",
    "CATEGORY_NOT_WORD": "-",
    "CATEGORY_NOT_SPACE": "a",
}


def samples(pattern: str | None, count: int) -> list[str]:
    """Return up to *count* short strings that match *pattern*; None: any string does."""
    if pattern is None:
        return [f"other-{number}" for number in range(1, count + 1)]
    parsed = _parser.parse(pattern)
    found: dict[str, None] = {}
    for turn in range(count * _MANY):
        text = "".join(_example(parsed, turn))
        if re.fullmatch(pattern, text) is not None:
            found[text] = None
        if len(found) == count:
            break
    return [*found]


def _example(parsed: Parsed, turn: int) -> Iterator[str]:
    for operator, operands in parsed:
        yield _one(str(operator), operands, turn)


def _one(operator: str, operands: Parsed, turn: int) -> str:
    """Return one string that a part of a pattern matches; *turn*: which of those it has."""
    if operator in ("LITERAL", "IN", "NOT_LITERAL", "ANY"):
        return _character(operator, operands, turn)
    if operator == "SUBPATTERN":
        return "".join(_example(operands[-1], turn))
    if operator == "BRANCH":
        branches = operands[1]
        return "".join(_example(branches[turn % len(branches)], turn // len(branches)))
    if operator in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, most, repeated = operands
        times = min(max(least, 1) + turn // _MANY, int(most))
        return "".join("".join(_example(repeated, turn + place)) for place in range(times))
    return ""  # the begin, the end, and what we do not know: whatever comes of it is tried


def _character(operator: str, operands: Parsed, turn: int) -> str:
    if operator == "LITERAL":
        return chr(operands)
    if operator == "IN":
        return _member(operands, turn)
    return _UNLIKELY[turn % len(_UNLIKELY)]


def _member(members: Parsed, turn: int) -> str:
    """Return one character of a class; a class that is negated gets an unlikely one."""
    choices: list[str] = []
    for operator, operands in members:
        name = str(operator)
        if name == "NEGATE":
            return _UNLIKELY[turn % len(_UNLIKELY)]
        if name == "RANGE":
            low, high = operands
            choices.append(chr(low + turn % (high - low + 1)))
        elif name == "LITERAL":
            choices.append(chr(operands))
        else:
            choices.append(_CLASSES.get(str(operands), "x"))
    return choices[turn // _MANY % len(choices)]
