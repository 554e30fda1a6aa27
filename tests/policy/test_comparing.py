from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from fleeting.core.model import (
    ActionDecision,
    Decision,
    Limits,
    Path,
    SenderConstraint,
    Verdict,
)
from fleeting.policy import Difference, compare

LONG = Limits(timedelta(minutes=5), 1, SenderConstraint.DPOP)
SHORT = Limits(timedelta(minutes=1), 1, SenderConstraint.DPOP)


def permitted(limits=LONG, policy="a"):
    return ActionDecision(0, "refund", Verdict.PERMITTED, (Path(policy, limits),))


CONDITIONAL = {Verdict.NEEDS_APPROVAL, Verdict.NEEDS_STEP_UP, Verdict.NOT_BOUND}


def denied(verdict=Verdict.NO_PERMIT, limits=LONG):
    paths = (Path("a", limits),) if verdict in CONDITIONAL else ()
    return ActionDecision(0, "refund", verdict, paths)


def forbidden(policy):
    return replace(denied(Verdict.FORBIDDEN), forbids=(policy,))


def decision(*answers):
    return Decision("digest", answers)


@pytest.mark.parametrize(
    ("live", "candidate", "difference"),
    [
        (permitted(), permitted(), Difference.SAME),
        (permitted(), permitted(policy="b"), Difference.SAME),
        (permitted(), permitted(SHORT), Difference.LIMITS_CHANGED),
        (permitted(), denied(), Difference.NEWLY_DENIED),
        (denied(), permitted(), Difference.NEWLY_PERMITTED),
        (denied(), denied(), Difference.SAME),
        (denied(), denied(Verdict.FORBIDDEN), Difference.REFUSED_OTHERWISE),
        (denied(Verdict.FORBIDDEN), forbidden("other"), Difference.SAME),
        (denied(Verdict.NEEDS_APPROVAL), permitted(), Difference.NEWLY_PERMITTED),
        (permitted(), denied(Verdict.NEEDS_APPROVAL), Difference.NEWLY_DENIED),
        (denied(), denied(Verdict.NEEDS_APPROVAL), Difference.NEWLY_PERMITTED),
        (denied(Verdict.NEEDS_APPROVAL), denied(Verdict.FORBIDDEN), Difference.NEWLY_DENIED),
        (
            denied(Verdict.NEEDS_APPROVAL),
            denied(Verdict.NEEDS_APPROVAL, SHORT),
            Difference.LIMITS_CHANGED,
        ),
        (
            denied(Verdict.NEEDS_APPROVAL),
            denied(Verdict.NOT_BOUND),
            Difference.REFUSED_OTHERWISE,
        ),
    ],
)
def test_verdict_and_limits_count(live, candidate, difference):
    assert compare(decision(live), decision(candidate)) is difference


def test_the_gravest_difference_of_several_actions_is_told():
    order = [
        (denied(), permitted()),
        (permitted(), denied()),
        (permitted(), permitted(SHORT)),
        (denied(), denied(Verdict.FORBIDDEN)),
        (permitted(), permitted()),
    ]
    for (one, first), (other, second) in product(enumerate(order), repeat=2):
        pairs = [first, second]
        found = compare(
            decision(*(now for now, _ in pairs)), decision(*(then for _, then in pairs))
        )
        assert found is [*Difference][min(one, other)]


def test_no_question_has_no_difference():
    assert compare(decision(), decision()) is Difference.SAME
