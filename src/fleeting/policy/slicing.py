"""Exact slices of a policy set: the policies whose scope takes a request, and what they read.

Scope conditions cannot err and depend only on action, principal and resource. A policy whose
scope does not take the request is never satisfied and never errs, so leaving it out changes
neither decision nor reasons nor errors (proved against the whole set by tests/policy).
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fleeting.core.model import AccessRequest, StepUp
from fleeting.core.operations import OperationType
from fleeting.policy.facts import Facts, Reader, meets, reader, standing
from fleeting.policy.policies import Policy
from fleeting.policy.tree import Effect, Scope, Uid


class SliceKey(NamedTuple):
    """All that the choice of policies depends on.

    principal, resource: None where no scope names this very one; groups: those some scope names.
    """

    action: str
    kind: str
    principal: str | None
    groups: frozenset[str]
    resource: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Policies of one effect, and the least that they must be told.

    groups: every group that one of them names. attributes: of the principal.
    """

    policies: tuple[Policy, ...]
    groups: frozenset[str]
    attributes: tuple[str, ...]
    readers: Mapping[tuple[str, ...], Reader]


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """The policies that may speak of a request; None where there are none of that effect.

    plain_forbids: those forbids that do not read the limits about to be granted.
    groups: those that any of the policies names. readers: what else answers depend on, the limits
    about to be granted, the issuer and the resource aside.
    """

    permits: Side | None
    forbids: Side | None
    plain_forbids: Side | None
    groups: frozenset[str]
    readers: tuple[Reader, ...]

    def forbids_for(self, facts: Facts) -> Side | None:
        """Return the forbids to ask; without limits, only those that do not read them."""
        return self.plain_forbids if facts.limits is None else self.forbids

    def fingerprint(self, facts: Facts) -> Hashable:
        """Return all of *facts* that the answers of these policies depend on, limits aside."""
        request = facts.request
        subject, client = request.subject, request.client
        return (
            self,
            subject.groups & self.groups,
            client.groups & self.groups,
            subject.issuer,
            request.resource.identifier,
            *[read(facts) for read in self.readers],
        )


def side_of(policies: Iterable[Policy], type_: OperationType | None) -> Side:
    """Return the side of these *policies*; *type_* is that of the operations it will judge."""
    taken = tuple(policies)
    return Side(taken, _groups(taken), _attributes(taken), _readers(taken, type_))


class ScopeIndex:
    """Which policies take which action, and which entities any scope names."""

    __slots__ = ("_by_action", "_groups", "_principals", "_resources", "_types")

    def __init__(self, policies: Iterable[Policy], types: Mapping[str, OperationType]) -> None:
        """Index *policies*."""
        self._types = types
        self._by_action: dict[str, list[Policy]] = {}
        named = [(policy.principal.entity, policy.resource.entity) for policy in policies]
        principals = [principal for principal, _ in named if principal is not None]
        self._groups = frozenset(each.id for each in principals if each.type == "Group")
        self._principals = frozenset((each.type, each.id) for each in principals)
        self._resources = frozenset(each.id for _, each in named if each is not None)
        for policy in policies:
            for action in policy.actions:
                self._by_action.setdefault(action, []).append(policy)

    def key(self, action: str, request: AccessRequest) -> SliceKey:
        """Return the key of the slice for *action* of *request*."""
        subject, resource = request.subject, request.resource.identifier
        return SliceKey(
            action,
            subject.kind,
            subject.id if (subject.kind, subject.id) in self._principals else None,
            subject.groups & self._groups,
            resource if resource in self._resources else None,
        )

    def taking(self, key: SliceKey) -> list[Policy]:
        """Return the policies whose scope takes a request of *key*."""
        return [each for each in self._by_action.get(key.action, ()) if _takes(each, key)]

    def cut(self, key: SliceKey) -> Slice:
        """Return the slice that *key* names."""
        taken = self.taking(key)
        forbids = [policy for policy in taken if policy.effect is Effect.FORBID]
        plain = [policy for policy in forbids if not policy.reads_limits]
        permits = [policy for policy in taken if policy.effect is Effect.PERMIT]
        type_ = self._types.get(key.action.partition(":")[0])
        return Slice(
            permits=side_of(permits, type_) if permits else None,
            forbids=side_of(forbids, type_) if forbids else None,
            plain_forbids=side_of(plain, type_) if plain else None,
            groups=_groups(taken),
            readers=(*_subject_readers(taken), *_standings(taken, type_)),
        )


def _subject_readers(policies: Sequence[Policy]) -> Iterator[Reader]:
    """Yield what reads of the subject all that answers and what is granted by them depend on."""
    if any(policy.reads.identity for policy in policies):
        yield lambda facts: facts.request.subject.id
    yield from map(_attribute, _attributes(policies))
    permits = [policy for policy in policies if policy.effect is Effect.PERMIT]
    yield from map(_login, {each.terms.step_up for each in permits if each.terms.step_up})


def _attribute(name: str) -> Reader:
    return lambda facts: facts.request.subject.attributes.get(name)


def _login(needed: StepUp) -> Reader:
    return lambda facts: meets(facts.request.subject, needed, now=facts.now)


def _standings(policies: Sequence[Policy], type_: OperationType | None) -> Iterable[Reader]:
    """Yield what reads just as much of the context as the answers depend on."""
    whole = {path for policy in policies for path in policy.reads.whole}
    for path, read in _readers(policies, type_).items():
        if path[0] == "limits":
            continue
        if path in whole:
            yield read
        else:
            marks = [policy.reads.landmarks.get(path, ()) for policy in policies]
            yield standing(read, {mark for each in marks for mark in each})


def _readers(
    policies: Sequence[Policy], type_: OperationType | None
) -> dict[tuple[str, ...], Reader]:
    paths = sorted({path for policy in policies for path in policy.reads.context})
    return {path: reader(path, type_) for path in paths}


def _groups(policies: Sequence[Policy]) -> frozenset[str]:
    entities = {uid for policy in policies for uid in policy.reads.entities}
    return frozenset(uid.id for uid in entities if uid.type == "Group")


def _attributes(policies: Sequence[Policy]) -> tuple[str, ...]:
    return tuple(sorted({name for policy in policies for name in policy.reads.attributes}))


def _takes(policy: Policy, key: SliceKey) -> bool:
    return _in_scope(policy.principal, key.kind, key.principal, key.groups) and _in_scope(
        policy.resource, "Resource", key.resource, frozenset()
    )


def _in_scope(scope: Scope, kind: str, id_: str | None, groups: frozenset[str]) -> bool:
    if scope.type is not None and scope.type != kind:
        return False
    entity = scope.entity
    if entity is None or (id_ is not None and entity == Uid(kind, id_)):
        return True
    return not scope.equal and entity.type == "Group" and entity.id in groups
