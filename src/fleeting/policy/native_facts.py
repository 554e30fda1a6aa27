"""Facts as compiled policies take them: Cedar's values, and who is within what.

The entities of a request are its principal, its client and its action; nobody knows of another
(``engine`` tells Cedar the same).
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

from fleeting.policy.cedar_values import (
    Entity,
    EvaluationError,
    decimal_value,
    missing,
    moment_value,
)
from fleeting.policy.facts import Facts, Reader
from fleeting.policy.kinds import Kind, Sort
from fleeting.policy.tree import Uid

Native: TypeAlias = Any
"""A value as ``cedar_values`` has it; its kind is known where the policy is compiled."""

NativeReader: TypeAlias = Callable[[Facts], Native]
"""Reads one value; None where it is absent."""

_NOBODY: frozenset[Entity] = frozenset()


def _entity(value: Uid) -> Entity:
    return value.type, value.id


_CONVERSIONS: Mapping[Sort, Callable[[Any], Native]] = {
    Sort.DECIMAL: decimal_value,
    Sort.DATETIME: moment_value,
    Sort.ENTITY: _entity,
    Sort.SET: frozenset,
}


def native(read: Reader, kind: Kind) -> NativeReader:
    """Return what reads the same as *read*, as the value that Cedar has for its *kind*."""
    convert = _CONVERSIONS.get(kind.sort)
    if convert is None:
        return read

    def read_native(facts: Facts) -> Native:
        value: Decimal | datetime | Uid | tuple[str, ...] | None
        value = read(facts)  # type: ignore[assignment]  # of its kind, as declared
        return None if value is None else convert(value)

    return read_native


def attribute_reader(name: str, kind: Kind) -> NativeReader:
    """Return what reads the attribute *name* of the principal."""
    if name == "issuer":
        return lambda facts: facts.request.subject.issuer
    if kind.sort is Sort.SET:
        return native(lambda facts: facts.request.subject.attributes.get(name), kind)
    return lambda facts: facts.request.subject.attributes.get(name)


def principal(facts: Facts) -> Entity:
    """Return the principal."""
    subject = facts.request.subject
    return subject.kind.value, subject.id


def resource(facts: Facts) -> Entity:
    """Return the resource."""
    return "Resource", facts.request.resource.identifier


def attribute_of(entity: Entity, read: NativeReader, name: str, facts: Facts) -> Native:
    """Return the attribute *name* of *entity*; *read* knows the principal's.

    Raises:
        EvaluationError: nobody knows the entity, or it has none.
    """
    if entity != principal(facts):
        raise EvaluationError(f'`{entity[0]}::"{entity[1]}"` does not have the attribute `{name}`')
    value = read(facts)
    return missing(entity[0], name) if value is None else value


def has_attribute(entity: Entity, read: NativeReader, facts: Facts) -> bool:
    """Say whether *entity* is known to have the attribute that *read* knows of the principal."""
    return entity == principal(facts) and read(facts) is not None


def within(entity: Entity, other: Entity, facts: Facts, action: Entity) -> bool:
    """Say whether *entity* is *other* or within it (Cedar's ``in``)."""
    return entity == other or other in _above(entity, facts, action)


def within_any(entity: Entity, others: frozenset[Entity], facts: Facts, action: Entity) -> bool:
    """Say whether *entity* is one of *others* or within one."""
    return entity in others or not others.isdisjoint(_above(entity, facts, action))


def _above(entity: Entity, facts: Facts, action: Entity) -> frozenset[Entity]:
    request = facts.request
    if entity == principal(facts):
        return frozenset(("Group", group) for group in request.subject.groups)
    if entity == ("Client", request.client.client_id):
        return frozenset(("Group", group) for group in request.client.groups)
    if entity == action:
        return frozenset({("Action", action[1].partition(":")[0])})
    return _NOBODY
