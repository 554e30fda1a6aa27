"""Hold the compiled engine to the Cedar engine's word: a disagreement denies, and is told."""

import re
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from fleeting.policy.compiled import CompiledEngine
from fleeting.policy.engine import Answer, DecisionEngine, SlicedEngine
from fleeting.policy.facts import Facts
from fleeting.policy.policies import Policy
from fleeting.policy.schema import PolicyWorld
from fleeting.policy.tree import Effect

SAMPLE = 100
"""One in how many answers of each effect ``verify = "sample"`` checks."""

_ERRING = re.compile(r"(?<=^error while evaluating policy )`([^`]+)`")


class Verify(StrEnum):
    """Which answers of the compiled engine the Cedar engine must confirm before they count.

    PERMITS confirms all that a permit rests on: the satisfied permits, and that nothing forbids.
    A wrong refusal then goes unnoticed, a wrong permit does not. OFF trusts the compiled engine
    alone; it opens nothing by itself, but takes away the second opinion, so the server warns of it
    at every start. CEDAR_ONLY compiles nothing: the Cedar engine decides alone, which is slower,
    and what is left to do where the two disagree.

    An answer is verified when it is computed. ``deciding`` remembers decisions by all that they
    depend on, so a remembered one was verified, or passed over, as the first of its like.
    """

    OFF = "off"
    SAMPLE = "sample"
    PERMITS = "permits"
    ALL = "all"
    CEDAR_ONLY = "cedar-only"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two engines, one question, two answers. It names no caller and holds no value of theirs."""

    action: str
    effect: Effect
    policies: tuple[str, ...]

    def __str__(self) -> str:
        """Return it as the ledger keeps it."""
        named = ", ".join(f"`{policy}`" for policy in self.policies) or "the request"
        return f"the compiled {self.effect}s disagree with the Cedar engine about {named}"


OnDisagreement: TypeAlias = Callable[[Disagreement], None]


def ignore(_disagreement: Disagreement) -> None:
    """Tell nobody: the decision itself says so anyway."""


def build_engine(
    policies: Iterable[Policy],
    world: PolicyWorld,
    verify: Verify,
    on_disagreement: OnDisagreement,
) -> DecisionEngine:
    """Return what decides by *policies*: compiled, and held to Cedar as *verify* says."""
    reference = SlicedEngine(policies, world.types)
    if verify is Verify.CEDAR_ONLY:
        return reference
    compiled = CompiledEngine(reference, world)
    if verify is Verify.OFF:
        return compiled
    return VerifiedEngine(compiled, reference, verify, on_disagreement)


class VerifiedEngine:
    """Answers of one engine that another confirms; where they differ, the answer is an error."""

    __slots__ = ("_asked", "_checked", "_on_disagreement", "_reference", "_verify")

    def __init__(
        self,
        checked: DecisionEngine,
        reference: DecisionEngine,
        verify: Verify,
        on_disagreement: OnDisagreement,
    ) -> None:
        """Answer as *checked* does, if *reference* agrees; else tell *on_disagreement*."""
        self._checked = checked
        self._reference = reference
        self._verify = verify
        self._on_disagreement = on_disagreement
        self._asked = dict.fromkeys(Effect, 0)

    def fingerprint(self, action: str, facts: Facts) -> Hashable:
        """Return all that an answer depends on."""
        return self._reference.fingerprint(action, facts)

    def permits(self, action: str, facts: Facts) -> Answer:
        """Return the satisfied permits."""
        answer = self._checked.permits(action, facts)
        leads_to_permit = bool(answer.satisfied) and not answer.errors
        if not self._is_due(Effect.PERMIT, leads_to_permit=leads_to_permit):
            return answer
        return self._agreed(Effect.PERMIT, action, answer, self._reference.permits(action, facts))

    def forbids(self, action: str, facts: Facts) -> Answer:
        """Return the satisfied forbids; without limits, only those that do not read them."""
        answer = self._checked.forbids(action, facts)
        # Without limits nothing is about to be granted.
        leads_to_permit = facts.limits is not None and not answer.satisfied and not answer.errors
        if not self._is_due(Effect.FORBID, leads_to_permit=leads_to_permit):
            return answer
        return self._agreed(Effect.FORBID, action, answer, self._reference.forbids(action, facts))

    def _is_due(self, effect: Effect, *, leads_to_permit: bool) -> bool:
        if self._verify is Verify.SAMPLE:
            self._asked[effect] += 1
            return self._asked[effect] % SAMPLE == 0
        return leads_to_permit or self._verify is Verify.ALL

    def _agreed(self, effect: Effect, action: str, answer: Answer, other: Answer) -> Answer:
        differing = {*answer.satisfied} ^ {*other.satisfied} | _erring(answer) ^ _erring(other)
        if not differing:
            return answer
        named = tuple(sorted(differing - {""}))
        disagreement = Disagreement(action, effect, named)
        self._on_disagreement(disagreement)
        return Answer(errors=(str(disagreement), *answer.errors, *other.errors))


def _erring(answer: Answer) -> set[str]:
    """Return the policies that erred; the empty name where the whole request was refused."""
    found = [_ERRING.search(error) for error in answer.errors]
    return {each[1] if each else "" for each in found}
