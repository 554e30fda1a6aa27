"""What a set of policies decides, for the solver: DESIGN D2 as ``policy.deciding`` does it.

Under one door's ceilings every permit's limits are known, and so is the order of the paths, but
for whether the login meets a step-up: such a permit stands in the order twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fleeting.core.limits import Ceilings, approvals_needed, is_at_least
from fleeting.core.model import Limits, StepUp
from fleeting.policy.bundle import PolicyBundle
from fleeting.policy.policies import Policy
from fleeting.policy.proving.encoding import Encoder, Numbers
from fleeting.policy.proving.parties import Door
from fleeting.policy.proving.solving import Question
from fleeting.policy.proving.terms import Truth, every, negated, some
from fleeting.policy.proving.variables import Variables
from fleeting.policy.schema import UNLIMITED_USES
from fleeting.policy.tree import Effect


@dataclass(frozen=True, slots=True)
class Way:
    """One path in the order of ceremony. open: when its permit is satisfied, and it stands here.

    ready: neither another key nor another login is missing.
    """

    policy: str
    limits: Limits
    ready: bool
    open: Truth


@dataclass(frozen=True, slots=True)
class Chosen:
    """One path that may be taken: when it is, and no policy forbids what it grants."""

    way: Way
    taken: Truth
    granted: Truth


class Outcomes:
    """The decisions of *bundle* about one place."""

    def __init__(self, bundle: PolicyBundle, encoder: Encoder) -> None:
        """Encode the permits; forbids follow with the limits they may read."""
        self._encoder = encoder
        self._variables = encoder.variables
        own = applying(bundle, encoder.variables.place.id)
        self._forbids = [each for each in own if each.effect is Effect.FORBID]
        found = [(each, encoder.encode(each)) for each in own if each.effect is Effect.PERMIT]
        self.permits = {
            policy.id: every((encoded.satisfied, self._opened(policy))) for policy, encoded in found
        }
        # Any permit that errs denies (DESIGN D1).
        self.broken = some(encoded.errs for _, encoded in found)
        self._written = [policy for policy, encoded in found if encoded.satisfied is not False]
        self._stopped: dict[str, Truth] = {}

    def stopped(self, limits: Limits) -> Truth:
        """Say when some forbid is satisfied, or errs, over *limits*."""
        numbers = limit_numbers(limits)
        key = str(numbers)
        if key not in self._stopped:
            encoded = [self._encoder.encode(each, numbers) for each in self._forbids]
            self._stopped[key] = some(t for each in encoded for t in (each.satisfied, each.errs))
        return self._stopped[key]

    def stopped_by(self, limits: Limits) -> dict[str, Truth]:
        """Say of each forbid when it is satisfied over *limits*."""
        numbers = limit_numbers(limits)
        return {each.id: self._encoder.encode(each, numbers).satisfied for each in self._forbids}

    def ways(self, door: Door) -> list[Way]:
        """Return every path there may be through *door*, that of least ceremony first."""
        ranked = [
            (_rank(policy, limits, door.above, met=met), way)
            for policy in self._written
            for limits in (door.above.over(policy.terms),)
            for met, way in self._ways(policy, limits, door)
        ]
        return [way for _, way in sorted(ranked, key=lambda each: each[0])]

    def chosen(self, door: Door) -> list[Chosen]:
        """Return every path that may be taken through *door*, each with when it is."""
        return [
            Chosen(way, taken, every((taken, negated(self.stopped(way.limits)))))
            for way, taken in first_open(self.ways(door), self.broken)
        ]

    def _opened(self, policy: Policy) -> Truth:
        """Say when *policy* is a path at all: one for emergencies is, for who gives a reason."""
        return policy.terms.break_glass is None or self._variables.reason

    def _ways(self, policy: Policy, limits: Limits, door: Door) -> list[tuple[bool, Way]]:
        satisfied = self.permits[policy.id]
        bound = is_at_least(door.held, limits.bound)
        met = meets(limits.step_up, self._variables)
        each = ((True, met), (False, negated(met)))
        return [
            (is_met, Way(policy.id, limits, bound and is_met, every((satisfied, truth))))
            for is_met, truth in each
            if truth is not False
        ]


@dataclass(frozen=True, slots=True)
class Scene:
    """All requests for one place, and what the policies make of them."""

    question: Question
    outcomes: Outcomes


def first_open(ways: Sequence[Way], broken: Truth) -> list[tuple[Way, Truth]]:
    """Return each of *ways* with when it is the first that is open, and no permit errs."""
    none_before = negated(broken)
    found = []
    for way in ways:
        found.append((way, every((none_before, way.open))))
        none_before = every((none_before, negated(way.open)))
    return found


def applying(bundle: PolicyBundle, action: str) -> list[Policy]:
    """Return the policies that take *action*, in the order of their places."""
    own = (each for each in bundle.policies.values() if action in each.actions)
    return sorted(own, key=lambda each: (each.file, each.line))


def meets(step_up: StepUp | None, variables: Variables) -> Truth:
    """Say when the login meets *step_up*, as ``policy.facts.meets`` does."""
    if step_up is None:
        return True
    acr, login = variables.acr, variables.login
    met: list[Truth] = []
    if step_up.acr:
        levels = [variables.strings.literal(level) for level in step_up.acr if level]
        same = [] if acr is None else [acr.term.value == level for level in levels]
        met.append(every((False if acr is None else acr.present, some(same))))
    if step_up.max_age is not None:
        met.append(False if login is None else login.meets(step_up.max_age))
    return every(met)


def limit_numbers(limits: Limits) -> Numbers:
    """Return *limits* as forbids read them in ``context.limits``."""
    return {
        "lifetime": int(limits.lifetime.total_seconds()),
        "uses": UNLIMITED_USES if limits.uses is None else limits.uses,
        "approvals": approvals_needed(limits),
        "bound": limits.bound.value,
    }


def _rank(policy: Policy, limits: Limits, above: Ceilings, *, met: bool) -> tuple[object, ...]:
    """Return what orders paths, as ``policy.deciding`` does: ceremony, narrowness, id."""
    return (
        not is_at_least(above.held, limits.bound),
        not met,
        approvals_needed(limits),
        policy.terms.break_glass is not None,
        limits.lifetime,
        UNLIMITED_USES if limits.uses is None else limits.uses,
        policy.id,
    )
