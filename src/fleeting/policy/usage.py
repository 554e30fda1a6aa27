"""What was used of the tokens of a time: how often, how late, for which actions and how much."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from typing import Any, Generic, TypeAlias, TypeVar

from fleeting.core.evidence import EntryKind, RecordedEntry
from fleeting.core.model import SpendRefusal

T = TypeVar("T")
Number: TypeAlias = int | Decimal

USES = (EntryKind.TOKEN_SPENT, EntryKind.CALL_SERVED, EntryKind.SPEND_REFUSED)
"""The entries that tell of uses; ``call.served`` only where guards report what they serve."""

_DIGITS = 2


@dataclass(slots=True)
class UsedToken(Generic[T]):
    """A token, and what was used of it.

    note: what its keeper wants to know again. jti's own issuance and last use are in microseconds.
    served: the actions that were used, as (type, action); None stands for any that it has.
    most: of each number of a served operation, the largest. late: a use came after its end.
    evaluated: it is no token, but a decision that an enforcement point asked for.
    """

    note: T
    issued_us: int
    uses: int = 0
    last_us: int = 0
    served: set[tuple[str, str] | None] = field(default_factory=set)
    most: dict[str, Number] = field(default_factory=dict)
    late: bool = False
    evaluated: bool = False

    @classmethod
    def evaluation(cls, note: T, at_us: int) -> "UsedToken[T]":
        """Return a decision that an enforcement point asked for: no token, and used as it is."""
        return cls(note, at_us, uses=1, last_us=at_us, served={None}, evaluated=True)

    @property
    def seconds(self) -> float:
        """How long after its issuance it was last used."""
        return max(0, self.last_us - self.issued_us) / 1_000_000

    def covers(self, type_: str, action: str) -> bool:
        """Say whether this action of it was used."""
        return None in self.served or (type_, action) in self.served


class TokenUses(Generic[T]):
    """The tokens of a time, by their ids, while their uses come in."""

    def __init__(self) -> None:
        self._tokens: dict[str, UsedToken[T]] = {}

    def __len__(self) -> int:
        return len(self._tokens)

    def issued(self, jti: str, issued_us: int, note: T) -> None:
        """Take note of a token."""
        self._tokens[jti] = UsedToken(note, issued_us)

    def used(self, row: RecordedEntry, body: Mapping[str, Any]) -> None:
        """Take note of a use, or of one that came too late; other tokens' are passed over."""
        token = self._tokens.get(row.jti or "")
        if token is None or body.get("repeated"):
            return
        if row.kind == EntryKind.SPEND_REFUSED:
            token.late |= body.get("reason") == SpendRefusal.EXPIRED
            return
        token.uses += 1
        token.last_us = max(token.last_us, row.at_us)
        _serve(token, body.get("operation"))

    def tokens(self) -> Iterator[UsedToken[T]]:
        """Yield every token."""
        yield from self._tokens.values()


def _serve(token: UsedToken[T], operation: object) -> None:
    """Note what was served; a guard need not say, or may say it in its own way."""
    if not isinstance(operation, dict) or not isinstance(operation.get("actions"), list):
        token.served.add(None)
        return
    token.served.update((str(operation.get("type")), str(each)) for each in operation["actions"])
    for name, value in numbers(operation).items():
        token.most[name] = max(token.most.get(name, value), value)


def numbers(fields: Mapping[str, Any]) -> dict[str, Number]:
    """Return those of *fields* that are numbers."""
    return {
        name: value
        for name, value in fields.items()
        if isinstance(value, int | Decimal) and not isinstance(value, bool)
    }


@dataclass(slots=True)
class Sample:
    """Numbers that were seen: how many, both ends, and about how they lie between."""

    count: int = 0
    least: Number | float = 0
    most: Number | float = 0
    _about: Counter[Number | float] = field(default_factory=Counter)

    def add(self, value: Number | float) -> None:
        """Take note of one."""
        self.least = min(self.least, value) if self.count else value
        self.most = max(self.most, value) if self.count else value
        self.count += 1
        self._about[about(value)] += 1

    def within(self, share: float) -> Number | float:
        """Return what so large a *share* of them does not exceed, to about two digits."""
        left = share * self.count
        for value, count in sorted(self._about.items()):
            left -= count
            if left <= 0:
                return min(value, self.most)
        return self.most


def about(value: Number | float, rounding: str = ROUND_CEILING) -> Number | float:
    """Return *value* to two digits, rounded up unless *rounding* says otherwise."""
    exact = Decimal(value)
    unit = Decimal(1).scaleb(exact.adjusted() - _DIGITS + 1)
    if not exact or (isinstance(value, int) and unit < 1):
        return value
    rounded = (exact / unit).to_integral_value(rounding) * unit
    if isinstance(value, float):
        return float(rounded)
    return int(rounded) if isinstance(value, int) else rounded
