"""Count what a replay found: by change and policy, with a few examples, in bounded memory."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from fleeting.core.evidence import RecordedEntry
from fleeting.core.model import ActionDecision, Operation
from fleeting.core.recorded import decided_at
from fleeting.policy.replaying import Change, Difference, Redecided

MOST_GROUPS = 500
"""How many groups are told apart; what comes later is counted with others of its change."""

EXAMPLES = 3
OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Example:
    """One difference, and where to read on: ``fleeting explain`` takes the request id."""

    at: datetime
    request_id: str
    client: str
    subject: str
    operation: Operation
    before: ActionDecision
    after: ActionDecision


@dataclass(slots=True)
class Group:
    """Differences of one kind that one policy makes in one way."""

    change: Change
    policy: str
    how: str
    count: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass(slots=True)
class LeftOut:
    """How many recorded requests cannot be decided again, and why not.

    undecided: refused before policy was asked. too_old: of a version that recorded less.
    unreadable: altered, or of a newer version; first: of those, by its place in the ledger.
    """

    undecided: int = 0
    too_old: int = 0
    unreadable: int = 0
    first: str = ""

    def unread(self, row: RecordedEntry, error: Exception) -> None:
        """Take note of an entry that cannot be read."""
        if not self.unreadable:
            self.first = f"entry {row.sequence} of chain {row.writer} ({error})"
        self.unreadable += 1


@dataclass(slots=True)
class ReplayReport:
    """What became of the recorded requests of a period.

    requests: decided again; exact: those of them that the same policies decided then.
    decisions: by change. faults: the same policies decided otherwise.
    """

    requests: int = 0
    exact: int = 0
    left_out: LeftOut = field(default_factory=LeftOut)
    decisions: Counter[Change] = field(default_factory=Counter)
    faults: Group = field(default_factory=lambda: Group(Change.OTHERWISE, "", "fault"))
    _groups: dict[tuple[Change, str, str], Group] = field(default_factory=dict)

    def add(self, redecided: Redecided, row: RecordedEntry) -> None:
        """Take note of one request that was decided again, as *row* records it."""
        if not redecided.answers:
            return
        self.requests += 1
        self.exact += redecided.exact
        self.decisions[Change.SAME] += redecided.answers - len(redecided.differences)
        for difference in redecided.differences:
            self.decisions[difference.change] += 1
            if difference.fault:
                _count(self.faults, redecided, difference, row)
            if difference.change is not Change.SAME:
                _count(self._group(difference), redecided, difference, row)

    def _group(self, difference: Difference) -> Group:
        key = (difference.change, difference.policy, difference.how)
        found = self._groups.get(key)
        if found is None:
            if len(self._groups) >= MOST_GROUPS:
                key = (difference.change, "", OTHERS)
            found = self._groups.setdefault(key, Group(*key))
        return found

    def groups(self) -> Iterator[Group]:
        """Yield the groups: changes in their order, those with most differences first."""
        order = [*Change]
        yield from sorted(
            self._groups.values(), key=lambda it: (order.index(it.change), -it.count, it.policy)
        )


def _count(group: Group, redecided: Redecided, difference: Difference, row: RecordedEntry) -> None:
    group.count += 1
    if len(group.examples) < EXAMPLES:
        group.examples.append(_example(redecided, difference, row))


def _example(redecided: Redecided, difference: Difference, row: RecordedEntry) -> Example:
    request = redecided.request
    return Example(
        decided_at(row),
        request.id,
        request.client.client_id,
        request.subject.id,
        request.operations[difference.after.operation],
        difference.before,
        difference.after,
    )
