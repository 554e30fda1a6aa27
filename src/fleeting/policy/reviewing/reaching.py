"""Warn of policies that change nothing: contradictory, always overridden, or redundant.

Without a solver, so only in the plain cases; never of a policy that does change something.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fleeting.core.limits import DEFAULT_LIFETIME, Terms, format_duration, stronger
from fleeting.core.model import Limits, SenderConstraint
from fleeting.core.operations import Field, FieldType
from fleeting.policy import rules
from fleeting.policy.hints import METHODS
from fleeting.policy.problems import Problem
from fleeting.policy.reviewing.assuming import (
    Assumptions,
    Conflict,
    conditions,
    is_opaque,
    written,
)
from fleeting.policy.reviewing.granting import Possible
from fleeting.policy.reviewing.literals import DECIMAL_SCALE, compare, constant, is_plain
from fleeting.policy.reviewing.reviewed import Reviewed
from fleeting.policy.schema import UNLIMITED_USES, PolicyWorld
from fleeting.policy.tree import Node

_DAY = 86_400_000
_CONTEXT: Node = {"Var": "context"}


@dataclass(frozen=True, slots=True)
class Reach:
    """A policy, what makes it satisfied, and all that follows from that.

    opaque: those of its conditions, by their text, that only follow from themselves.
    """

    reviewed: Reviewed
    conditions: tuple[tuple[Node, bool], ...]
    assumed: Assumptions
    opaque: frozenset[tuple[str, bool]]

    def covers(self, other: "Reach", assumed: Assumptions | None = None) -> bool:
        """Say whether this is satisfied whenever *other* is."""
        if not self.reviewed.policy.actions >= other.reviewed.policy.actions:
            return False
        known = other.assumed if assumed is None else assumed
        if not self.opaque <= known.facts.items():  # most pairs: they are about other groups
            return False
        return all(known.holds(node) is truth for node, truth in self.conditions)


def warn_of_reach(
    policies: Sequence[Reviewed], granted: Mapping[str, Possible], world: PolicyWorld
) -> Iterator[Problem]:
    """Warn of each of *policies* that no decision depends on.

    granted: what each permit can give, by its id.
    """
    reaches = [_reach(each, world) for each in policies]
    for reach in reaches:
        if reach.assumed.conflict is not None:
            yield _never(reach.reviewed, reach.assumed.conflict)
    possible = [reach for reach in reaches if reach.assumed.conflict is None]
    by_action = _by_action(possible)
    for permit in possible:
        if permit.reviewed.is_permit:
            actions = permit.reviewed.policy.actions
            others = min((by_action[action] for action in actions), key=len)
            yield from _overridden(permit, others, granted[permit.reviewed.policy.id])
            yield from _redundant(permit, others, world)


def _by_action(reaches: Sequence[Reach]) -> dict[str, list[Reach]]:
    found: dict[str, list[Reach]] = {}
    for reach in reaches:
        for action in reach.reviewed.policy.actions:
            found.setdefault(action, []).append(reach)
    return found


def _reach(reviewed: Reviewed, world: PolicyWorld) -> Reach:
    assumed = _declared_bounds(reviewed, world)
    made_of = tuple(conditions(reviewed.node))
    for node, truth in made_of:
        assumed.assume(node, truth=truth)
    opaque = frozenset((written(node), truth) for node, truth in made_of if is_opaque(node))
    return Reach(reviewed, made_of, assumed, opaque)


# What is declared, and so holds before any condition does.


def _declared_bounds(reviewed: Reviewed, world: PolicyWorld) -> Assumptions:
    assumed = Assumptions()
    assumed.bound(_attribute("delegation_depth"), 0, None)
    assumed.bound(_attribute("auth_age"), 0, None)
    assumed.bound({"toTime": [_attribute("now")]}, 0, _DAY - 1)
    types = [world.types[name] for name in reviewed.types if name in world.types]
    for name in sorted({name for type_ in types for name in type_.fields}):
        fields = [type_.fields[name] for type_ in types if name in type_.fields]
        ends = [_ends(field) for field in fields]
        lows, highs = [low for low, _ in ends], [high for _, high in ends]
        low = None if None in lows else min(each for each in lows if each is not None)
        high = None if None in highs else max(each for each in highs if each is not None)
        assumed.bound(_attribute("operation", name), low, high)
    return assumed


def _ends(field: Field) -> tuple[int | None, int | None]:
    scale = DECIMAL_SCALE if field.type is FieldType.DECIMAL else 1
    low, high = field.minimum, field.maximum
    return (
        None if low is None else int(low * scale),
        None if high is None else int(high * scale),
    )


def _attribute(*path: str) -> Node:
    node = _CONTEXT
    for name in path:
        node = {".": {"left": node, "attr": name}}
    return node


# The three findings.


def _never(reviewed: Reviewed, conflict: Conflict) -> Problem:
    term = _name(conflict.atom)
    what = "permit" if reviewed.is_permit else "forbid"
    about = f"of `{term}`" if term else "of each other"
    return reviewed.warn(
        rules.NEVER_MATCHES,
        f"no request can satisfy this {what}: what it asks {about} cannot be",
        f"it contradicts another condition, the scope, or what is declared{_left(conflict)}",
        at=reviewed.text.find(term.rpartition(".")[2].removesuffix("()")) if term else None,
    )


def _left(conflict: Conflict) -> str:
    """Return the numbers that the other conditions leave, where a person would write them so."""
    left = conflict.left
    if left is None or not is_plain(conflict.atom):
        return ""
    ends = [("at least", left.low), ("at most", left.high)]
    told = " and ".join(f"{word} {end}" for word, end in ends if end is not None)
    return f": by the rest, it is {told}"


def _name(atom: Node) -> str:
    """Return how a policy writes the term that *atom* is about, as far as it is a plain one."""
    comparison, equal = compare(atom), constant(atom)
    if comparison is not None:
        return _path(comparison.term)
    if equal is not None:
        return _path(equal[0])
    operands = next(iter(atom.values()))
    return _path(operands["left"]) if isinstance(operands, dict) and "left" in operands else ""


def _path(term: Node) -> str:
    """Return such as ``context.operation.amount`` or ``context.now.toTime()``."""
    operator, operands = next(iter(term.items()))
    if operator == "Var":
        return str(operands)
    if operator == ".":
        base = _path(operands["left"])
        return f"{base}.{operands['attr']}" if base else ""
    if operator in METHODS and len(operands) == 1:
        base = _path(operands[0])
        return f"{base}.{operator}()" if base else ""
    return ""


def _overridden(permit: Reach, others: Sequence[Reach], possible: Possible) -> Iterator[Problem]:
    # Of a type that nobody can ask for, nothing is known of the limits.
    known = all(possible.values())
    limits = {limit for each in possible.values() for limit in each} if known else set()
    for forbid in (other for other in others if not other.reviewed.is_permit):
        if not forbid.reviewed.policy.reads_limits:
            overrides = forbid.covers(permit)
        else:
            worlds = [_with_limits(permit.assumed, each) for each in limits]
            overrides = bool(worlds) and all(forbid.covers(permit, each) for each in worlds)
        if overrides:
            yield _override(permit, forbid, limits)
            return


def _with_limits(assumed: Assumptions, limits: Limits) -> Assumptions:
    known = assumed.copy()
    values = {
        "lifetime": int(limits.lifetime.total_seconds()),
        "uses": UNLIMITED_USES if limits.uses is None else limits.uses,
        "approvals": sum(stage.count for stage in limits.approvals),
    }
    for name, value in values.items():
        known.bound(_attribute("limits", name), value, value)
    return known


def _override(permit: Reach, forbid: Reach, limits: Iterable[Limits]) -> Problem:
    hint = "narrow the forbid, or delete the permit"
    if forbid.reviewed.policy.reads_limits:
        given = sorted({_told(limit) for limit in limits})
        hint = f"it reads context.limits, and this gives {' or '.join(given)}"
    return permit.reviewed.warn(
        rules.ALWAYS_OVERRIDDEN,
        f"whatever this permits, {forbid.reviewed.place} forbids",
        hint,
    )


def _told(limits: Limits) -> str:
    uses = "unlimited uses" if limits.uses is None else f"uses {limits.uses}"
    return f"lifetime {format_duration(limits.lifetime)}, {uses}"


def _redundant(permit: Reach, others: Sequence[Reach], world: PolicyWorld) -> Iterator[Problem]:
    for other in others:
        if other is permit or not other.reviewed.is_permit or not _replaces(other, permit, world):
            continue
        if _replaces(permit, other, world) and _order(permit) < _order(other):
            continue  # of two that say the same, the later one is redundant
        yield permit.reviewed.warn(
            rules.REDUNDANT_PERMIT,
            f"{other.reviewed.place} permits whatever this permits, and is chosen before it",
            "delete it, or make it wider, or its limits narrower",
        )
        return


def _order(reach: Reach) -> tuple[str, int, int]:
    policy = reach.reviewed.policy
    return policy.file, policy.line, policy.column


def _replaces(other: Reach, permit: Reach, world: PolicyWorld) -> bool:
    """Say whether *other* is satisfied whenever *permit* is, and never comes after it."""
    if not other.covers(permit):
        return False
    types = [world.types[name] for name in permit.reviewed.types if name in world.types]
    sensitive = any(type_.sensitive for type_ in types)
    one, two = other.reviewed.policy.terms, permit.reviewed.policy.terms
    return _asks_no_more(one, two, sensitive=sensitive)


def _asks_no_more(one: Terms, two: Terms, *, sensitive: bool) -> bool:
    """Say whether a path with the terms *one* is never chosen after one with *two* (DESIGN D2).

    Under every ceiling: what is not stated can be anything that the ceilings make of it.
    """
    if one.break_glass is not None and two.break_glass is None:
        return False  # it is a path only for who gives a reason
    weaker = stronger(one.bound or SenderConstraint.NONE, two.bound or SenderConstraint.NONE)
    if weaker is not (two.bound or SenderConstraint.NONE):
        return False
    if one.step_up not in (None, two.step_up):
        return False
    counts = [sum(stage.count for stage in terms.approvals) for terms in (one, two)]
    if counts[0] != counts[1]:
        return counts[0] < counts[1]
    same_people = one.approvals == two.approvals
    return same_people and _no_longer(one, two) and _no_more_uses(one, two, sensitive=sensitive)


def _no_longer(one: Terms, two: Terms) -> bool:
    if one.lifetime is None:
        return two.lifetime is None
    return one.lifetime <= (DEFAULT_LIFETIME if two.lifetime is None else two.lifetime)


def _no_more_uses(one: Terms, two: Terms, *, sensitive: bool) -> bool:
    if sensitive and two.uses is None:  # then one use is given
        return one.uses in (None, 1)
    endless = UNLIMITED_USES
    return (endless if one.uses is None else one.uses) <= (
        endless if two.uses is None else two.uses
    )
