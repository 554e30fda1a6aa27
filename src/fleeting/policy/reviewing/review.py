"""Review a set of policies that can be loaded: what it says is right, but is it meant?"""

from collections.abc import Iterable, Iterator, Sequence

from fleeting.policy import rules
from fleeting.policy.bundle import PolicyBundle
from fleeting.policy.problems import Problem
from fleeting.policy.reviewing.covering import (
    GLOBAL_BUDGET,
    warn_of_absent_resource,
    warn_of_budget,
    warn_of_openness,
    warn_of_operations,
)
from fleeting.policy.reviewing.declared import Declared
from fleeting.policy.reviewing.granting import possible_limits, warn_of_grants
from fleeting.policy.reviewing.naming import warn_of_names
from fleeting.policy.reviewing.reaching import warn_of_reach
from fleeting.policy.reviewing.reviewed import Reviewed, read_policy


def review(
    bundle: PolicyBundle,
    declared: Declared,
    *,
    more: Iterable[Problem] | None = None,
    budget: int = GLOBAL_BUDGET,
    whole: bool = True,
) -> tuple[Problem, ...]:
    """Return every warning about *bundle*, in reading order, those aside that are accepted.

    more: what a solver found, by the rules of ``rules.SOLVED``; None where none was asked.
    budget: how many policies may take every request. whole: it is all of the set, so that what
    is not there can be missed.
    """
    policies = sorted(map(read_policy, bundle.policies.values()), key=_place)
    found = [*_of_each(policies, bundle, declared), *(more or ())]
    if whole:
        found += warn_of_operations(policies, bundle.world, declared)
        found += warn_of_budget(policies, budget)
    warnings = _once(found)
    accepted = {(each.policy.id, rule) for each in policies for rule in each.policy.accepts}
    left = [each for each in warnings if (each.policy, each.rule) not in accepted]
    if whole:
        # What only a solver finds may be accepted though nothing was found without one.
        sure = set(rules.ACCEPTABLE) - (rules.SOLVED if more is None else set())
        left += _needless(policies, {(each.policy, each.rule) for each in warnings}, sure)
    return tuple(sorted(left))


def _of_each(
    policies: Sequence[Reviewed], bundle: PolicyBundle, declared: Declared
) -> Iterator[Problem]:
    world = bundle.world
    granted = {
        each.policy.id: possible_limits(each, world, declared)
        for each in policies
        if each.is_permit
    }
    for policy in policies:
        yield from warn_of_absent_resource(policy, declared)
        if policy.is_permit:
            yield from warn_of_grants(policy, granted[policy.policy.id], world)
            yield from warn_of_openness(policy, world)
    yield from warn_of_names(policies, declared)
    yield from warn_of_reach(policies, granted, world)


def _once(found: Iterable[Problem]) -> list[Problem]:
    """Return *found* without what is said twice: of what both find, the first account counts."""
    kept: dict[object, Problem] = {}
    for each in found:
        solved = each.policy and each.rule in rules.SOLVED
        kept.setdefault((each.policy, each.rule) if solved else each, each)
    return [*kept.values()]


def _needless(
    policies: Iterable[Reviewed], given: set[tuple[str, str]], sure: set[str]
) -> Iterator[Problem]:
    for each in policies:
        for rule in each.policy.accepts:
            if rule in sure and (each.policy.id, rule) not in given:
                yield each.warn(
                    rules.NEEDLESS_ACCEPT,
                    f"this policy does not give the warning {rule}",
                    "delete it from @accept",
                    at=each.text.find_annotation("accept"),
                )


def _place(reviewed: Reviewed) -> tuple[str, int, int]:
    policy = reviewed.policy
    return policy.file, policy.line, policy.column
