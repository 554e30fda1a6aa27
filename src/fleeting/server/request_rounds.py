"""What time does to access requests: those that wait expire, grants end, reviews become overdue."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from fleeting.core.access_requests import RequestRecord
from fleeting.core.lifecycle import Status
from fleeting.core.request_deeds import ALIVE, Deed, lapsed
from fleeting.ports import Clock, Record, RecordKind, Store, Write
from fleeting.usecases.request_rows import (
    OPEN_REVIEWS,
    change_of,
    read_row,
    states_of,
    write_of,
)
from fleeting.usecases.rules import RulesSource

REMIND_EVERY = timedelta(hours=24)
"""How often an overdue review is said to be so, until somebody closes it."""

_ROWS = 500
_LIVING = tuple(dict.fromkeys((*states_of(ALIVE), *OPEN_REVIEWS)))

log = structlog.get_logger("fleeting.server")


@dataclass(frozen=True, slots=True)
class RequestRounds:
    """One worker's rounds. Several workers may go them: of each change one is made, and recorded.

    changed: told each request that ended; counted: told what happened, for metrics.
    overdue: told each review that is.
    """

    store: Store
    clock: Clock
    rules: RulesSource
    changed: Callable[[str], None]
    counted: Callable[[str], None]
    overdue: Callable[[RequestRecord], None]

    async def go(self) -> int:
        """Look at all that is due, and return how many requests were changed.

        Raises:
            StoreUnavailableError: the store cannot answer.
        """
        now = self.clock.now()
        due = await self.store.records_due(RecordKind.REQUEST, _LIVING, now, _ROWS)
        return sum([await self._look_at(row, now) for row in due])

    async def _look_at(self, row: Record, now: datetime) -> bool:
        try:
            record = read_row(row, self.rules.rules().installation.catalogue.types)
        except ValueError:
            log.exception("an access request cannot be read", access_request_id=row.id)
            return False
        deed = lapsed(record, now)
        if deed is not None:
            return await self._end(deed, now)
        if record.review is not None and now >= record.review.due_at:
            return await self._remind(record, now)
        return False

    async def _end(self, deed: Deed, now: datetime) -> bool:
        outcome = await self.store.commit(write_of(deed, now=now))
        if not outcome.stale:
            expired = deed.record.status is Status.EXPIRED
            self.counted("expired" if expired else "ended")
            self.changed(deed.record.id)
        return not outcome.stale

    async def _remind(self, record: RequestRecord, now: datetime) -> bool:
        later = replace(change_of(record), due_at=now + REMIND_EVERY)
        outcome = await self.store.commit(Write(changes=(later,)))
        if not outcome.stale:
            self.counted("review_overdue")
            self.overdue(record)
        return not outcome.stale
