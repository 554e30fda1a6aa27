"""Decide with compiled policies; what cannot be compiled, the Cedar engine evaluates."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from fleeting.policy.cedar_values import Entity, EvaluationError
from fleeting.policy.compiling import Holds, compile_policy
from fleeting.policy.engine import NOTHING, Answer, SlicedEngine
from fleeting.policy.facts import Facts
from fleeting.policy.policies import Policy
from fleeting.policy.python_code import NotCompilable
from fleeting.policy.recent import Recent
from fleeting.policy.schema import PolicyWorld
from fleeting.policy.slicing import Side, side_of

SIDES = 8192
RULES = 16_384
"""How many of each are remembered at least; twice as many at most."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy for one operation type. holds: None where it cannot be compiled."""

    policy: Policy
    holds: Holds | None


@dataclass(frozen=True, slots=True)
class CompiledSide:
    """Policies of one effect: those compiled, by id in order, and the rest as it is asked."""

    rules: tuple[tuple[str, Holds], ...]
    rest: Side | None


class CompiledEngine:
    """Python functions over the reference's own slices (DESIGN D1).

    A policy is compiled when it is first asked about an operation type, so that loading does not
    wait for it.
    """

    __slots__ = ("_reference", "_rules", "_sides", "_world")

    def __init__(self, reference: SlicedEngine, world: PolicyWorld) -> None:
        """Decide by the policies of *reference*, which is asked for what cannot be compiled."""
        self._reference = reference
        self._world = world
        self._sides: Recent[Side, CompiledSide] = Recent(SIDES)
        self._rules: Recent[tuple[str, str], Rule] = Recent(RULES)

    def fingerprint(self, action: str, facts: Facts) -> Hashable:
        """Return the slice, and what its policies read."""
        return self._reference.fingerprint(action, facts)

    def permits(self, action: str, facts: Facts) -> Answer:
        """Return the satisfied permits."""
        return self._ask(self._reference.slice(action, facts).permits, action, facts)

    def forbids(self, action: str, facts: Facts) -> Answer:
        """Return the satisfied forbids; without limits, only those that do not read them."""
        return self._ask(self._reference.slice(action, facts).forbids_for(facts), action, facts)

    def _ask(self, side: Side | None, action: str, facts: Facts) -> Answer:
        if side is None:
            return NOTHING
        compiled = self._sides.get(side) or self._sides.put(side, self._compile(side, action))
        answer = _evaluate(compiled.rules, ("Action", action), facts)
        if compiled.rest is None:
            return answer
        return _both(answer, self._reference.ask(compiled.rest, action, facts))

    def _compile(self, side: Side, action: str) -> CompiledSide:
        type_name = action.partition(":")[0]
        rules = [self._rule(policy, type_name) for policy in side.policies]
        done = {rule.policy.id: rule.holds for rule in rules if rule.holds is not None}
        rest = [rule.policy for rule in rules if rule.holds is None]
        if len(rest) == len(rules):
            return CompiledSide((), side)
        type_ = self._world.types.get(type_name)
        return CompiledSide(tuple(sorted(done.items())), side_of(rest, type_) if rest else None)

    def _rule(self, policy: Policy, type_name: str) -> Rule:
        key = policy.id, type_name
        return self._rules.get(key) or self._rules.put(key, _rule(policy, self._world, type_name))


def _rule(policy: Policy, world: PolicyWorld, type_name: str) -> Rule:
    try:
        return Rule(policy, compile_policy(policy.node, world, type_name))
    except NotCompilable:
        return Rule(policy, None)


def _evaluate(rules: Iterable[tuple[str, Holds]], action: Entity, facts: Facts) -> Answer:
    satisfied: list[str] = []
    errors: list[str] = []
    for id_, holds in rules:
        try:
            if holds(facts, action):
                satisfied.append(id_)
        except EvaluationError as error:
            errors.append(f"error while evaluating policy `{id_}`: {error}")
        except Exception as error:  # noqa: BLE001 -- a bug of ours, and like any error it denies
            errors.append(f"error while evaluating policy `{id_}`: bug: {error!r}")
    return Answer(tuple(satisfied), tuple(errors))


def _both(one: Answer, other: Answer) -> Answer:
    return Answer(
        tuple(sorted((*one.satisfied, *other.satisfied))),
        tuple(sorted((*one.errors, *other.errors))),
    )
