"""Try proposals on what was used: every use has to be permitted as it was, and nothing beyond."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from fleeting.core.limits import strictest
from fleeting.core.model import ActionDecision, Limits
from fleeting.policy.needs import Allowance, allowance
from fleeting.policy.replaying import Change, Redecided, change_between, decider
from fleeting.policy.rightsizing import Tightening
from fleeting.policy.usage import UsedToken

_ALL = frozenset(Tightening)


@dataclass(frozen=True, slots=True)
class Both:
    """One token as the policies let it be now, and as they would with the proposals."""

    now: Allowance
    then: Allowance


@dataclass(slots=True)
class Trial:
    """What became of proposals: the uses that they were held against, and who is to blame.

    unused: tokens that were never used, and that would not be given any more.
    blamed: by policy, which of its proposals refuse what was used or permit what is refused now.
    """

    requests: int = 0
    tokens: int = 0
    uses: int = 0
    unused: int = 0
    blamed: dict[str, set[Tightening]] = field(default_factory=dict)

    def decided(self, now: Redecided, then: Redecided) -> Both:
        """Take note of a request that both sets decided."""
        self.requests += 1
        for before, after in zip(now.decision.answers, then.decision.answers, strict=True):
            for policy in _widened(before, after):
                self._blame(policy, _ALL)
        return Both(allowance(now), allowance(then))

    def settle(self, token: UsedToken[Both]) -> None:
        """Hold a token, now that all its uses are known, against what it would have been."""
        now, then = token.note.now, token.note.then
        if now.limits is None:
            return
        if not token.uses:
            self.unused += not all(then.of(each.type, each.action) for each in now.chosen)
            return
        self.tokens += 1
        self.uses += token.uses
        for policy, what in _refusals(token):
            self._blame(policy, what)

    def _blame(self, policy: str, what: frozenset[Tightening]) -> None:
        self.blamed.setdefault(policy, set()).update(what)


def _widened(before: ActionDecision, after: ActionDecision) -> Iterator[str]:
    """Yield whose tightening gives an action more than it has, by another path or past a forbid."""
    change = change_between(before, after)
    if change is Change.NEWLY_PERMITTED:
        yield decider(after)
    elif change is Change.LIMITS_CHANGED:
        was, will_be = before.paths[0].limits, after.paths[0].limits
        if strictest(was, will_be) != will_be:
            yield from (decider(before), decider(after))


def _refusals(token: UsedToken[Both]) -> Iterator[tuple[str, frozenset[Tightening]]]:
    """Yield what of the proposals refuses a use of *token* that is permitted now."""
    now, then = token.note.now, token.note.then
    for chosen in now.chosen:
        if token.covers(chosen.type, chosen.action) and not then.of(chosen.type, chosen.action):
            yield chosen.policy, _ALL
    if now.limits is not None and then.limits is not None:
        what = frozenset(_exceeded(token, now.limits, then.limits))
        yield from ((chosen.policy, what) for chosen in then.chosen if what)


def _exceeded(token: UsedToken[Both], now: Limits, then: Limits) -> Iterator[Tightening]:
    if min(timedelta(seconds=token.seconds), now.lifetime) > then.lifetime:
        yield Tightening.LIFETIME
    if then.uses is not None and min(token.uses, now.uses or token.uses) > then.uses:
        yield Tightening.USES
