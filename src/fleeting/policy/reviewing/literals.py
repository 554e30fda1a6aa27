"""Read comparisons with constants, all kinds of number on one scale each."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fleeting.policy.tree import Node

DECIMAL_SCALE = 10_000
"""How many steps a decimal has per unit."""

_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}
_METHODS = {
    "lessThan": "<",
    "lessThanOrEqual": "<=",
    "greaterThan": ">",
    "greaterThanOrEqual": ">=",
}
_DURATION = re.compile(r"(-?)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_MILLISECONDS = (86_400_000, 3_600_000, 60_000, 1000, 1)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A term that is compared with a number; of decimals and durations, with so many steps."""

    term: Node
    operator: str
    number: int


def compare(atom: Node) -> Comparison | None:
    """Return *atom* as a comparison with a number; None: it is none."""
    operator, operands = next(iter(atom.items()))
    if operator in _METHODS:
        left, right = operands
        operator = _METHODS[operator]
    elif operator in _FLIPPED:
        left, right = operands["left"], operands["right"]
    else:
        return None
    one, other = _number(left), _number(right)
    if one is None and other is not None:
        return Comparison(left, operator, other)
    if one is not None and other is None:
        return Comparison(right, _FLIPPED[operator], one)
    return None


def is_plain(atom: Node) -> bool:
    """Say whether the number that *atom* compares with is a whole number as written."""
    operands = next(iter(atom.values()))
    return isinstance(operands, dict) and any("Value" in each for each in operands.values())


def _number(node: Node) -> int | None:
    value = node.get("Value")
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if "decimal" in node:
        return int(Decimal(_argument(node, "decimal")) * DECIMAL_SCALE)
    if "duration" in node:
        return _milliseconds(_argument(node, "duration"))
    return None


def _argument(node: Node, function: str) -> str:
    return str(node[function][0]["Value"])


def _milliseconds(text: str) -> int:
    found = _DURATION.fullmatch(text)
    assert found is not None  # noqa: S101 -- the Cedar validator has read it
    sign, *counts = found.groups()
    total = sum(int(count or 0) * unit for count, unit in zip(counts, _MILLISECONDS, strict=True))
    return -total if sign else total


def constant(atom: Node) -> tuple[Node, Any] | None:
    """Return the term and the constant, if *atom* says that they are equal: text, entity, bool."""
    if "==" not in atom:
        return None
    left, right = atom["=="]["left"], atom["=="]["right"]
    for term, other in ((left, right), (right, left)):
        if "Value" in other and "Value" not in term:
            return term, other["Value"]
    return None
