"""What follows, without a solver, from a policy's being satisfied: the plain cases.

It answers yes or no only where the other answer is impossible; of all else it does not know.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from fleeting.policy.reviewing.literals import Comparison, compare, constant
from fleeting.policy.tree import Node


@dataclass(slots=True)
class Range:
    """The numbers that a term can be, ends included; None: no end."""

    low: int | None = None
    high: int | None = None

    def narrow(self, operator: str, number: int) -> None:
        """Keep only what compares so."""
        if operator in (">", ">=", "=="):
            low = number + (operator == ">")
            self.low = low if self.low is None else max(self.low, low)
        if operator in ("<", "<=", "=="):
            high = number - (operator == "<")
            self.high = high if self.high is None else min(self.high, high)

    def compares(self, operator: str, number: int) -> bool | None:
        """Say whether every number left compares so, or none does."""
        if operator in ("!=", ">", ">="):
            opposite = self.compares(NEGATED[operator], number)
            return None if opposite is None else not opposite
        if operator == "==":
            if self.low == self.high == number:
                return True
            return False if self._is_beyond(number) else None
        bound = number - (operator == "<")
        if self.high is not None and self.high <= bound:
            return True
        return False if self.low is not None and self.low > bound else None

    def _is_beyond(self, number: int) -> bool:
        too_low = self.low is not None and number < self.low
        return too_low or (self.high is not None and number > self.high)


NEGATED: Mapping[str, str] = {
    "<": ">=",
    ">=": "<",
    ">": "<=",
    "<=": ">",
    "==": "!=",
    "!=": "==",
}


@dataclass(frozen=True, slots=True)
class Conflict:
    """A condition that cannot be, and the numbers that are left of what it compares, if any."""

    atom: Node
    left: Range | None = None


@dataclass(slots=True)
class Assumptions:
    """What is assumed to be true. conflict: the first condition that cannot be, if one cannot.

    facts: atoms by their text. equals: the constant that a term is. kinds: entity types of terms.
    """

    facts: dict[str, bool] = field(default_factory=dict)
    ranges: dict[str, Range] = field(default_factory=dict)
    equals: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    conflict: Conflict | None = None

    def copy(self) -> "Assumptions":
        """Return assumptions of its own that begin with these."""
        ranges = {term: replace(each) for term, each in self.ranges.items()}
        return Assumptions({**self.facts}, ranges, {**self.equals}, {**self.kinds}, self.conflict)

    def bound(self, term: Node, low: int | None, high: int | None) -> None:
        """Assume that the number *term* is between *low* and *high*."""
        self.ranges[written(term)] = Range(low, high)

    def assume(self, node: Node, *, truth: bool = True) -> None:
        """Assume that the condition *node* is so, or is not."""
        for atom, value in _atoms(node, truth=truth):
            if self.holds(atom) is (not value):
                self.conflict = self.conflict or Conflict(atom, self._left(atom))
            self._note(atom, value=value)

    def _left(self, atom: Node) -> Range | None:
        comparison = compare(atom)
        left = None if comparison is None else self.ranges.get(written(comparison.term))
        return None if left is None else replace(left)

    def _note(self, atom: Node, *, value: bool) -> None:
        self.facts.setdefault(written(atom), value)
        comparison = compare(atom)
        if comparison is not None:
            operator = comparison.operator if value else NEGATED[comparison.operator]
            term = self.ranges.setdefault(written(comparison.term), Range())
            term.narrow(operator, comparison.number)
        elif value:
            self._note_equal(atom)

    def _note_equal(self, atom: Node) -> None:
        if "is" in atom:
            self.kinds[written(atom["is"]["left"])] = atom["is"]["entity_type"]
        found = constant(atom)
        if found is not None:
            term, value = found
            self.equals[written(term)] = written(value)
            if isinstance(value, dict):  # an entity: there are no other such constants
                self.kinds[written(term)] = value["__entity"]["type"]

    def holds(self, node: Node) -> bool | None:
        """Say whether *node* is true then, or false; None: neither follows."""
        operator, operands = next(iter(node.items()))
        if operator in ("!", "!="):
            inner = self.holds(operands["arg"] if operator == "!" else {"==": operands})
            return None if inner is None else not inner
        if operator == "Value" and isinstance(operands, bool):
            return operands
        known = self.facts.get(written(node))
        if known is not None:
            return known
        if operator in ("&&", "||"):
            return self._holds_all(operator, node)
        return self._holds_atom(node)

    def _holds_all(self, operator: str, node: Node) -> bool | None:
        # One false is enough for `&&`, one true for `||`.
        enough = operator == "||"
        answers = [self.holds(each) for each in chain(operator, node)]
        if enough in answers:
            return enough
        return None if None in answers else not enough

    def _holds_atom(self, atom: Node) -> bool | None:
        comparison = compare(atom)
        if comparison is not None:
            return self._compares(comparison)
        if "is" in atom:
            kind = self.kinds.get(written(atom["is"]["left"]))
            return None if kind is None else kind == atom["is"]["entity_type"]
        found = constant(atom)
        if found is not None:
            value = self.equals.get(written(found[0]))
            return None if value is None else value == written(found[1])
        return None

    def _compares(self, comparison: Comparison) -> bool | None:
        term = self.ranges.get(written(comparison.term))
        return None if term is None else term.compares(comparison.operator, comparison.number)


def is_opaque(node: Node) -> bool:
    """Say whether the condition *node* only follows from itself: ``holds`` looks it up, no more."""
    operator, operands = next(iter(node.items()))
    if operator in ("!", "!=", "&&", "||", "is") or isinstance(operands, bool):
        return False
    return compare(node) is None and constant(node) is None


def written(node: Node) -> str:
    """Return *node* as a text that no other node has."""
    return json.dumps(node, sort_keys=True)


def chain(operator: str, node: Node) -> Iterator[Node]:
    """Yield the operands of a chain of one operator, in their order; a long one is deep."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if operator in each:
            waiting += (each[operator]["right"], each[operator]["left"])
        else:
            yield each


