"""One loaded set of policies: immutable; a reload makes another and swaps one reference."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from fleeting.core.model import AccessRequest, ActionDecision, Decision
from fleeting.core.recorded import NO_CEILING, Ceiling
from fleeting.policy.deciding import Deciding
from fleeting.policy.policies import Policy
from fleeting.policy.schema import PolicyWorld


@dataclass(frozen=True, slots=True)
class PolicyBundle:
    """The policies, the schema they were checked against, and what decides by them.

    digest: SHA-256 over sources and operation types, in hex; what evidence names (``sets``).
    """

    policies: Mapping[str, Policy]
    schema: str
    digest: str
    world: PolicyWorld
    deciding: Deciding

    def decide(self, request: AccessRequest, *, now: datetime) -> Decision:
        """Return what these policies say of each action of each operation asked for.

        Pure: the same request at the same instant has the same answer. It never raises for what
        a request says; what cannot be evaluated is refused.
        """
        ceilings = self.deciding.ceilings_of(request.operations)
        return Decision(self.digest, self.answers(request, now=now), ceilings)

    def answers(self, request: AccessRequest, *, now: datetime) -> tuple[ActionDecision, ...]:
        """Return the answers of ``decide`` alone, in its order."""
        decide = self.deciding.decide
        return tuple(
            [
                decide(request, place, action, now=now)
                for place, operation in enumerate(request.operations)
                for action in operation.actions
            ]
        )

    def under(self, ceilings: Mapping[str, Ceiling], hard_cap: timedelta) -> "PolicyBundle":
        """Return the same policies under other ceilings: those of a recorded decision, say.

        ceilings: by operation type; a type that is not named has none.
        """
        types = {
            name: ceilings.get(name, NO_CEILING).on(type_)
            for name, type_ in self.world.types.items()
        }
        world = replace(self.world, types=types, hard_cap=hard_cap)
        return replace(self, world=world, deciding=self.deciding.under(world))
