"""Sets for the solver: written out, or of strings that depend on the request."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

import z3

from fleeting.policy.proving.strings import Strings
from fleeting.policy.proving.terms import (
    Expression,
    Term,
    Truth,
    every,
    negated,
    some,
)

Equality = Callable[[Term, Term], Truth]


class SetTerm(Protocol):
    """A set, as one can ask it."""

    def has(self, term: Term) -> Truth:
        """Say when *term* is in it."""
        ...

    def within(self, other: "SetTerm") -> Truth:
        """Say when all of it is in *other*."""
        ...

    def meets(self, other: "SetTerm") -> Truth:
        """Say when something of it is in *other*."""
        ...

    def empty(self) -> Truth:
        """Say when there is nothing in it."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """A set whose elements are written out."""

    elements: tuple[Term, ...]
    equal: Equality

    def has(self, term: Term) -> Truth:
        """Say when *term* equals one of them."""
        return some(self.equal(each, term) for each in self.elements)

    def within(self, other: SetTerm) -> Truth:
        """Say when *other* has each of them."""
        return every(other.has(each) for each in self.elements)

    def meets(self, other: SetTerm) -> Truth:
        """Say when *other* has one of them."""
        return some(other.has(each) for each in self.elements)

    def empty(self) -> Truth:
        """Say when there are none."""
        return not self.elements


@dataclass(slots=True)
class Universe:
    """All strings that any set of a request is asked about: enough to say what is in it.

    Whatever holds of a set for some string that is not among them gets a witness that is, so a
    model of the solver always is a set of finitely many strings.
    """

    strings: Strings
    members: list[Term] = field(default_factory=list)
    rules: list[Callable[[], Truth]] = field(default_factory=list)
    names: "count[int]" = field(default_factory=count)

    def note(self, term: Term) -> Term:
        """Remember that sets may be asked about *term*."""
        if not any(_same(term.value, each.value) for each in self.members):
            self.members.append(term)
        return term

    def witness(self, like: Term) -> Term:
        """Return a new string of the same kind as *like*."""
        name = f"element {next(self.names)}"
        return self.note(Term(like.kind, self.strings.variable(name)))

    def exists(self, holds: Callable[[Term], Truth], like: Term) -> Truth:
        """Say when *holds* of some string; it then does of a new one, and else of none of all."""
        told = z3.Bool(f"exists {next(self.names)}")
        example = holds(self.witness(like))
        self.rules.append(lambda: some((negated(told), example)))
        self.rules.append(lambda: some((told, every(negated(holds(m)) for m in self.members))))
        return told

    def constraints(self) -> list[Truth]:
        """Return what ties all that was asked together, once everything was asked."""
        return [rule() for rule in self.rules]


@dataclass(frozen=True, slots=True)
class Variable:
    """A set of strings that depends on the request. holds: z3's function that says of what."""

    universe: Universe
    like: Term
    holds: Expression

    def has(self, term: Term) -> Truth:
        """Say when *term* is in it; only strings ever are."""
        if term.kind is not self.like.kind:
            return False
        return self.holds(_z3(self.universe.note(term).value))

    def within(self, other: SetTerm) -> Truth:
        """Say when *other* has all of it."""
        return negated(self._some(lambda each: negated(other.has(each))))

    def meets(self, other: SetTerm) -> Truth:
        """Say when *other* has some of it."""
        return other.meets(self) if isinstance(other, Written) else self._some(other.has)

    def empty(self) -> Truth:
        """Say when there is nothing in it."""
        return negated(self._some(lambda _each: True))

    def _some(self, holds: Callable[[Term], Truth]) -> Truth:
        """Say when *holds* of something in it."""
        return self.universe.exists(
            lambda each: every((self._member(each), holds(each))), self.like
        )

    def _member(self, term: Term) -> Truth:
        return self.holds(_z3(term.value))


def same_elements(a: SetTerm, b: SetTerm) -> Truth:
    """Say when two sets are equal."""
    return every((a.within(b), b.within(a)))


def _same(a: Expression, b: Expression) -> bool:
    if isinstance(a, int | str) or isinstance(b, int | str):
        return type(a) is type(b) and bool(a == b)
    return bool(a.eq(b))


def _z3(value: Expression) -> Expression:
    """Return *value* as an expression of z3, where only such will do."""
    return z3.IntVal(value) if isinstance(value, int) else value
