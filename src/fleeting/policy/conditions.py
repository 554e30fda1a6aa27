"""Take a policy apart into its conditions, each with its words and its place in the file."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

import cedarpy

from fleeting.policy.policies import Policy
from fleeting.policy.problems import PolicySource
from fleeting.policy.scanner import PolicyText, Token, split_policies
from fleeting.policy.tree import Node, Reads, read

DEEPEST = 40
"""How many brackets deep a condition is taken apart; what is nested deeper counts as one."""

_OPENS = {"(": ")", "[": "]", "{": "}"}


class Part(StrEnum):
    """Where in a policy a condition stands."""

    PRINCIPAL = "principal"
    ACTION = "action"
    RESOURCE = "resource"
    WHEN = "when"
    UNLESS = "unless"


SCOPE = (Part.PRINCIPAL, Part.ACTION, Part.RESOURCE)


class Link(StrEnum):
    """How a condition is made of others."""

    ALL = "&&"
    ANY = "||"
    NOT = "!"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a policy, on one line, and where it stands.

    wanted: what it must be for the policy to be satisfied: False in an ``unless``.
    link, parts: what it is made of; an atom has none, and then *number* among its policy's atoms,
    what it *reads*, and the *literals* that it compares with.
    """

    part: Part
    text: str
    line: int
    column: int
    link: Link | None = None
    parts: tuple["Condition", ...] = ()
    number: int = -1
    reads: Reads = field(default_factory=Reads)
    literals: tuple[Node, ...] = ()

    @property
    def wanted(self) -> bool:
        """Return what it must be for the policy to be satisfied."""
        return self.part is not Part.UNLESS

    def atoms(self) -> Iterator["Condition"]:
        """Yield what cannot be taken apart any further, in the order in which Cedar looks."""
        if self.link is None:
            yield self
        for part in self.parts:
            yield from part.atoms()


@dataclass(frozen=True, slots=True)
class TakenApart:
    """A policy and all of its conditions; every one must be as wanted for it to be satisfied."""

    policy: Policy
    conditions: tuple[Condition, ...]

    def atoms(self) -> tuple[Condition, ...]:
        """Return the atoms of all conditions, by number."""
        return tuple(atom for condition in self.conditions for atom in condition.atoms())


def take_apart(policy: Policy) -> TakenApart:
    """Return the conditions of *policy*: its scope, each of its ``when``, each of its ``unless``.

    The parts of a ``when`` with ``&&``, and of an ``unless`` with ``||``, stand for themselves.
    """
    (text,) = split_policies(PolicySource(policy.file, policy.text))
    reader = _Reader(policy, text)
    found = [*reader.scope(), *reader.clauses()]
    count = iter(range(len(text.tokens)))
    return TakenApart(policy, tuple(_numbered(condition, count) for condition in found))


def _numbered(condition: Condition, count: Iterator[int]) -> Condition:
    if condition.link is None:
        reads, literals = _looked_at(condition)
        return replace(condition, number=next(count), reads=reads, literals=literals)
    parts = tuple(_numbered(part, count) for part in condition.parts)
    return replace(condition, parts=parts)


def alone(condition: Condition) -> str:
    """Return a policy that is satisfied just where the atom *condition* is true."""
    if condition.part not in SCOPE:
        return f"permit (principal, action, resource) when {{ {condition.text} }};"
    written = {part: part.value for part in SCOPE} | {condition.part: condition.text}
    return f"permit ({', '.join(written[part] for part in SCOPE)});"


def _looked_at(condition: Condition) -> tuple[Reads, tuple[Node, ...]]:
    parsed = json.loads(cedarpy.policies_to_json_str(alone(condition)))
    node = parsed["staticPolicies"]["policy0"]
    return read(node), tuple(_literals([each["body"] for each in node["conditions"]]))


_EXTENSIONS = ("decimal", "datetime", "duration")


