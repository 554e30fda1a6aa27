"""Tell a refused caller what would allow it: nothing that it could not find out by asking again.

Only what the caller itself sends, when it sends it and how the user logged in is varied, and every
answer told is one the engine gave. No policy, group, attribute or name of anybody is told, nor any
text that stands in a policy alone.
"""

from collections.abc import Iterable

from fleeting.core.model import ActionDecision, Decision, Json, Verdict
from fleeting.policy.alternatives import Alternative, Prober, Things
from fleeting.policy.bundle import PolicyBundle
from fleeting.policy.candidates import ANY, Change, Looked, What, candidates
from fleeting.policy.conditions import TakenApart, take_apart
from fleeting.policy.hypothetical import Hypothetical
from fleeting.policy.policies import Policy
from fleeting.policy.recent import Recent
from fleeting.policy.schema import action_id
from fleeting.policy.slicing import ScopeIndex, SliceKey
from fleeting.policy.tree import Effect

BUDGET = 32
"""How often one refusal may ask the engine: it must cost little, however often it is provoked."""

MOST_TOLD = 8
"""How many alternatives one refusal tells."""

SLICES = 1024
"""For how many slices it is remembered at least what their policies look at."""

MOST_LOOKED_AT = 24
"""How many policies are taken apart for one kind of request: each costs milliseconds, once."""

_OF_ONE_THING = 6
_PERMITS = 8  # of how many permits it is tried what belongs together
_TELLING = frozenset({Verdict.NO_PERMIT, Verdict.FORBIDDEN, Verdict.NEEDS_APPROVAL})
_TELLING |= {Verdict.NEEDS_STEP_UP, Verdict.NOT_BOUND}


class Refusals:
    """What would allow what one set of policies refuses."""

    __slots__ = ("_bundle", "_index", "_looked", "_taken")

    def __init__(self, bundle: PolicyBundle) -> None:
        """Tell by *bundle*; policies are taken apart when they are first needed."""
        self._bundle = bundle
        self._index = ScopeIndex([*bundle.policies.values()], bundle.world.types)
        self._looked: Recent[SliceKey, tuple[Looked, ...]] = Recent(SLICES)
        self._taken: dict[str, TakenApart] = {}

    def would_allow(self, asked: Hypothetical, decision: Decision) -> list[Json]:
        """Return what would allow the refused actions of *decision*, for the caller to read.

        This does NOT look at what the caller may ask for at all: its ceilings are not told.
        """
        told: list[Json] = []
        budget = BUDGET
        for answer in decision.answers:
            if answer.verdict in _TELLING and budget and len(told) < MOST_TOLD:
                prober = self._prober(asked, answer, budget)
                looked = self._looked_at(asked, answer)
                things, *by_permit = (_things(asked, answer, each, self._bundle) for each in looked)
                alternatives = prober.alternatives(things, by_permit)
                news = (each for each in alternatives if not _waits_already(answer, each))
                told += (_told(asked, answer, each) for each in news)
                budget = prober.left
        return told[:MOST_TOLD]

    def _prober(self, asked: Hypothetical, answer: ActionDecision, budget: int) -> Prober:
        return Prober(self._bundle, asked, answer.operation, answer.action, budget=budget)

    def _looked_at(self, asked: Hypothetical, answer: ActionDecision) -> tuple[Looked, ...]:
        """Return what the policies look at whose scope takes the caller, and then each permit.

        Of others nothing is told.
        """
        operation = asked.request.operations[answer.operation]
        key = self._index.key(action_id(operation.type, answer.action), asked.request)
        return self._looked.get(key) or self._looked.put(key, self._look(key))

    def _look(self, key: SliceKey) -> tuple[Looked, ...]:
        # Forbids first: there are few, and one of them outweighs every permit.
        nearest = sorted(self._index.taking(key), key=lambda each: each.effect is Effect.PERMIT)
        taken = [*map(self._apart, nearest[:MOST_LOOKED_AT])]
        permits = [each for each in taken if each.policy.effect is Effect.PERMIT]
        return (Looked.at(taken), *(Looked.at([permit]) for permit in permits[:_PERMITS]))

    def _apart(self, policy: Policy) -> TakenApart:
        found = self._taken.get(policy.id)
        if found is None:
            found = self._taken[policy.id] = take_apart(policy)
        return found


def _things(
    asked: Hypothetical, answer: ActionDecision, looked: Looked, bundle: PolicyBundle
) -> Things:
    things = candidates(asked, answer.operation, looked, bundle.world)
    public = ([each for each in thing if not each.disclosed] for thing in things)
    return [thing[:_OF_ONE_THING] for thing in public if thing]


def _waits_already(answer: ActionDecision, alternative: Alternative) -> bool:
    """Say whether people would have to decide it as they have to decide what was asked."""
    return answer.verdict is Verdict.NEEDS_APPROVAL and alternative.needs_approval


def _told(asked: Hypothetical, answer: ActionDecision, alternative: Alternative) -> Json:
    """Return one alternative; all of its members are needed together."""
    operation = asked.request.operations[answer.operation]
    told: dict[str, Json] = {
        "type": operation.type,
        "action": answer.action,
        "operation": answer.operation,
        **_members(alternative.changes),
    }
    if alternative.needs_approval:
        told["approval"] = True
    return told


def _members(changes: Iterable[Change]) -> dict[str, Json]:
    members: dict[str, Json] = {}
    for change in changes:
        name, value = _member(change)
        before = members.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            value = {**before, **value}
        elif isinstance(before, list) and isinstance(value, list):
            value = [*before, *value]
        members[name] = value
    return members


def _member(change: Change) -> tuple[str, Json]:
    name = _NAMES[change.what]
    if change.what not in (What.FIELD, What.CONTEXT):
        return name, change.value
    if change.value == ANY:
        return f"needs_{name}", [change.name]
    if change.value is None:
        return f"without_{name}", [change.name]
    return name, {change.name: change.value}


_NAMES = {
    What.LOGIN: "login",
    What.KEY: "key",
    What.CONTEXT: "context",
    What.FIELD: "fields",
    What.TIME: "not_before",
}
