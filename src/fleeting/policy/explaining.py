"""Explain a decision: what decided, what nearly permitted it, and what would allow it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fleeting.core.model import ActionDecision
from fleeting.policy.alternatives import Alternative, Prober
from fleeting.policy.bundle import PolicyBundle
from fleeting.policy.candidates import Change, Looked, candidates
from fleeting.policy.conditions import Condition, Part, TakenApart
from fleeting.policy.facts import Facts
from fleeting.policy.hypothetical import Hypothetical
from fleeting.policy.judging import Judge, Judged, Told
from fleeting.policy.outcomes import decide
from fleeting.policy.policies import Policy
from fleeting.policy.schema import action_id
from fleeting.policy.tree import Effect

BUDGET = 600
"""How often the engine is asked about each action, to find what would allow it."""


@dataclass(frozen=True, slots=True)
class NearPermit:
    """A permit that is not satisfied, and the conditions that failed.

    personal: some of them are about who asks, which no change of the request would alter.
    """

    policy: Policy
    failed: tuple[Told, ...]
    personal: bool


@dataclass(frozen=True, slots=True)
class Forbid:
    """A forbid that is satisfied, and the conditions that make it so."""

    policy: Policy
    held: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one action of one operation was decided as it was.

    answer: the decision, with every satisfied permit, the chosen one first.
    near: permits that are not satisfied, those first that lack least.
    alternatives: what would allow it, each confirmed by the engine.
    """

    answer: ActionDecision
    near: tuple[NearPermit, ...]
    forbids: tuple[Forbid, ...]
    alternatives: tuple[Alternative, ...]


def explain(bundle: PolicyBundle, judge: Judge, asked: Hypothetical) -> tuple[Explanation, ...]:
    """Return why each action that is asked for is decided as it is, and what would allow it."""
    decision = decide(bundle, asked)
    return tuple(_explain(bundle, judge, asked, answer) for answer in decision.answers)


def _explain(
    bundle: PolicyBundle, judge: Judge, asked: Hypothetical, answer: ActionDecision
) -> Explanation:
    operation = asked.request.operations[answer.operation]
    action = action_id(operation.type, answer.action)
    granted = answer.paths[0].limits if answer.paths else None
    judged = judge.judge(action, Facts(asked.request, operation, asked.now, granted))
    near = tuple(sorted(_near(judged), key=_distance))
    return Explanation(
        answer=answer,
        near=near,
        forbids=tuple(_forbid(each) for each in judged if each.policy.id in answer.forbids),
        alternatives=_alternatives(bundle, asked, answer, [each.taken for each in judged], near),
    )


def _near(judged: tuple[Judged, ...]) -> Iterator[NearPermit]:
    for each in judged:
        failed = each.failed() if each.policy.effect is Effect.PERMIT else ()
        if failed:
            yield NearPermit(each.policy, each.told(failed), any(map(_is_personal, failed)))


def _distance(near: NearPermit) -> tuple[bool, int, str]:
    """Return what orders permits: what the request can change before who asks, fewest first."""
    return near.personal, len(near.failed), near.policy.id


def _is_personal(condition: Condition) -> bool:
    if condition.part in (Part.PRINCIPAL, Part.RESOURCE):
        return True
    return any(
        atom.reads.attributes or atom.reads.entities or "principal" in atom.reads.variables
        for atom in condition.atoms()
    )


def _forbid(judged: Judged) -> Forbid:
    held = (each for each in judged.taken.conditions if each.part is not Part.ACTION)
    return Forbid(judged.policy, judged.told(held))


def _alternatives(
    bundle: PolicyBundle,
    asked: Hypothetical,
    answer: ActionDecision,
    taken: Sequence[TakenApart],
    near: Sequence[NearPermit],
) -> tuple[Alternative, ...]:
    def things(policies: Iterable[TakenApart]) -> list[list[Change]]:
        return candidates(asked, answer.operation, Looked.at(policies), bundle.world)

    prober = Prober(bundle, asked, answer.operation, answer.action, budget=BUDGET)
    apart = {each.policy.id: each for each in taken}
    by_permit = (things([apart[each.policy.id]]) for each in near if not each.personal)
    return tuple(prober.alternatives(things(taken), by_permit))