def _literals(waiting: list[Node]) -> Iterator[Node]:
    """Yield every value that stands in an expression; of an extension type as ``{type: text}``."""
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            for name, inner in node.items():
                if name == "Value":
                    yield inner
                elif name == "like":
                    yield {name: inner["pattern"]}
                elif name in _EXTENSIONS:
                    yield {name: inner[0].get("Value")}
                else:
                    waiting.append(inner)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one policy's tokens; a range of them is written ``start, end``."""

    policy: Policy
    text: PolicyText

    def scope(self) -> Iterator[Condition]:
        """Yield what the scope says of principal, action and resource, where it says anything."""
        start = self._opening()
        inner = self._split(start + 1, self._closing(start), ",")
        for part, (first, last) in zip(SCOPE, inner, strict=False):
            if last - first > 1:
                yield self._condition(part, first, last)

    def clauses(self) -> Iterator[Condition]:
        """Yield every condition of ``when`` and ``unless``, in their order."""
        at = self._closing(self._opening()) + 1
        while self._word(at) != ";":
            part, end = Part(self._word(at)), self._closing(at + 1)
            own = Link.ALL if part is Part.WHEN else Link.ANY
            condition = self._expression(part, at + 2, end)
            yield from condition.parts if condition.link is own else (condition,)
            at = end + 1

    def _expression(self, part: Part, start: int, end: int, depth: int = 0) -> Condition:
        """Read one expression; ``if`` takes all that follows it, ``&&`` binds before ``||``."""
        if depth < DEEPEST and self._word(start) != "if":
            if self._closes(start, end - 1):
                return self._expression(part, start + 1, end - 1, depth + 1)
            for link in (Link.ANY, Link.ALL):
                inner = self._split(start, end, link.value)
                if len(inner) > 1:
                    parts = tuple(self._expression(part, *each, depth + 1) for each in inner)
                    return self._condition(part, start, end, link, parts)
            if self._word(start) == "!" and self._closes(start + 1, end - 1):
                negated = self._expression(part, start + 2, end - 1, depth + 1)
                return self._condition(part, start, end, Link.NOT, (negated,))
        return self._condition(part, start, end)

    def _condition(
        self,
        part: Part,
        start: int,
        end: int,
        link: Link | None = None,
        parts: tuple[Condition, ...] = (),
    ) -> Condition:
        place = self.text.problem("", at=self._token(start).start)
        line = self.policy.line + place.line - 1
        return Condition(part, self._words(start, end), line, place.column, link, parts)

    def _words(self, start: int, end: int) -> str:
        """Return the tokens on one line, without comments; blanks only where there were some."""
        words = [self._word(start)]
        for place in range(start + 1, end):
            before, token = self._token(place - 1), self._token(place)
            joined = before.start + len(before.text) == token.start
            words.append(token.text if joined else f" {token.text}")
        return "".join(words)

    def _split(self, start: int, end: int, separator: str) -> list[tuple[int, int]]:
        """Return what stands between the separators that are inside of no bracket."""
        found, first, at = [], start, start
        while at < end:
            if self._word(at) in _OPENS:
                at = self._closing(at)
            elif self._word(at) == separator:
                found.append((first, at))
                first = at + 1
            at += 1
        return [*found, (first, end)] if first < end else found

    def _opening(self) -> int:
        """Return where the scope opens: after the annotations and the effect."""
        at = 0
        while self._word(at) == "@":
            at = self._closing(at + 2) + 1 if self._word(at + 2) == "(" else at + 2
        return at + 1

    def _closes(self, opening: int, last: int) -> bool:
        return self._word(opening) == "(" and self._closing(opening) == last

    def _closing(self, opening: int) -> int:
        depth, place = 1, opening
        while depth:
            place += 1
            word = self._word(place)
            depth += (word in _OPENS) - (word in _OPENS.values())
        return place

    def _token(self, place: int) -> Token:
        return self.text.tokens[place]

    def _word(self, place: int) -> str:
        return self.text.tokens[place].text
