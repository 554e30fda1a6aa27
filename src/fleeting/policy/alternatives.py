"""Find what would allow a refused request, by asking the engine itself: it cannot be wrong then."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import TypeAlias

from fleeting.core.errors import OAuthError
from fleeting.core.issuance import within_subject_token
from fleeting.core.model import ActionDecision, Decision, Verdict
from fleeting.policy.bundle import PolicyBundle
from fleeting.policy.candidates import Change
from fleeting.policy.hypothetical import Hypothetical

Things: TypeAlias = Sequence[Sequence[Change]]
"""Changes, thing by thing: a field, a context key, the login and so on."""

_TRIED_TOGETHER = 4
"""How many values of one thing are tried along with another thing."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """What, all of it together, would allow one action; and what policy says then.

    An answer that still needs approval is one: people can give it.
    """

    changes: tuple[Change, ...]
    answer: ActionDecision

    @property
    def needs_approval(self) -> bool:
        """Say whether people would have to approve it too."""
        return self.answer.verdict is Verdict.NEEDS_APPROVAL


class Prober:
    """Asks the engine about one action of one request, changed, as often as the budget allows."""

    __slots__ = ("_action", "_asked", "_bundle", "_left", "_place")

    def __init__(
        self, bundle: PolicyBundle, asked: Hypothetical, place: int, action: str, *, budget: int
    ) -> None:
        """Ask about *action* of the operation at *place*, at most *budget* times."""
        self._bundle = bundle
        self._asked = asked
        self._place = place
        self._action = action
        self._left = budget

    @property
    def left(self) -> int:
        """Return how often it may still ask."""
        return self._left

    def alternatives(
        self, candidates: Things, by_permit: Iterable[Things] = ()
    ) -> list[Alternative]:
        """Return what would allow it: single changes, and several where no single one permits.

        candidates: thing by thing, the nearest values first; of each thing one value is enough.
        by_permit: the same for single permits, those first that lack least: what belongs together.
        """
        now = self._decide(())
        if now is None or now.verdict is Verdict.PERMITTED:
            return []
        found = [Alternative((), now)] if now.verdict is Verdict.NEEDS_APPROVAL else []
        waits = bool(found)
        for thing in candidates:
            found += self._first([(change,) for change in thing], waits=waits)
        for things in (*by_permit, candidates):
            if all(each.needs_approval for each in found) and self._left:
                found += self._together(things, waits=bool(found))
        return sorted(found, key=lambda each: (each.needs_approval, len(each.changes)))

    def _together(self, things: Things, *, waits: bool) -> Iterator[Alternative]:
        """Yield what would allow it by two or three changes; by two, three are not tried."""
        for count in (2, 3):
            found = [
                alternative
                for several in combinations(things, count)
                for alternative in self._first(_choices(several), waits=waits)
            ]
            yield from found
            if found:
                return

    def _first(
        self, attempts: Sequence[tuple[Change, ...]], *, waits: bool
    ) -> Iterator[Alternative]:
        """Yield the first attempt that permits, and before it the first that needs approval.

        waits: approval alone would do already, so that only what permits at once is news.
        """
        for changes in attempts:
            answer = self._decide(changes)
            if answer is None:
                continue
            if answer.verdict is Verdict.PERMITTED:
                yield Alternative(changes, answer)
                return
            if answer.verdict is Verdict.NEEDS_APPROVAL and not waits:
                waits = True
                yield Alternative(changes, answer)

    def _decide(self, changes: tuple[Change, ...]) -> ActionDecision | None:
        """Return what policy says of the request with *changes*; None: it cannot be asked so."""
        if not self._left:
            return None
        asked = self._asked
        try:
            for change in changes:
                asked = change.apply(asked)
        except OAuthError:
            return None  # no real request could say that
        self._left -= 1
        request, types = asked.request, self._bundle.world.types
        answer = self._bundle.deciding.decide(request, self._place, self._action, now=asked.now)
        (answer,) = within_subject_token(request, Decision("", (answer,)), types).answers
        return answer


def _choices(several: Things) -> list[tuple[Change, ...]]:
    """Return a value of each of *several* things, those first that are near in all."""
    places = product(*(range(min(len(thing), _TRIED_TOGETHER)) for thing in several))
    return [
        tuple(thing[at] for thing, at in zip(several, each, strict=True))
        for each in sorted(places, key=sum)
    ]
