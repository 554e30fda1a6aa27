"""Callers who wait for people: how often they may ask, and how they are woken.

One follower per worker reads what changed in the store, for all who wait in it; what this worker
commits itself wakes them at once. A thousand waiters cost a thousand futures and one read.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleeting.ports import Clock, Record, RecordKind, Records

INTERVAL = timedelta(seconds=5)
"""How long a caller leaves between two polls, to begin with (RFC 8628 §3.2, §3.5)."""

LONGEST_WAIT = timedelta(seconds=25)
"""How long an answer is held back at most: shorter than what proxies cut off."""

WITH_WAITERS = 0.05
WITHOUT_WAITERS = 1.0
"""How often the follower reads, in seconds."""

_LATE = timedelta(seconds=5)
_PAGE = 1000
_SLACK = timedelta(milliseconds=500)
_MOST_POLLED = 50_000
_MOST_WAITERS = 20_000
_MOST_OF_ONE = 8


@dataclass(frozen=True, slots=True)
class _Polled:
    at: datetime
    interval: timedelta


class Pace:
    """How often each request was asked for lately, in this worker (ATTACKS 33)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._polled: OrderedDict[str, _Polled] = OrderedDict()

    def interval(self, id_: str) -> timedelta:
        """Return how long to leave between two polls of *id_* now."""
        polled = self._polled.get(id_)
        return INTERVAL if polled is None else polled.interval

    def is_too_fast(self, id_: str) -> bool:
        """Count a poll, and say whether it came too early; then the interval grows (RFC 8628)."""
        now, before = self._clock.now(), self._polled.pop(id_, None)
        interval = INTERVAL if before is None else before.interval
        early = before is not None and now - before.at < interval - _SLACK
        self._polled[id_] = _Polled(now, interval + INTERVAL if early else interval)
        while len(self._polled) > _MOST_POLLED:
            self._polled.popitem(last=False)
        return early

    def forget(self, id_: str) -> None:
        """Forget a request that is decided."""
        self._polled.pop(id_, None)


class Waiting:
    """Who waits for which access request, and the one follower that wakes them."""

    def __init__(self, records: Records, clock: Clock, on_row: Callable[[Record], None]) -> None:
        """Follow *records*; on_row: shown each access request whenever it changed."""
        self._records = records
        self._on_row = on_row
        self.stopping = False
        self._waiters: dict[str, set[asyncio.Future[None]]] = {}
        self._seen: dict[str, int] = {}
        self._marks: list[tuple[float, datetime]] = []
        self._since = clock.now() - _LATE
        self._first = asyncio.Event()

    def __len__(self) -> int:
        """Return how many wait."""
        return sum(map(len, self._waiters.values()))

    def has_room(self, id_: str) -> bool:
        """Say whether one more may wait for *id_* here."""
        of_one = len(self._waiters.get(id_, ()))
        return of_one < _MOST_OF_ONE and len(self) < _MOST_WAITERS

    @contextmanager
    def waiter(self, id_: str) -> Iterator["asyncio.Future[None]"]:
        """Return what is done once *id_* changes: made before the last look at it, none is missed.

        This does NOT say what it became: look again.
        """
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(id_, set()).add(waiter)
        self._first.set()
        try:
            yield waiter
        finally:
            waiters = self._waiters[id_]
            waiters.discard(waiter)
            if not waiters:
                del self._waiters[id_]

    def wake(self, id_: str) -> None:
        """Wake who waits for *id_*: it changed."""
        for waiter in self._waiters.get(id_, ()):
            if not waiter.done():
                waiter.set_result(None)

    def stop(self) -> None:
        """Wake everybody, to be told to come again, and keep nobody: this worker is stopping."""
        self.stopping = True
        for id_ in list(self._waiters):
            self.wake(id_)

    async def follow(self) -> None:
        """Read what changed, once, and wake who waits for it; then rest, the less if any wait.

        Raises:
            StoreUnavailableError: the store cannot answer now.
        """
        try:
            await self._read()
        finally:
            await self._rest()

    async def _rest(self) -> None:
        if self._waiters:
            await asyncio.sleep(WITH_WAITERS)
            return
        self._first.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._first.wait(), WITHOUT_WAITERS)

    async def _read(self) -> None:
        started = asyncio.get_running_loop().time()
        seen: dict[str, int] = {}
        newest = since = self._since
        limit = _PAGE
        while True:
            rows = await self._records.records_changed(RecordKind.REQUEST, since, limit)
            for row in rows:
                self._notice(row)
                seen[row.id] = row.revision
                newest = max(newest, row.changed_at)
            if len(rows) < limit:
                break
            limit = _PAGE if newest > since else limit * 2  # so many at one instant
            since = newest
        self._seen = seen
        self._advance(started, newest)

    def _advance(self, at: float, newest: datetime) -> None:
        """Begin the next read where all was seen that can still come late (``ports.Records``)."""
        self._marks.append((at, newest))
        while len(self._marks) > 1 and self._marks[1][0] <= at - _LATE.total_seconds():
            self._marks.pop(0)
        if self._marks[0][0] <= at - _LATE.total_seconds():
            self._since = self._marks[0][1]

    def _notice(self, row: Record) -> None:
        if self._seen.get(row.id) != row.revision:
            self._on_row(row)
            self.wake(row.id)
