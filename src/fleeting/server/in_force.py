"""The rules in force in one worker: one reference, swapped whole."""

from dataclasses import dataclass

from fleeting.policy import PolicyBundle
from fleeting.usecases.rules import Rules


@dataclass(slots=True)
class PolicyInForce:
    """The rules that requests start with from now on; those in flight keep theirs."""

    in_force: Rules

    @property
    def bundle(self) -> PolicyBundle:
        """The live policies."""
        return self.in_force.policy

    def current(self) -> PolicyBundle:
        """Return the live policies."""
        return self.in_force.policy

    def rules(self) -> Rules:
        """See ``usecases.rules.RulesSource``."""
        return self.in_force

    def swap(self, rules: Rules) -> None:
        """Put *rules* in force."""
        self.in_force = rules
