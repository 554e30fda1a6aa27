"""Rules of the middleware: which calls are protected, by which operation, and which are public."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fleeting.core.operations import OperationType
from fleeting.resource.call_operations import CallOperation
from fleeting.resource.paths import PathTemplate

WEBSOCKET = "WEBSOCKET"
"""Stands for the method of a WebSocket handshake, in ``public`` rules only."""

_METHOD = re.compile(r"[A-Z]{1,20}")


@dataclass(frozen=True, slots=True)
class Rule:
    """One method and path; operation is None where it is public."""

    method: str
    template: PathTemplate
    operation: CallOperation | None

    def names(self, method: str) -> bool:
        """Whether this rule is about *method*; GET is also about HEAD (RFC 9110 §9.3.2)."""
        return method == self.method or (method == "HEAD" and self.method == "GET")


def protect(method: str, path: str, operation: CallOperation) -> Rule:
    """Require, for each call of *method* to *path*, a token for exactly its operation.

    protect("POST", "/payments/{payment_id}/refunds", operation("payment_refund", …))
    """
    if method == WEBSOCKET:
        raise ValueError("WebSockets can be public or refused, not protected call by call")
    return Rule(_method(method), PathTemplate.parse(path), operation)


def public(method: str, path: str) -> Rule:
    """Let each call of *method* to *path* through, token or not: ``public("GET", "/health")``."""
    return Rule(_method(method), PathTemplate.parse(path), None)


def _method(method: str) -> str:
    if not _METHOD.fullmatch(method):
        raise ValueError(f"method {method!r}: write it in capitals, such as 'POST'")
    return method


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules in the order of the application's routes: the first that fits counts."""

    rules: tuple[Rule, ...]

    @classmethod
    def of(
        cls, rules: Iterable[Rule], types: Mapping[str, OperationType], scopes: Iterable[str]
    ) -> "RuleSet":
        """Check *rules* against the guard's types and scopes, and against each other.

        Raises:
            ValueError: a rule that could never be read, or never be reached.
        """
        checked: list[Rule] = []
        known_scopes = frozenset(scopes)
        for rule in rules:
            if rule.operation is not None:
                rule.operation.check(types, known_scopes, rule.template.names)
            _check_reachable(rule, checked)
            checked.append(rule)
        return cls(tuple(checked))

    def find(self, method: str, path: str) -> tuple[Rule, dict[str, str]] | None:
        """Return the first rule for this call with its path parameters, or None."""
        for rule in self.rules:
            if rule.names(method):
                found = rule.template.match(path)
                if found is not None:
                    return rule, found
        return None

    def comes_near(self, path: str) -> bool:
        """Whether a lenient router could take *path* for one that a rule protects."""
        return any(
            rule.operation is not None and rule.template.loose.fullmatch(path)
            for rule in self.rules
        )


def _check_reachable(rule: Rule, earlier: Iterable[Rule]) -> None:
    for other in earlier:
        if other.names(rule.method) and other.template.match(rule.template.sample()) is not None:
            raise ValueError(
                f"{rule.method} {rule.template.text} is never reached: "
                f"{other.method} {other.template.text} stands before it and fits too"
            )
