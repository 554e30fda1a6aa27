"""Ask Cedar which policies are satisfied: exact slices, told only what they read, remembered."""

import json
import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import cedarpy

from fleeting.core.model import AccessRequest, Json
from fleeting.core.operations import OperationType
from fleeting.policy.facts import Facts, context_json, uid_json
from fleeting.policy.policies import Policy
from fleeting.policy.recent import Recent
from fleeting.policy.slicing import ScopeIndex, Side, Slice, SliceKey
from fleeting.policy.tree import Uid

SLICES = 4096
ENTITIES = 2048
"""How many of each are remembered at least; twice as many at most."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The policies of one effect that are satisfied, and what went wrong; ids in order."""

    satisfied: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


NOTHING = Answer()


@dataclass(frozen=True, slots=True)
class Parsed:
    """The policies of one side as Cedar takes them. ids: our names for them, by Cedar's."""

    handle: cedarpy.PolicySet
    ids: Mapping[str, str]


_CALLED = re.compile(r"(?<=^error while evaluating policy )`(policy[0-9]+)`")


class DecisionEngine(Protocol):
    """Says which policies are satisfied; what follows from that is ``deciding``'s."""

    def fingerprint(self, action: str, facts: Facts) -> Hashable:
        """Return all of *facts* that an answer depends on, the limits about to be granted aside."""
        ...

    def permits(self, action: str, facts: Facts) -> Answer:
        """Return the satisfied permits."""
        ...

    def forbids(self, action: str, facts: Facts) -> Answer:
        """Return the satisfied forbids; without limits, only those that do not read them."""
        ...


class SlicedEngine:
    """The Cedar engine itself, over exact slices: the reference (DESIGN D1)."""

    __slots__ = ("_entities", "_index", "_parsed", "_slices")

    def __init__(self, policies: Iterable[Policy], types: Mapping[str, OperationType]) -> None:
        """Index *policies*; slices are cut when first asked for."""
        self._index = ScopeIndex([*policies], types)
        self._slices: Recent[SliceKey, Slice] = Recent(SLICES)
        self._parsed: Recent[Side, Parsed] = Recent(SLICES)
        self._entities: Recent[str, cedarpy.Entities] = Recent(ENTITIES)

    def fingerprint(self, action: str, facts: Facts) -> Hashable:
        """Return the slice, and what its policies read."""
        return self.slice(action, facts).fingerprint(facts)

    def permits(self, action: str, facts: Facts) -> Answer:
        """Return the satisfied permits."""
        return self.ask(self.slice(action, facts).permits, action, facts)

    def forbids(self, action: str, facts: Facts) -> Answer:
        """Return the satisfied forbids; without limits, only those that do not read them."""
        return self.ask(self.slice(action, facts).forbids_for(facts), action, facts)

    def slice(self, action: str, facts: Facts) -> Slice:
        """Return the policies that may speak of this request."""
        key = self._index.key(action, facts.request)
        return self._slices.get(key) or self._slices.put(key, self._index.cut(key))

    def ask(self, side: Side | None, action: str, facts: Facts) -> Answer:
        """Return which policies of *side* are satisfied, as the Cedar engine says."""
        if side is None:
            return NOTHING
        subject = facts.request.subject
        values = {path: read(facts) for path, read in side.readers.items()}
        request = {
            "principal": uid_json(Uid(subject.kind, subject.id)),
            "action": uid_json(Uid("Action", action)),
            "resource": uid_json(Uid("Resource", facts.request.resource.identifier)),
            "context": context_json(values),
        }
        parsed = self._parsed.get(side) or self._parsed.put(side, _parse(side))
        try:
            known = self._known(json.dumps(_entities(side, action, facts.request)))
            return _answer(cedarpy.is_authorized(request, parsed.handle, known), parsed.ids)
        except ValueError as error:
            return Answer(errors=(f"the Cedar engine refused the request: {error}",))

    def _known(self, entities: str) -> cedarpy.Entities:
        found = self._entities.get(entities)
        if found is None:
            found = self._entities.put(entities, cedarpy.Entities.from_json_str(entities))
        return found


def _parse(side: Side) -> Parsed:
    # As text, for Cedar's JSON reader refuses what is nested 128 deep, such as a long `||`.
    text = "\n".join(policy.text for policy in side.policies)
    ids = {f"policy{place}": policy.id for place, policy in enumerate(side.policies)}
    return Parsed(cedarpy.PolicySet.from_str(text), ids)


def _entities(side: Side, action: str, request: AccessRequest) -> list[dict[str, Json]]:
    """Return action, principal, and the client where it is read, as the side sees them."""
    subject, client = request.subject, request.client
    attributes: dict[str, Json] = {}
    for name in side.attributes:
        value = subject.issuer if name == "issuer" else subject.attributes.get(name)
        if value is not None:
            attributes[name] = list(value) if isinstance(value, tuple) else value
    principal, caller = Uid(subject.kind, subject.id), Uid("Client", client.client_id)
    entities = [
        # Without it, `action in Action::"payment_refund"` would be false.
        _entity(Uid("Action", action), [Uid("Action", action.partition(":")[0])], {}),
        _entity(principal, _uids(subject.groups & side.groups), attributes),
    ]
    if ("client",) in side.readers and caller != principal:
        entities.append(_entity(caller, _uids(client.groups & side.groups), {}))
    return entities


def _uids(groups: frozenset[str]) -> list[Uid]:
    return [Uid("Group", group) for group in sorted(groups)]


def _entity(uid: Uid, parents: list[Uid], attributes: dict[str, Json]) -> dict[str, Json]:
    return {"uid": uid_json(uid), "attrs": attributes, "parents": [*map(uid_json, parents)]}


def _answer(result: cedarpy.AuthzResult, ids: Mapping[str, str]) -> Answer:
    errors = sorted(
        _CALLED.sub(lambda found: f"`{ids[found[1]]}`", error, count=1)
        for error in result.diagnostics.errors
    )
    if result.decision is cedarpy.Decision.NoDecision:
        errors = errors or ["the Cedar engine made no decision"]
    return Answer(tuple(sorted(ids[each] for each in result.diagnostics.reasons)), tuple(errors))