def _atoms(node: Node, *, truth: bool) -> Iterator[tuple[Node, bool]]:
    """Yield what must be so, or not, for *node* to be *truth*; an `||` that is true stays whole."""
    operator = "&&" if truth else "||"
    for each in chain(operator, node):
        if "!" in each:
            yield from _atoms(each["!"]["arg"], truth=not truth)
        elif "!=" in each:
            yield {"==": each["!="]}, not truth
        elif "is" in each and "in" in each["is"] and truth:
            inside = {"in": {"left": each["is"]["left"], "right": each["is"]["in"]}}
            kind = {name: value for name, value in each["is"].items() if name != "in"}
            yield from (({"is": kind}, True), (inside, True))
        else:
            yield each, truth


def conditions(policy: Node) -> list[tuple[Node, bool]]:
    """Return what makes *policy* satisfied: each condition, and whether it is to be true.

    The action is left out: sets of actions are compared as such.
    """
    scopes = [*scope_conditions("principal", policy), *scope_conditions("resource", policy)]
    bodies = [(each["body"], each["kind"] == "when") for each in policy["conditions"]]
    return [*((each, True) for each in scopes), *bodies]


def scope_conditions(variable: str, policy: Node) -> Iterable[Node]:
    """Yield the scope of *variable* as the conditions that say the same."""
    scope, left = policy[variable], {"Var": variable}
    if "entity_type" in scope:
        yield {"is": {"left": left, "entity_type": scope["entity_type"]}}
    inside = scope.get("in", scope)
    if "entity" in inside:
        operator = "in" if scope["op"] == "is" else scope["op"]
        yield {operator: {"left": left, "right": {"Value": {"__entity": inside["entity"]}}}}
