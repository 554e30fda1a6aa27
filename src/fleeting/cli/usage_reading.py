"""Read what was granted and what of it was used, some days at a time: memory is bounded."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from fleeting.cli.sifting import REQUESTS, Advance, deciding, parsed, sift
from fleeting.core.durations import LONGEST
from fleeting.core.evidence import EntryKind, RecordedEntry
from fleeting.policy.replay_report import LeftOut
from fleeting.policy.replaying import Redecided, Replaying
from fleeting.policy.usage import USES, TokenUses, UsedToken
from fleeting.ports import Evidence

T = TypeVar("T")

_DAY = timedelta(days=1)
_SHORTEST, _LONGEST = timedelta(hours=1), timedelta(days=16)
_FEW, _MANY = 10_000, 200_000


@dataclass(frozen=True, slots=True)
class UsageReading(Generic[T]):
    """A walk over a period: every request is decided again, every token told with its uses.

    note: what to keep of a request until its token's uses are known. settle: takes a token then.
    """

    replaying: Replaying
    note: Callable[[Redecided, RecordedEntry], T]
    settle: Callable[[UsedToken[T]], None]
    left_out: LeftOut

    async def walk(
        self, evidence: Evidence, since: datetime, until: datetime, advance: Advance
    ) -> None:
        """Go through the period.

        Raises:
            StoreUnavailableError: the ledger cannot be read.
        """
        start, length = since, _DAY
        end_of_all = min(until, await _newest(evidence, since) + _DAY)
        while start < end_of_all:
            end = min(start + length, end_of_all)
            tokens: TokenUses[T] = TokenUses()
            told = _between(advance, (start, end), (since, end_of_all))
            await sift(evidence, REQUESTS, (start, end), self._requests(tokens), told)
            # A token of the last second may be used a whole day later.
            await sift(evidence, USES, (start, end + LONGEST), self._uses(tokens), _nobody)
            for token in tokens.tokens():
                self.settle(token)
            start, length = end, _next_length(length, len(tokens))

    def _requests(self, tokens: TokenUses[T]) -> Callable[[RecordedEntry], None]:
        def add(redecided: Redecided, row: RecordedEntry) -> None:
            noted = self.note(redecided, row)
            if row.kind == EntryKind.ACCESS_EVALUATED:
                self.settle(UsedToken.evaluation(noted, row.at_us))
            elif row.jti is not None:
                # A token's own issuance is in whole seconds.
                tokens.issued(row.jti, row.at_us - row.at_us % 1_000_000, noted)

        return deciding(self.replaying, add, self.left_out)

    def _uses(self, tokens: TokenUses[T]) -> Callable[[RecordedEntry], None]:
        def take(row: RecordedEntry) -> None:
            try:
                body: dict[str, Any] = parsed(row)
            except ValueError as error:
                self.left_out.unread(row, error)
            else:
                tokens.used(row, body)

        return take


def _next_length(length: timedelta, tokens: int) -> timedelta:
    """Return how much to read next, after so many tokens: an idle month is soon passed."""
    if tokens < _FEW:
        return min(2 * length, _LONGEST)
    return max(length / 2, _SHORTEST) if tokens > _MANY else length


async def _newest(evidence: Evidence, otherwise: datetime) -> datetime:
    heads = await evidence.heads()
    return max((head.at for head in heads if head.at is not None), default=otherwise)


def _between(
    advance: Advance, part: tuple[datetime, datetime], whole: tuple[datetime, datetime]
) -> Advance:
    """Return what tells *advance* of a *part* of the *whole* time, in seconds."""
    seconds = (part[1] - part[0]).total_seconds()
    before = (part[0] - whole[0]).total_seconds()
    total = (whole[1] - whole[0]).total_seconds()
    return lambda passed, of: advance(int(before + seconds * passed / of), int(total))


def _nobody(_passed: int, _total: int) -> None:
    """Tell nobody how far it is."""
