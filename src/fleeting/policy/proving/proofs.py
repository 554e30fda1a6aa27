"""Prove a property of a set of policies, or show a request that breaks it."""

from dataclasses import dataclass
from enum import StrEnum

from fleeting.core.model import ActionDecision
from fleeting.policy.bundle import PolicyBundle
from fleeting.policy.policies import Policy
from fleeting.policy.proving.cases import REACHED, Case
from fleeting.policy.proving.enumerating import cases
from fleeting.policy.proving.guards import guard_holds
from fleeting.policy.proving.outcomes import Chosen, Outcomes, Scene, applying, limit_numbers
from fleeting.policy.proving.parties import Door, Parties, Place, places
from fleeting.policy.proving.properties import Property
from fleeting.policy.proving.solving import Effort, Possible, Question
from fleeting.policy.proving.terms import Truth, every, some


class Status(StrEnum):
    """What came of it."""

    PROVED = "proved"
    BROKEN = "counterexample"
    OPEN = "not proved"
    VACUOUS = "vacuous"


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A request that breaks the property, and what the reference engine decided about it."""

    case: Case
    answer: ActionDecision


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of one property.

    why: why it is not proved. tried: requests that were tried instead, which proves nothing.
    note: what a proof does not show, such as that there is no such request at all.
    """

    property: Property
    status: Status
    counterexample: Counterexample | None = None
    why: tuple[str, ...] = ()
    tried: int = 0
    note: str = ""


class Prover:
    """Proves properties of one set of policies, which is encoded once for all that have no when."""

    def __init__(self, bundle: PolicyBundle, parties: Parties, effort: Effort) -> None:
        """Speak of *bundle*, and of all requests that *parties* can send."""
        self._bundle = bundle
        self._parties = parties
        self._effort = effort
        self._scenes: dict[Place, Scene] = {}

    def prove(self, property_: Property) -> Verdict:
        """Return whether no request breaks *property_*.

        A counterexample is one that the reference engine confirms; without one, what the solver
        leaves open is tried at boundary values, which finds much and proves nothing.
        """
        gaps: dict[str, None] = {}
        vacuous = True
        for place in places(self._bundle.world, property_.actions):
            attempt = _Attempt(property_, self._bundle, self._scene(place, property_.when))
            found = attempt.counterexample()
            if found is not None:
                return Verdict(property_, Status.BROKEN, found)
            gaps.update(dict.fromkeys(attempt.gaps))
            vacuous = vacuous and not attempt.meant
        if gaps:
            return self._try(property_, tuple(gaps))
        if vacuous:  # more often a slip of the pen than the truth
            return Verdict(property_, Status.VACUOUS, note=_VACUOUS)
        return Verdict(property_, Status.PROVED)

    def _scene(self, place: Place, when: Policy | None) -> Scene:
        if when is not None:
            return self._made(place, when)
        if place not in self._scenes:
            self._scenes[place] = self._made(place, when)
        return self._scenes[place]

    def _made(self, place: Place, when: Policy | None) -> Scene:
        policies = _policies(self._bundle, when, place)
        question = Question(place, self._bundle.world, self._parties, policies, self._effort)
        return Scene(question, Outcomes(self._bundle, question.encoder))

    def _try(self, property_: Property, why: tuple[str, ...]) -> Verdict:
        tried = 0
        for place in places(self._bundle.world, property_.actions):
            policies = _policies(self._bundle, property_.when, place)
            for case in cases(place, self._bundle.world, self._parties, policies, self._effort.now):
                tried += 1
                answer = case.decided_by(self._bundle)
                if breaks(case, answer, property_, self._bundle):
                    found = Counterexample(case, answer)
                    return Verdict(property_, Status.BROKEN, found, why, tried)
        return Verdict(property_, Status.OPEN, None, why, tried)


_VACUOUS = "no request is one that it speaks of"


def breaks(case: Case, answer: ActionDecision, property_: Property, bundle: PolicyBundle) -> bool:
    """Say whether *answer*, which the reference engine gave to *case*, breaks *property_*."""
    if answer.verdict not in REACHED:
        return False
    limits = answer.paths[0].limits
    return property_.never.broken_by(limits) and guard_holds(
        property_.when, case, limits, bundle.world
    )


def _policies(bundle: PolicyBundle, when: Policy | None, place: Place) -> list[Policy]:
    return [*applying(bundle, place.id), *([] if when is None else [when])]


class _Attempt:
    """One property at one place. gaps: what keeps it from being proved there."""

    def __init__(self, property_: Property, bundle: PolicyBundle, scene: Scene) -> None:
        self._property = property_
        self._bundle = bundle
        self._question = scene.question
        self._outcomes = scene.outcomes
        self.gaps: list[str] = []
        self.meant = False

    def counterexample(self) -> Counterexample | None:
        for door in self._question.doors:
            chosen = [each for each in self._outcomes.chosen(door) if each.way.ready]
            bad = [e for e in chosen if self._property.never.broken_by(e.way.limits)]
            broken = some([self._with_guard(each) for each in bad])
            # What is permitted at once is the clearer example.
            at_once = some(each.granted for each in bad if not each.way.limits.approvals)
            possible = self._question.ask(broken, door)
            self.meant = self.meant or self._is_meant(door)
            if possible is Possible.NO:
                continue
            found = self._confirmed(broken, door, at_once) if possible is Possible.YES else None
            if found is not None:
                return found
            self.gaps += self._question.gaps(possible)
        return None

    def _with_guard(self, chosen: Chosen) -> Truth:
        when = self._property.when
        if when is None:
            return chosen.granted
        limits = limit_numbers(chosen.way.limits)
        return every((chosen.granted, self._question.encoder.encode(when, limits).satisfied))

    def _is_meant(self, door: Door) -> bool:
        """Say whether the property speaks of any request at all; of limits, it is not asked."""
        when = self._property.when
        if when is None or when.reads_limits:
            return True
        holds = self._question.encoder.encode(when).satisfied
        return self._question.ask(holds, door) is not Possible.NO

    def _confirmed(self, broken: Truth, door: Door, wish: Truth) -> Counterexample | None:
        case = self._question.example(broken, door, wish)
        if case is None:
            return None
        answer = case.decided_by(self._bundle)
        confirmed = breaks(case, answer, self._property, self._bundle)
        return Counterexample(case, answer) if confirmed else None
