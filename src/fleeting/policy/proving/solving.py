"""Ask the solver, and turn its models into requests that can be sent."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

import z3

from fleeting.core.limits import Ceilings
from fleeting.policy.policies import Policy
from fleeting.policy.proving.cases import Case, is_possible
from fleeting.policy.proving.encoding import Encoder
from fleeting.policy.proving.parties import Door, Parties, Place, doors
from fleeting.policy.proving.preferences import preferences
from fleeting.policy.proving.terms import Truth
from fleeting.policy.proving.variables import Variables
from fleeting.policy.proving.witnesses import case_of
from fleeting.policy.schema import PolicyWorld

_PREFERENCE_MS = 200


class Possible(Enum):
    """Whether there is such a request."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard to try. now: the instant that examples are given for."""

    timeout: timedelta
    now: datetime

    @property
    def timeout_ms(self) -> int:
        """The time for one question."""
        return max(1, int(self.timeout.total_seconds() * 1000))


class Question:
    """One place, all its requests, and what may be asked of them."""

    def __init__(
        self,
        place: Place,
        world: PolicyWorld,
        parties: Parties,
        policies: Iterable[Policy],
        effort: Effort,
    ) -> None:
        """Make the requests for *place*, as far as *policies* tell them apart."""
        self.place, self.effort = place, effort
        self.variables = Variables(place, world, parties, policies)
        self.encoder = Encoder(self.variables)
        self.doors = doors(parties, world, place)
        self._solver: z3.Solver | None = None
        self._model: z3.ModelRef | None = None
        self._doors: dict[Ceilings, Truth] = {}
        self._known: tuple[int, ...] = ()

    def ask(self, truth: Truth, door: Door | None = None) -> Possible:
        """Say whether some request (through *door*) makes *truth* true."""
        if truth is False:
            return Possible.NO
        solver = self._ready()
        solver.push()
        try:
            solver.add(truth, True if door is None else self._through(door))
            return _ANSWERS[solver.check().r]
        finally:
            solver.pop()

    def example(self, truth: Truth, door: Door, wish: Truth = True) -> Case | None:  # noqa: FBT002
        """Return a request through *door* that makes *truth* true, as plain as there is.

        wish: what is more welcome than anything else.
        """
        solver = self._ready()
        depth = solver.num_scopes()
        solver.push()
        try:
            solver.add(truth, self._through(door))
            if solver.check() != z3.sat:
                return None
            case = case_of(self._plainest(solver, wish), self.variables, door)
            return case if case is not None and is_possible(case, self.variables.world) else None
        finally:
            solver.pop(solver.num_scopes() - depth)

    def gaps(self, possible: Possible) -> Iterator[str]:
        """Yield why the last answer, which was *possible*, settles nothing."""
        for policy, construct in self.encoder.unsupported.items():
            yield f"policy '{policy}' uses {construct}, which is not modelled"
        if possible is Possible.UNKNOWN:
            yield f"no answer in time for {self.place.id}, asked by a {self.place.kind.value}"
        elif not self.encoder.unsupported:
            yield f"what the solver found for {self.place.id} was not confirmed by the engine"

    def _plainest(self, solver: z3.Solver, wish: Truth) -> z3.ModelRef:
        """Return a model that grants as many preferences as can be granted quickly."""
        self._model = solver.model()
        solver.set("timeout", min(_PREFERENCE_MS, self.effort.timeout_ms))
        self._grant([wish], solver)
        self._grant(preferences(self.variables, self.effort.now), solver)
        solver.set("timeout", self.effort.timeout_ms)
        return self._model

    def _grant(self, wishes: Sequence[Truth], solver: z3.Solver) -> None:
        """Grant all *wishes* if they go together, else what can be of either half."""
        solver.push()
        solver.add(*wishes)
        if solver.check() == z3.sat:
            self._model = solver.model()
            return
        solver.pop()
        if len(wishes) > 1:
            middle = len(wishes) // 2
            self._grant(wishes[:middle], solver)
            self._grant(wishes[middle:], solver)

    def _through(self, door: Door) -> Truth:
        if door.above not in self._doors:
            self._doors[door.above] = self.variables.through(door)
        return self._doors[door.above]

    def _ready(self) -> z3.Solver:
        """Return a solver that knows what every request keeps to."""
        if self._solver is None or self._known != self.variables.size():
            self._solver = z3.Solver()
            self._solver.set("timeout", self.effort.timeout_ms)
            self._solver.add(*self.variables.constraints())
            self._known = self.variables.size()
        return self._solver


_ANSWERS = {
    z3.sat.r: Possible.YES,
    z3.unsat.r: Possible.NO,
    z3.unknown.r: Possible.UNKNOWN,
}
