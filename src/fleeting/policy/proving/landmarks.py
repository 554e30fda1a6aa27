"""The values at which policies change their mind: what they compare each attribute with."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from fleeting.policy.policies import Policy
from fleeting.policy.proving import literals

Path = tuple[str, ...]

_READERS = {
    "decimal": literals.decimal_units,
    "datetime": literals.datetime_ms,
    "duration": literals.duration_ms,
}


@dataclass(frozen=True, slots=True)
class Landmarks:
    """What *policies* name. texts: per attribute, "" for those of no one attribute.

    numbers: likewise. decimals are in ten-thousandths, instants and durations in milliseconds.
    """

    policies: tuple[Policy, ...]
    texts: set[str] = field(default_factory=set)
    numbers: set[int] = field(default_factory=set)
    decimals: set[int] = field(default_factory=set)
    instants: set[int] = field(default_factory=set)
    durations: set[int] = field(default_factory=set)

    def numbers_at(self, path: Path) -> list[int]:
        """Return the numbers that may matter at *path*, and their neighbours."""
        near = {n for each in self.policies for n in each.reads.landmarks.get(path, ())}
        if any(path in each.reads.whole for each in self.policies):
            near |= self.numbers
        return neighbours(near)

    def texts_at(self, path: Path) -> list[str]:
        """Return the strings that may matter at *path*."""
        held = {text for each in self.policies for at, text in each.reads.held if at == path}
        return sorted(held | self.texts) if not held else sorted(held)

    def named(self, type_: str) -> list[str]:
        """Return the ids of every entity of *type_* that is named."""
        uids = {uid for each in self.policies for uid in each.reads.entities}
        return sorted(uid.id for uid in uids if uid.type == type_)


def landmarks(policies: Iterable[Policy]) -> Landmarks:
    """Return what *policies* name."""
    found = Landmarks(tuple(policies))
    for policy in found.policies:
        for node in _nodes(policy):
            _note(node, found)
    return found


def neighbours(numbers: Iterable[int]) -> list[int]:
    """Return *numbers* and those next to them."""
    return sorted({near for each in numbers for near in (each - 1, each, each + 1)})


def _nodes(policy: Policy) -> Iterator[Any]:
    waiting = [each["body"] for each in policy.conditions]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _note(node: Any, found: Landmarks) -> None:  # noqa: ANN401 -- it is JSON
    value = node.get("Value")
    if isinstance(value, str):
        found.texts.add(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        found.numbers.add(value)
    if "like" in node:
        found.texts.add(_like_example(node["like"]["pattern"]))
    for name, kept in zip(_READERS, (found.decimals, found.instants, found.durations), strict=True):
        text = node[name][0].get("Value") if name in node else None
        if isinstance(text, str):
            kept.add(_READERS[name](text))


def _like_example(pattern: list[Any]) -> str:
    return "".join("x" if each == "Wildcard" else str(each["Literal"]) for each in pattern)
