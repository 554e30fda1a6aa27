"""One loaded policy: what slicing, evaluating and explaining need to know of it."""

from dataclasses import dataclass, field

from fleeting.core.limits import Terms
from fleeting.policy.tree import Effect, Node, Reads, Scope


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that passed every check.

    file, line, column: where it stands. text: as written. reason: public, may be empty.
    terms: what a permit limits. actions: every action that its scope takes.
    node: Cedar's JSON form of it.
    accepts: the warnings about it that whoever wrote it knows of.
    """

    id: str
    effect: Effect
    file: str
    line: int
    text: str
    reason: str
    terms: Terms
    actions: frozenset[str]
    principal: Scope
    resource: Scope
    reads: Reads
    node: Node = field(repr=False)
    column: int = 1
    accepts: tuple[str, ...] = ()

    @property
    def conditions(self) -> list[Node]:
        """Return its conditions in their order, each with its ``kind`` and its ``body``."""
        found: list[Node] = self.node["conditions"]
        return found

    @property
    def reads_limits(self) -> bool:
        """Say whether it looks at the limits about to be granted."""
        return any(path[:1] == ("limits",) for path in self.reads.context)
