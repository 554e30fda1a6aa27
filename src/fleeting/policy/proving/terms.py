"""Terms: values of Cedar's types that may depend on the request, and when finding them errs.

A value is Python's own where it is the same for every request, so that most of a formula is gone
before the solver sees it; otherwise it is an expression of z3, which has no types to show.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

import z3

from fleeting.core.declaring import I64
from fleeting.policy.tree import Uid

Truth: TypeAlias = Any
"""A ``bool``, or a Boolean expression of z3."""

Number: TypeAlias = Any
"""An ``int``, or an integer expression of z3."""

Expression: TypeAlias = Any
"""Whatever a term's value is."""


class UnsupportedError(Exception):
    """A construct that is not modelled; the message names it as people know it."""


class Kind(Enum):
    """What a value is to Cedar; NOTHING: there is none, for finding it always errs."""

    BOOL = "Bool"
    LONG = "Long"
    STRING = "String"
    DECIMAL = "decimal"
    DATETIME = "datetime"
    DURATION = "duration"
    ENTITY = "entity"
    SET = "Set"
    RECORD = "record"
    NOTHING = "nothing"


SCALARS = frozenset(Kind) - {Kind.ENTITY, Kind.SET, Kind.RECORD, Kind.NOTHING}


@dataclass(frozen=True, slots=True)
class Term:
    """One value. errs: for which requests it has none, as Cedar's evaluation fails.

    Decimals are in ten-thousandths; instants and durations in milliseconds.
    """

    kind: Kind
    value: Expression
    errs: Truth = False


FAILED = Term(Kind.NOTHING, None, errs=True)


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of a record or an entity, and for which requests it is there."""

    present: Truth
    term: Term


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity. code: stands for its id. parents: says whether it is within another.

    literal: its name, where the policy names it.
    """

    type: str
    code: Number
    parents: Callable[[Uid], Truth]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    literal: Uid | None = None

    def equals(self, other: "Entity") -> Truth:
        """Say when both are the same entity."""
        return self.code == other.code if self.type == other.type else False

    def within(self, other: "Entity") -> Truth:
        """Say when it is *other*, or in it: Cedar's ``in``."""
        inside = self.parents(other.literal) if other.literal is not None else False
        return some((self.equals(other), inside))


# Truth tables with the constants folded.


def every(truths: Iterable[Truth]) -> Truth:
    """Return the conjunction."""
    kept = [each for each in truths if each is not True]
    if any(each is False for each in kept):
        return False
    if len(kept) > 1:
        return z3.And(*kept)
    return kept[0] if kept else True


def some(truths: Iterable[Truth]) -> Truth:
    """Return the disjunction."""
    kept = [each for each in truths if each is not False]
    if any(each is True for each in kept):
        return True
    if len(kept) > 1:
        return z3.Or(*kept)
    return kept[0] if kept else False


def negated(truth: Truth) -> Truth:
    """Return the negation."""
    return not truth if isinstance(truth, bool) else z3.Not(truth)


def either(condition: Truth, then: Expression, otherwise: Expression) -> Expression:
    """Return *then* where *condition* holds, else *otherwise*; both scalars of one kind."""
    if isinstance(condition, bool):
        return then if condition else otherwise
    return z3.If(condition, then, otherwise)


def outside_long(number: Number) -> Truth:
    """Say when *number* is beyond what a Long can be."""
    return some((number < I64.start, number >= I64.stop))


def divided(number: Number, by: int) -> Number:
    """Return *number* divided, rounded down."""
    return number // by if isinstance(number, int) else number / by


def truncated(number: Number, by: int) -> Number:
    """Return *number* divided, rounded towards zero."""
    return either(number >= 0, divided(number, by), -divided(-number, by))
