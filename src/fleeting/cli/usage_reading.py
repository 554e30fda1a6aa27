"""Read what was granted and what of it was used: a day at a time, so that memory is bounded."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from fleeting.cli.sifting import REQUESTS, Advance, deciding, parsed, sift
from fleeting.core.durations import LONGEST
from fleeting.core.evidence import StoredEntry
from fleeting.policy.replay_report import LeftOut
from fleeting.policy.replaying import Redecided, Replaying
from fleeting.policy.usage import USES, TokenUses, UsedToken
from fleeting.ports import Evidence

T = TypeVar("T")

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class UsageReading(Generic[T]):
    """A walk over a period: every request is decided again, every token told with its uses.

    note: what to keep of a request until its token's uses are known. settle: takes a token then.
    """

    replaying: Replaying
    note: Callable[[Redecided, StoredEntry], T]
    settle: Callable[[UsedToken[T]], None]
    left_out: LeftOut

    async def walk(
        self, evidence: Evidence, since: datetime, until: datetime, advance: Advance
    ) -> None:
        """Go through the period.

        Raises:
            StoreUnavailableError: the ledger cannot be read.
        """
        days = [*_days(since, until)]
        for number, (start, end) in enumerate(days):
            tokens: TokenUses[T] = TokenUses()
            told = _part(advance, 2 * number, 2 * len(days))
            await sift(evidence, REQUESTS, (start, end), self._requests(tokens), told)
            told = _part(advance, 2 * number + 1, 2 * len(days))
            # A token of the day's last second may be used a whole day later.
            await sift(evidence, USES, (start, end + LONGEST), self._uses(tokens), told)
            for token in tokens.tokens():
                self.settle(token)

    def _requests(self, tokens: TokenUses[T]) -> Callable[[StoredEntry], None]:
        def add(redecided: Redecided, row: StoredEntry) -> None:
            noted = self.note(redecided, row)
            if row.jti is not None:
                # A token's own issuance is in whole seconds.
                tokens.issued(row.jti, row.at_us - row.at_us % 1_000_000, noted)

        return deciding(self.replaying, add, self.left_out)

    def _uses(self, tokens: TokenUses[T]) -> Callable[[StoredEntry], None]:
        def take(row: StoredEntry) -> None:
            try:
                body: dict[str, Any] = parsed(row)
            except ValueError as error:
                self.left_out.unread(row, error)
            else:
                tokens.used(row, body)

        return take


def _days(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    while since < until:
        end = min(since + _DAY, until)
        yield since, end
        since = end


def _part(advance: Advance, number: int, parts: int) -> Advance:
    """Return what tells *advance* of one of several parts."""
    return lambda passed, total: advance(number * total + passed, parts * total)
