"""Policies for the solver: when one is satisfied, and when evaluating it errs.

What is not modelled becomes unknown, so that a policy may or may not be satisfied wherever its
scope takes the request: what is proved in spite of that holds.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import z3

from fleeting.policy.policies import Policy
from fleeting.policy.proving.expressions import Expressions, condition
from fleeting.policy.proving.terms import (
    Attribute,
    Entity,
    Kind,
    Term,
    Truth,
    UnsupportedError,
    every,
    negated,
    some,
)
from fleeting.policy.proving.variables import Variables
from fleeting.policy.tree import Scope

Numbers: TypeAlias = Mapping[str, Any]
"""The limits about to be granted, as ``context.limits`` has them."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One policy over one request. unsupported: what of it is not modelled, if anything."""

    satisfied: Truth
    errs: Truth
    unsupported: str = ""


NEVER = Encoded(satisfied=False, errs=False)


class Encoder:
    """Encodes policies over one request; the same text under the same limits is encoded once."""

    def __init__(self, variables: Variables) -> None:
        """Encode over *variables*."""
        self.variables = variables
        self.unsupported: dict[str, str] = {}
        self._done: dict[tuple[str, str], Encoded] = {}

    def encode(self, policy: Policy, limits: Numbers | None = None) -> Encoded:
        """Return when *policy* is satisfied, and when it errs; *limits* are for forbids alone."""
        told = json.dumps(limits) if limits is not None and policy.reads_limits else ""
        key = (policy.text, told)
        if key not in self._done:
            self._done[key] = self._encode(policy, limits)
        found = self._done[key]
        if found.unsupported:
            self.unsupported[policy.id] = found.unsupported
        return found

    def scope(self, policy: Policy) -> Truth:
        """Return when the scope of *policy* takes the request; its action is known to."""
        request = self.variables
        sides = ((policy.principal, request.principal), (policy.resource, request.resource))
        return every(_takes(scope, entity, request) for scope, entity in sides)

    def _encode(self, policy: Policy, limits: Numbers | None) -> Encoded:
        scope = self.scope(policy)
        if scope is False:
            return NEVER
        try:
            holds, errs = self._conditions(policy, limits)
        except UnsupportedError as error:
            return self._unknown(scope, str(error))
        except RecursionError:
            return self._unknown(scope, "a condition nested so deeply")
        satisfied = every((scope, holds, negated(errs)))
        return Encoded(satisfied, every((scope, errs)))

    def _conditions(self, policy: Policy, limits: Numbers | None) -> tuple[Truth, Truth]:
        expressions = Expressions(self.variables, _limits(limits, self.variables))
        holds: Truth = True
        errs: Truth = False
        for written in policy.conditions:
            term = condition(expressions.term(written["body"]))
            value = term.value if written["kind"] == "when" else negated(term.value)
            errs = some((errs, every((holds, term.errs))))
            holds = every((holds, value))
        return holds, errs

    def _unknown(self, scope: Truth, construct: str) -> Encoded:
        number = len(self._done)
        satisfied, errs = z3.Bool(f"satisfied {number}"), z3.Bool(f"errs {number}")
        return Encoded(every((scope, satisfied, negated(errs))), every((scope, errs)), construct)


def _takes(scope: Scope, entity: Entity, request: Variables) -> Truth:
    if scope.type is not None and scope.type != entity.type:
        return False
    if scope.entity is None:
        return True
    same = entity.code == request.id(scope.entity.id) if scope.entity.type == entity.type else False
    return same if scope.equal else some((same, entity.parents(scope.entity)))


def _limits(limits: Numbers | None, request: Variables) -> Mapping[str, Attribute]:
    if limits is None:
        return {}
    kinds = {str: Kind.STRING, int: Kind.LONG}
    return {
        name: Attribute(
            present=True,
            term=Term(
                kinds[type(value)],
                request.strings.literal(value) if isinstance(value, str) else value,
            ),
        )
        for name, value in limits.items()
    }
