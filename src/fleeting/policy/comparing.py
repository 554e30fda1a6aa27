"""Hold two decisions on one request against each other: what a candidate set would change."""

from collections.abc import Iterator
from enum import StrEnum

from fleeting.core.model import ActionDecision, Decision
from fleeting.policy.replaying import Change, change_between


class Difference(StrEnum):
    """What a candidate's decision changes, the gravest first; see ``replaying.Change``.

    REFUSED_OTHERWISE: neither gives access at once, with different verdicts.
    """

    NEWLY_PERMITTED = "newly_permitted"
    NEWLY_DENIED = "newly_denied"
    LIMITS_CHANGED = "limits_changed"
    REFUSED_OTHERWISE = "refused_otherwise"
    SAME = "same"


def compare(live: Decision, candidate: Decision) -> Difference:
    """Return the gravest difference between two decisions on the same request.

    Which policy decided is no difference where verdict and limits are the same.
    """
    found = set(_differences(live, candidate))
    return next(each for each in Difference if each in found or each is Difference.SAME)


def _differences(live: Decision, candidate: Decision) -> Iterator[Difference]:
    for now, then in zip(live.answers, candidate.answers, strict=True):
        yield compare_answers(now, then)


def compare_answers(live: ActionDecision, candidate: ActionDecision) -> Difference:
    """Return the difference between two answers to the same question."""
    change = change_between(live, candidate)
    if change is not Change.OTHERWISE:
        return _OF_CHANGES[change]
    same = live.verdict is candidate.verdict
    return Difference.SAME if same else Difference.REFUSED_OTHERWISE


_OF_CHANGES = {
    Change.SAME: Difference.SAME,
    Change.NEWLY_PERMITTED: Difference.NEWLY_PERMITTED,
    Change.NEWLY_DENIED: Difference.NEWLY_DENIED,
    Change.LIMITS_CHANGED: Difference.LIMITS_CHANGED,
}
