"""Say what came of a request in the words in which tests state what they expect."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from fleeting.core.durations import format_duration
from fleeting.core.issuance import grantable, within_subject_token
from fleeting.core.limits import describe_approvals, strictest
from fleeting.core.model import (
    AccessRequest,
    ActionDecision,
    Decision,
    Json,
    Limits,
    Verdict,
)
from fleeting.policy.bundle import PolicyBundle
from fleeting.policy.engine import SlicedEngine
from fleeting.policy.facts import Facts
from fleeting.policy.hypothetical import Hypothetical
from fleeting.policy.schema import action_id

PERMIT, IN_PART, DENY = "permit", "permit in part", "deny"
UNLIMITED = "unlimited"

_WAITING = {
    Verdict.NEEDS_APPROVAL: "needs approval",
    Verdict.NEEDS_STEP_UP: "needs login",
    Verdict.NOT_BOUND: "needs key",
}
DECISIONS = (PERMIT, IN_PART, DENY, *_WAITING.values())
"""What can come of a request as a whole."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one request: the words, the decision behind them, and why in policies' terms.

    told: ``decision``, ``policies`` and so on, all that a test may state.
    """

    told: Mapping[str, Json]
    decision: Decision


def decide(bundle: PolicyBundle, asked: Hypothetical) -> Decision:
    """Return what *bundle* says of a request, within what its subject token carries."""
    decision = bundle.decide(asked.request, now=asked.now)
    return within_subject_token(asked.request, decision, bundle.world.types)


def outcome(bundle: PolicyBundle, asked: Hypothetical) -> Outcome:
    """Decide a request and say what came of it."""
    decision = decide(bundle, asked)
    return Outcome(_told(asked.request, decision), decision)


def _told(request: AccessRequest, decision: Decision) -> Mapping[str, Json]:
    word = _word(decision.answers)
    counting = [answer for answer in decision.answers if answer.verdict is Verdict.PERMITTED]
    if not counting and word != DENY:
        counting = [*decision.answers]
    granted = grantable(request, decision).operations if word in (PERMIT, IN_PART) else ()
    reasons = (reason for answer in decision.answers for reason in answer.reasons)
    forbids = {policy for answer in decision.answers for policy in answer.forbids}
    chosen = {answer.paths[0].policy for answer in counting}
    told: dict[str, Json] = {"decision": word, "policies": [*sorted(chosen or forbids)]}
    if counting:
        told |= _limits(reduce(strictest, (answer.paths[0].limits for answer in counting)))
    told["operations"] = [operation.to_json() for operation in granted]
    told["reason"] = "; ".join(dict.fromkeys(reasons))
    return told


def _word(answers: Sequence[ActionDecision]) -> str:
    verdicts = {answer.verdict for answer in answers}
    if verdicts == {Verdict.PERMITTED}:
        return PERMIT
    if Verdict.PERMITTED in verdicts:
        return IN_PART
    return _WAITING.get(verdicts.pop(), DENY) if len(verdicts) == 1 else DENY


def _limits(limits: Limits) -> dict[str, Json]:
    return {
        "lifetime": format_duration(limits.lifetime),
        "uses": UNLIMITED if limits.uses is None else limits.uses,
        "bound": limits.bound.value,
        "approvals": describe_approvals(limits.approvals) if limits.approvals else "",
    }


def forbidding(bundle: PolicyBundle, asked: Hypothetical, limits: Limits) -> Outcome:
    """Say which forbids hold *limits* back, whatever permit might grant them.

    A cap is there for the permits that nobody has written yet, so no request of today reaches it.
    """
    engine = SlicedEngine(bundle.policies.values(), bundle.world.types)
    answers = tuple(
        _forbidding(engine, Facts(asked.request, operation, asked.now, limits), place, action)
        for place, operation in enumerate(asked.request.operations)
        for action in operation.actions
    )
    forbids = sorted({policy for answer in answers for policy in answer.forbids})
    reasons = [bundle.policies[policy].reason for policy in forbids]
    told: dict[str, Json] = {
        "decision": PERMIT if all(a.verdict is Verdict.PERMITTED for a in answers) else DENY,
        "policies": [*forbids],
        "reason": "; ".join(reason for reason in reasons if reason),
    }
    return Outcome(told, Decision(bundle.digest, answers))


def _forbidding(engine: SlicedEngine, facts: Facts, place: int, action: str) -> ActionDecision:
    answer = engine.forbids(action_id(facts.operation.type, action), facts)
    verdict = Verdict.FORBIDDEN if answer.satisfied else Verdict.PERMITTED
    if answer.errors:
        verdict = Verdict.POLICY_ERROR
    return ActionDecision(place, action, verdict, forbids=answer.satisfied, errors=answer.errors)
