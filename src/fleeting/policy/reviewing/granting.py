"""Warn of permits that give more than they should, or say other than they give."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import TypeAlias

from fleeting.core.limits import format_duration
from fleeting.core.model import SCOPE_TYPE, Limits
from fleeting.policy import rules
from fleeting.policy.problems import Problem
from fleeting.policy.reviewing.declared import Declared
from fleeting.policy.reviewing.reviewed import Reviewed
from fleeting.policy.schema import PolicyWorld

MANY_USES = 1000
"""More uses than these are as good as unlimited where the type is sensitive."""

LONG = timedelta(hours=1)
"""How long a token of a sensitive type may live without a remark."""


Possible: TypeAlias = Mapping[str, frozenset[Limits]]
"""For each type that a permit covers, all that its tokens' limits can be."""


def possible_limits(permit: Reviewed, world: PolicyWorld, declared: Declared) -> Possible:
    """Return what *permit* can give under every ceiling; nothing, if nobody can ask for a type."""
    terms, at = permit.policy.terms, permit.resource
    return {
        name: frozenset(each.over(terms) for each in declared.ceilings(world, name, at=at))
        for name in permit.types
    }


def warn_of_grants(permit: Reviewed, limits: Possible, world: PolicyWorld) -> Iterator[Problem]:
    """Warn of uses and lifetimes that *permit* really gives, after every ceiling."""
    sensitive = {name for name in limits if name in world.types and world.types[name].sensitive}
    yield from _uses(permit, {name: limits[name] for name in sensitive})
    endless = [
        name
        for name, each in limits.items()
        if name not in (*sensitive, SCOPE_TYPE) and any(limit.uses is None for limit in each)
    ]
    if endless:
        yield permit.warn(
            rules.UNLIMITED_USES,
            f"nothing limits how often a token for {_listed(endless)} can be used",
            'write such as @uses("1")',
        )
    yield from _lifetime(permit, {name: limits[name] for name in sensitive})
    yield from _beyond(permit, [limit for each in limits.values() for limit in each])


def _uses(permit: Reviewed, sensitive: Possible) -> Iterator[Problem]:
    if sensitive and permit.policy.terms.uses is None:
        yield permit.warn(
            rules.UNSTATED_USES,
            f"it says nothing of uses, and {_listed(sensitive)} is sensitive: one use is granted",
            'write such as @uses("1")',
        )
    many = [
        name
        for name, each in sensitive.items()
        if any((limit.uses or 0) > MANY_USES for limit in each)
    ]
    if many:
        yield permit.warn(
            rules.UNLIMITED_USES,
            f"{permit.policy.terms.uses} uses are as good as unlimited, and {_listed(many)} is "
            "sensitive",
            'write such as @uses("1")',
            at=permit.text.find_annotation("uses"),
        )


def _lifetime(permit: Reviewed, sensitive: Possible) -> Iterator[Problem]:
    longest = {
        name: max(limit.lifetime for limit in each) for name, each in sensitive.items() if each
    }
    long = [name for name, lifetime in longest.items() if lifetime > LONG]
    if long:
        lifetime = format_duration(max(longest.values()))
        yield permit.warn(
            rules.LONG_LIFETIME,
            f"a token can live for {lifetime}, and {_listed(long)} is sensitive",
            'write such as @lifetime("5m")',
            at=permit.text.find_annotation("lifetime"),
        )


def _beyond(permit: Reviewed, limits: list[Limits]) -> Iterator[Problem]:
    """Warn of what is stated and never given, because every ceiling is lower."""
    terms = permit.policy.terms
    if not limits:
        return
    longest = max(limit.lifetime for limit in limits)
    if terms.lifetime is not None and terms.lifetime > longest:
        yield permit.warn(
            rules.BEYOND_CEILING,
            f"a lifetime of {format_duration(terms.lifetime)} is never granted: the most is "
            f"{format_duration(longest)}",
            f'write @lifetime("{format_duration(longest)}"), or raise max_lifetime where it is set',
            at=permit.text.find_annotation("lifetime"),
        )
    most = max(limit.uses or 0 for limit in limits)
    if terms.uses is not None and terms.uses > most:
        yield permit.warn(
            rules.BEYOND_CEILING,
            f"{terms.uses} uses are never granted: the most is {most}",
            f'write @uses("{most}"), or raise max_uses where it is set',
            at=permit.text.find_annotation("uses"),
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
