"""Compare two sets of policies: equivalent, or what is decided otherwise, each with a request."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from fleeting.core.model import ActionDecision, Limits
from fleeting.policy.bundle import PolicyBundle
from fleeting.policy.proving.cases import Case, outcome
from fleeting.policy.proving.enumerating import cases
from fleeting.policy.proving.outcomes import Chosen, Outcomes, applying
from fleeting.policy.proving.parties import Door, Parties, places
from fleeting.policy.proving.solving import Effort, Possible, Question
from fleeting.policy.proving.terms import Truth, every, negated, some


class Change(StrEnum):
    """How the new set decides otherwise."""

    PERMITTED = "newly permitted"
    DENIED = "newly denied"
    LIMITS = "other limits"


Key: TypeAlias = tuple[str, str, Change]


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which a policy is decided otherwise, and one request that shows it.

    policy: the permit responsible; of what is newly denied, that of the old set.
    """

    change: Change
    action: str
    policy: str
    case: Case
    old: ActionDecision
    new: ActionDecision

    @property
    def key(self) -> Key:
        """What it is an example of."""
        return self.action, self.policy, self.change


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that is decided otherwise. Equivalent only if there is nothing, and no gap.

    gaps: why something may have been missed. tried: requests that were tried instead.
    """

    differences: tuple[Difference, ...]
    gaps: tuple[str, ...] = ()
    tried: int = 0

    @property
    def equivalent(self) -> bool:
        """Say whether both sets are proved to give every request the same limits, or none."""
        return not self.differences and not self.gaps


def compare(old: PolicyBundle, new: PolicyBundle, parties: Parties, effort: Effort) -> Comparison:
    """Return how *new* decides otherwise than *old*, for any request that these parties can send.

    What is compared is whether policy denies, and the limits if not; reasons and ids are not. Each
    difference is confirmed by the reference engine.
    """
    found: dict[Key, Difference] = {}
    gaps: dict[str, None] = {}
    tried = 0
    for place in places(new.world, frozenset().union(*new.world.actions().values())):
        if _same_policies(old, new, place.id):
            continue
        policies = [*applying(old, place.id), *applying(new, place.id)]
        question = Question(place, new.world, parties, policies, effort)
        attempt = _Attempt(old, new, question)
        for difference in attempt.differences([*found]):
            found[difference.key] = difference
        if attempt.gaps:
            gaps.update(dict.fromkeys(attempt.gaps))
            for case in cases(place, new.world, parties, policies, effort.now):
                tried += 1
                shown = difference_of(case, old, new)
                if shown is not None:
                    found.setdefault(shown.key, shown)
    return Comparison(tuple(found.values()), tuple(gaps), tried)


def difference_of(case: Case, old: PolicyBundle, new: PolicyBundle) -> Difference | None:
    """Return how *new* decides *case* otherwise than *old*, None if it does not."""
    before, after = case.decided_by(old), case.decided_by(new)
    was, is_ = outcome(before), outcome(after)
    if was == is_:
        return None
    if is_ is None:
        return _difference(Change.DENIED, case, before, after, before)
    change = Change.PERMITTED if was is None else Change.LIMITS
    return _difference(change, case, before, after, after)


def _difference(
    change: Change,
    case: Case,
    before: ActionDecision,
    after: ActionDecision,
    responsible: ActionDecision,
) -> Difference:
    operation = case.request.operations[0]
    action = f"{operation.type}:{operation.actions[0]}"
    return Difference(change, action, responsible.paths[0].policy, case, before, after)


def _same_policies(old: PolicyBundle, new: PolicyBundle, action: str) -> bool:
    """Say whether the same policies take *action*, so that nothing can be decided otherwise.

    The id breaks ties between paths, so it belongs to a policy here.
    """
    return _telling(old, action) == _telling(new, action)


def _telling(bundle: PolicyBundle, action: str) -> frozenset[tuple[str, str]]:
    return frozenset((each.id, each.text) for each in applying(bundle, action))


class _Attempt:
    """Two sets at one place. gaps: why a difference may have been missed there."""

    def __init__(self, old: PolicyBundle, new: PolicyBundle, question: Question) -> None:
        self._old, self._new, self._question = old, new, question
        self._before = Outcomes(old, question.encoder)
        self._after = Outcomes(new, question.encoder)
        self.gaps: list[str] = []

    def differences(self, known: Iterable[Key]) -> Iterator[Difference]:
        """Yield one difference for each change and policy responsible that is not *known* yet."""
        seen = {key for key in known if key[0] == self._question.place.id}
        for door in self._question.doors:
            before, after = self._before.chosen(door), self._after.chosen(door)
            open_ = {
                (self._question.place.id, policy, change): truth
                for change, policy, truth in _changes(before, after)
            }
            while True:
                waiting = some(truth for key, truth in open_.items() if key not in seen)
                possible = self._question.ask(waiting, door)
                if possible is Possible.NO:
                    break
                found = self._confirmed(waiting, door) if possible is Possible.YES else None
                if found is None or found.key in seen:
                    self.gaps += self._question.gaps(possible)
                    break
                seen.add(found.key)
                yield found

    def _confirmed(self, truth: Truth, door: Door) -> Difference | None:
        case = self._question.example(truth, door)
        return None if case is None else difference_of(case, self._old, self._new)


def _changes(before: list[Chosen], after: list[Chosen]) -> Iterator[tuple[Change, str, Truth]]:
    """Yield each change with the permit responsible, and when it comes about."""
    was_denied = negated(some(each.granted for each in before))
    is_denied = negated(some(each.granted for each in after))
    for policy, chosen in _by_policy(after).items():
        granted = some(each.granted for each in chosen)
        yield Change.PERMITTED, policy, every((granted, was_denied))
        yield (
            Change.LIMITS,
            policy,
            some(every((e.granted, _other(e.way.limits, before))) for e in chosen),
        )
    for policy, chosen in _by_policy(before).items():
        yield Change.DENIED, policy, every((some(e.granted for e in chosen), is_denied))


def _other(limits: Limits, before: list[Chosen]) -> Truth:
    return some(each.granted for each in before if each.way.limits != limits)


def _by_policy(chosen: list[Chosen]) -> dict[str, list[Chosen]]:
    found: dict[str, list[Chosen]] = {}
    for each in chosen:
        found.setdefault(each.way.policy, []).append(each)
    return found
