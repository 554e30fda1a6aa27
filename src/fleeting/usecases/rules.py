"""The rules in force: operation types and policies, one value that a request keeps to its end."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from fleeting.core.evidence import Entry
from fleeting.core.model import AccessRequest, Decision
from fleeting.policy import PolicyBundle
from fleeting.usecases.installation import Installation


class Shadow(Protocol):
    """A candidate that decides beside the live policies, and whose answer never counts."""

    def watch(self, request: AccessRequest, decision: Decision, *, now: datetime) -> Entry | None:
        """Return what to record where the candidate decides otherwise than *decision*.

        Whatever goes wrong with the candidate is its own affair: this never raises.
        """
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """What a request is parsed and decided by: of one policy set, and swapped whole.

    installation: declarations, with the operation types that the policies were checked against.
    """

    installation: Installation
    policy: PolicyBundle
    shadow: Shadow | None = None


class RulesSource(Protocol):
    """Whoever knows the rules in force."""

    def rules(self) -> Rules:
        """Return them; a request takes them once, at its start."""
        ...
