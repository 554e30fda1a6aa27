"""Warn of policies that take too much, and of operations that no policy takes."""

import re
from collections.abc import Iterator, Sequence

from fleeting.core.model import SCOPE_TYPE
from fleeting.policy import rules
from fleeting.policy.problems import Problem
from fleeting.policy.reviewing.declared import Declared, offers
from fleeting.policy.reviewing.reviewed import Reviewed
from fleeting.policy.schema import PolicyWorld, action_id
from fleeting.policy.tree import Scope

GLOBAL_BUDGET = 20
"""How many policies may have no condition in their scope without a remark."""

_WHO = frozenset({"User", "Client", "Group"})


def warn_of_budget(policies: Sequence[Reviewed], budget: int) -> Iterator[Problem]:
    """Warn, at the first policy beyond *budget*, of too many that take every request."""
    unscoped = [each for each in policies if each.is_global]
    if len(unscoped) > budget:
        yield unscoped[budget].warn(
            rules.GLOBAL_BUDGET,
            f"{len(unscoped)} policies have no condition in their scope; the budget is {budget}",
            "name the action in the scope, where the policy is about one",
        )


def warn_of_openness(permit: Reviewed, world: PolicyWorld) -> Iterator[Problem]:
    """Warn of a permit for anything, and of one for anyone where the type is sensitive."""
    if permit.is_global and not permit.node["conditions"]:
        yield permit.warn(
            rules.PERMITS_EVERYTHING,
            "anyone may do anything: this permit has no condition at all",
            "name who may do what in the scope",
        )
        return
    sensitive = [
        name for name in permit.types if name in world.types and world.types[name].sensitive
    ]
    if sensitive and not _asks_who(permit):
        yield permit.warn(
            rules.OPEN_TO_ALL,
            f"anyone may have this, and `{sensitive[0]}` is sensitive",
            'write such as `principal in Group::"..."` in the scope',
        )


def _asks_who(permit: Reviewed) -> bool:
    """Say whether it matters to *permit* who asks, or whether people or a login say so."""
    policy, reads = permit.policy, permit.policy.reads
    if policy.terms.approvals or policy.terms.step_up is not None:
        return True
    if policy.principal != Scope(policy.principal.type) or reads.identity or reads.attributes:
        return True
    named = any(entity.type in _WHO for entity in reads.entities)
    return named or bool({("actor",), ("acr",), ("auth_age",)} & reads.context)


def warn_of_operations(
    policies: Sequence[Reviewed], world: PolicyWorld, declared: Declared
) -> Iterator[Problem]:
    """Warn of declared operations that no resource offers or no policy permits."""
    permitted = {action for each in policies if each.is_permit for action in each.policy.actions}
    for name, type_ in sorted(world.types.items()):
        missing = [each for each in type_.actions if action_id(name, each) not in permitted]
        if not any(offers(resource, name) for resource in declared.resources):
            yield declared.warn(
                rules.UNOFFERED_TYPE,
                f"no resource offers the operation type `{name}`",
                f'write its name in the `types` of a resource: types = ["{name}"]',
                patterns=_headings(name),
            )
        if missing:
            yield _unpermitted(name, missing, type_.actions, declared)
    for scope in sorted(world.scopes):
        if action_id(SCOPE_TYPE, scope) not in permitted:
            yield declared.warn(
                rules.UNPERMITTED_OPERATION,
                f"no policy permits the scope `{scope}`",
                f'write a permit with action == Action::"{action_id(SCOPE_TYPE, scope)}"',
                patterns=[re.escape(f'"{scope}"')],
            )


def _unpermitted(
    name: str, missing: Sequence[str], actions: Sequence[str], declared: Declared
) -> Problem:
    if len(missing) == len(actions):
        what, hint = f"the operation type `{name}`", f'action in Action::"{name}"'
    else:
        what = ", ".join(f"`{action_id(name, each)}`" for each in missing)
        hint = f'action == Action::"{action_id(name, missing[0])}"'
    message, hint = f"no policy permits {what}", f"write a permit with {hint}"
    return declared.warn(rules.UNPERMITTED_OPERATION, message, hint, patterns=_headings(name))


def _headings(name: str) -> list[str]:
    """Return what finds the type *name* in a TOML file, as itself or as its fields."""
    quoted = rf"[\"']?{re.escape(name)}[\"']?"
    return [rf"^\[\s*types\.{quoted}\s*\]", rf"^\[\s*types\.{quoted}\b", rf"\b{re.escape(name)}\b"]


def warn_of_absent_resource(policy: Reviewed, declared: Declared) -> Iterator[Problem]:
    """Warn of a policy about a resource that offers nothing of what the policy is about."""
    here = [each for each in declared.resources if each.identifier == policy.resource]
    if here and not any(offers(here[0], name) for name in policy.types):
        yield policy.warn(
            rules.NEVER_MATCHES,
            f"`{policy.resource}` offers nothing of what this is about",
            f"it offers {', '.join(sorted(here[0].types)) or 'scopes alone'}",
            at=policy.text.find(policy.resource or ""),
        )
