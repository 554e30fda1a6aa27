"""What stands beside ``@approval``: how long people have, who else may, plans and break-glass."""

import re
from dataclasses import dataclass
from datetime import timedelta

from fleeting.core.durations import parse_duration

DEFAULT_WAIT = timedelta(minutes=15)
"""How long people have to decide where neither the permit nor the type says."""

MOST_CALLS = 10_000

_GROUP = r"[^\s,]{1,100}"
_ESCALATION = re.compile(rf"after (\S+) to ({_GROUP})")
_PLAN = re.compile(r"([1-9][0-9]{0,4}) in (\S+)")
_BREAK_GLASS = re.compile(rf"alarm ({_GROUP}), review in (\S+)")


@dataclass(frozen=True, slots=True)
class Escalation:
    """After *after* without a decision, people of *group* may vote, too, at any stage."""

    after: timedelta
    group: str


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """The most that one plan may be: so many tokens, within so long."""

    calls: int
    duration: timedelta


@dataclass(frozen=True, slots=True)
class BreakGlassTerms:
    """Access at once, with a reason: *group* is alarmed, and someone else reviews it in time."""

    group: str
    review_in: timedelta


def parse_escalation(text: str) -> Escalation:
    """Return what ``after 5m to heads`` says.

    Raises:
        ValueError: with a message that says what to write instead.
    """
    found = _ESCALATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not an escalation: write such as 'after 5m to heads'")
    return Escalation(parse_duration(found[1]), found[2])


def parse_plan(text: str) -> PlanTerms:
    """Return what ``20 in 4h`` says: at most 20 tokens within four hours.

    Raises:
        ValueError: with a message that says what to write instead.
    """
    found = _PLAN.fullmatch(text)
    if found is None or int(found[1]) > MOST_CALLS:
        raise ValueError(
            f"{text!r} is not a plan: write such as '20 in 4h', at most {MOST_CALLS} tokens"
        )
    return PlanTerms(int(found[1]), parse_duration(found[2]))


def parse_break_glass(text: str) -> BreakGlassTerms:
    """Return what ``alarm oncall-leads, review in 24h`` says.

    Raises:
        ValueError: with a message that says what to write instead.
    """
    found = _BREAK_GLASS.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text!r} says not whom to alarm: write such as 'alarm oncall-leads, review in 24h'"
        )
    return BreakGlassTerms(found[1], parse_duration(found[2]))
