"""Evaluate each condition of the policies by itself, with the Cedar engine, and say on what."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from fleeting.core.limits import Terms
from fleeting.core.model import Json
from fleeting.core.operations import OperationType
from fleeting.policy.bundle import PolicyBundle
from fleeting.policy.conditions import (
    Condition,
    Link,
    Part,
    TakenApart,
    alone,
    take_apart,
)
from fleeting.policy.engine import SlicedEngine
from fleeting.policy.facts import Facts, Value, reader
from fleeting.policy.policies import Policy
from fleeting.policy.tree import Effect, Scope, Uid

_FAILED = re.compile(r"^error while evaluating policy `([^`]+)`")


class Truth(StrEnum):
    """What a condition is for one request; unknown: it errs, or nothing is there to look at."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


class Seen(NamedTuple):
    """One thing that a condition looked at; value: None where it is absent."""

    name: str
    value: Json


class Told(NamedTuple):
    """One condition, and what it looked at."""

    condition: Condition
    seen: tuple[Seen, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """One policy held against one request, condition by condition."""

    taken: TakenApart
    facts: Facts
    type: OperationType | None
    truths: tuple[Truth, ...]

    @property
    def policy(self) -> Policy:
        """Return the policy."""
        return self.taken.policy

    def truth(self, condition: Condition) -> Truth:
        """Return what *condition* is, as Cedar works it out: no further than it must."""
        if condition.link is None:
            return self.truths[condition.number]
        if condition.link is Link.NOT:
            return _NEGATED[self.truth(condition.parts[0])]
        ends = Truth.FALSE if condition.link is Link.ALL else Truth.TRUE
        for part in condition.parts:
            truth = self.truth(part)
            if truth in (ends, Truth.UNKNOWN):
                return truth
        return _NEGATED[ends]

    def failed(self) -> tuple[Condition, ...]:
        """Return the conditions that keep the policy from being satisfied.

        One that cannot be known counts only where nothing else failed: it may hang on what did.
        """
        failed = [c for c in self.taken.conditions if self.truth(c) is _unwanted(c)]
        unknown = (c for c in self.taken.conditions if self.truth(c) is Truth.UNKNOWN)
        return tuple(failed or unknown)

    def reached(self) -> Iterator[tuple[Condition, bool]]:
        """Yield every atom that Cedar looks at, in order, and what it is."""
        for condition in self.taken.conditions:
            yield from self._walk(condition)
            if self.truth(condition) in (_unwanted(condition), Truth.UNKNOWN):
                return

    def _walk(self, condition: Condition) -> Iterator[tuple[Condition, bool]]:
        if condition.link is None:
            if self.truths[condition.number] is not Truth.UNKNOWN:
                yield condition, self.truths[condition.number] is Truth.TRUE
            return
        ends = {Link.ALL: Truth.FALSE, Link.ANY: Truth.TRUE}.get(condition.link)
        for part in condition.parts:
            yield from self._walk(part)
            if self.truth(part) in (ends, Truth.UNKNOWN):
                return

    def told(self, conditions: Iterable[Condition]) -> tuple[Told, ...]:
        """Return *conditions* with what each looks at, as it is in this request."""
        return tuple(Told(condition, self._seen(condition)) for condition in conditions)

    def _seen(self, condition: Condition) -> tuple[Seen, ...]:
        found = (each for atom in condition.atoms() for each in _seen(atom, self.facts, self.type))
        return tuple({each.name: each for each in found}.values())


_NEGATED = {
    Truth.TRUE: Truth.FALSE,
    Truth.FALSE: Truth.TRUE,
    Truth.UNKNOWN: Truth.UNKNOWN,
}


def _unwanted(condition: Condition) -> Truth:
    return Truth.FALSE if condition.wanted else Truth.TRUE


class Judge:
    """All policies of one set, taken apart, ready to be held against requests."""

    __slots__ = ("_all", "_by_action", "_engine", "_types")

    def __init__(self, bundle: PolicyBundle) -> None:
        """Take the policies of *bundle* apart."""
        self._types = bundle.world.types
        self._all = tuple(take_apart(bundle.policies[id_]) for id_ in sorted(bundle.policies))
        self._by_action: dict[str, list[TakenApart]] = {}
        atoms: list[Policy] = []
        for taken in self._all:
            atoms += (_atom_policy(taken.policy, atom) for atom in taken.atoms())
            for action in taken.policy.actions:
                self._by_action.setdefault(action, []).append(taken)
        self._engine = SlicedEngine(atoms, bundle.world.types)

    def all(self) -> Iterable[TakenApart]:
        """Return every policy, by id."""
        return self._all

    def taken(self, action: str) -> Iterable[TakenApart]:
        """Return every policy whose scope takes *action*, by id."""
        return self._by_action.get(action, ())

    def judge(self, action: str, facts: Facts) -> tuple[Judged, ...]:
        """Hold every policy that takes *action* against *facts*, by id."""
        answer = self._engine.permits(action, facts)
        satisfied, erred = set(answer.satisfied), {*map(_erring, answer.errors)}
        type_ = self._types.get(facts.operation.type)

        def truth(policy: Policy, atom: Condition) -> Truth:
            name = _atom_id(policy, atom)
            if name in erred or None in erred:  # of nobody: the engine did not evaluate at all
                return Truth.UNKNOWN
            return Truth.TRUE if name in satisfied else Truth.FALSE

        return tuple(
            Judged(taken, facts, type_, tuple(truth(taken.policy, atom) for atom in taken.atoms()))
            for taken in self.taken(action)
        )


def _atom_id(policy: Policy, atom: Condition) -> str:
    return f"{policy.id}/{atom.number}"


def _atom_policy(policy: Policy, atom: Condition) -> Policy:
    """Return the permit that says just what *atom* does: the Cedar engine is then its judge."""
    anybody = Scope()
    return replace(
        policy,
        id=_atom_id(policy, atom),
        effect=Effect.PERMIT,
        text=alone(atom),
        reason="",
        terms=Terms(),
        principal=policy.principal if atom.part is Part.PRINCIPAL else anybody,
        resource=policy.resource if atom.part is Part.RESOURCE else anybody,
        reads=atom.reads,
    )


def _erring(error: str) -> str | None:
    """Return the id of the policy that *error* is of."""
    found = _FAILED.search(error)
    return None if found is None else found[1]


# What a condition looked at.


def _seen(atom: Condition, facts: Facts, type_: OperationType | None) -> Iterator[Seen]:
    subject, client, of_client = facts.request.subject, facts.request.client, False
    if atom.part is Part.RESOURCE:
        yield Seen("resource", facts.request.resource.identifier)
    if atom.part is Part.PRINCIPAL or "principal" in atom.reads.variables:
        yield Seen("principal", f'{subject.kind}::"{subject.id}"')
    for path in sorted(atom.reads.context):
        of_client = of_client or path == ("client",)
        yield Seen(".".join(("context", *path)), _shown(reader(path, type_)(facts)))
    for name in sorted(atom.reads.attributes):
        value = subject.issuer if name == "issuer" else subject.attributes.get(name)
        yield Seen(f"principal.{name}", _shown(value))
    if any(entity.type == "Group" for entity in atom.reads.entities):
        groups = client.groups if of_client else subject.groups
        whose = "client" if of_client else "principal"
        yield Seen(f"groups of the {whose}", [*sorted(groups)])


def _shown(value: Value) -> Json:
    if isinstance(value, tuple):
        return [*value]
    if isinstance(value, Uid):
        return f'{value.type}::"{value.id}"'
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
