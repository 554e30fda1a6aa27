"""Hold two decisions on one request against each other: what a candidate set would change."""

from collections.abc import Iterator
from enum import StrEnum

from fleeting.core.model import ActionDecision, Decision, Limits, Verdict


class Difference(StrEnum):
    """What a candidate's decision changes, the gravest first.

    REFUSED_OTHERWISE: both refuse, with different verdicts.
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
    permitted, would_be = _granted(live), _granted(candidate)
    if permitted is None and would_be is None:
        same = live.verdict is candidate.verdict
        return Difference.SAME if same else Difference.REFUSED_OTHERWISE
    if permitted is None:
        return Difference.NEWLY_PERMITTED
    if would_be is None:
        return Difference.NEWLY_DENIED
    return Difference.SAME if permitted == would_be else Difference.LIMITS_CHANGED


def _granted(answer: ActionDecision) -> Limits | None:
    """Return the limits that *answer* grants access with, or None where it refuses."""
    return answer.paths[0].limits if answer.verdict is Verdict.PERMITTED else None
