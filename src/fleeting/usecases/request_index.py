"""All access requests, each read once per revision, so that lists of ten thousand stay quick."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from fleeting.core.access_requests import RequestRecord
from fleeting.core.approvals import behind
from fleeting.core.request_deeds import ALIVE
from fleeting.core.request_view import Like
from fleeting.ports import Record, RecordKind, Records

LATE = timedelta(seconds=6)
"""How much later than their ``changed_at`` changes may appear (``ports.Records``), and some."""

MOST_ALIKE = 10_000
"""How many requests of one kind, or behind which one person stands, are remembered."""

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_MOST = 10_000_000
_AT_ONCE = 200
"""How many are read before others get their turn."""

Read: TypeAlias = Callable[[Record], RequestRecord]
"""Reads a row as those who decide read it."""

Key: TypeAlias = tuple[str, str, tuple[str, ...]]


@dataclass(slots=True)
class RequestIndex:
    """What is remembered of the store's access requests, brought up to date before each look.

    Those that are over and reviewed are remembered by what became of them alone.
    """

    store: Records
    _seen: dict[str, int] = field(default_factory=dict)
    _alive: dict[str, RequestRecord] = field(default_factory=dict)
    _like: dict[Key, dict[str, Like]] = field(default_factory=dict)
    _behind: dict[str, dict[str, Like]] = field(default_factory=dict)
    _since: datetime = _BEGINNING
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def alive(self, read: Read) -> Sequence[RequestRecord]:
        """Return all requests that are not over, or whose review is open.

        Raises:
            StoreUnavailableError: the store cannot answer, here and below.
        """
        await self._look(read)
        return [*self._alive.values()]

    async def like(self, record: RequestRecord, read: Read) -> Sequence[Like]:
        """Return the other requests of the same client and subject for the same types."""
        await self._look(read)
        found = self._like.get(_key(record), {})
        others = [each for each in found.values() if each.id != record.id]
        return sorted(others, key=lambda each: (each.at, each.id), reverse=True)

    async def of(self, ids: Iterable[str], read: Read) -> Sequence[RequestRecord | str]:
        """Return what one of *ids* stands behind, newest first; of what is over the id alone."""
        await self._look(read)
        found: dict[str, Like] = {}
        for id_ in ids:
            found |= self._behind.get(id_, {})
        newest = sorted(found.values(), key=lambda each: (each.at, each.id), reverse=True)
        return [self._alive.get(each.id, each.id) for each in newest]

    async def _look(self, read: Read) -> None:
        async with self._looking:
            rows = await self.store.records_changed(RecordKind.REQUEST, self._since, _MOST)
            for place, row in enumerate(rows):
                if self._seen.get(row.id) != row.revision:
                    self._take(row, read)
                if place % _AT_ONCE == _AT_ONCE - 1:
                    await asyncio.sleep(0)
            if rows:
                self._seen = {row.id: row.revision for row in rows}
                self._since = max(self._since, rows[-1].changed_at - LATE)

    def _take(self, row: Record, read: Read) -> None:
        try:
            record = read(row)
        except ValueError:  # altered beyond reading: it is in no list, and who names it is told
            self._alive.pop(row.id, None)
            return
        like = Like(record.id, record.asked_at, record.status)
        _remember(self._like.setdefault(_key(record), {}), like)
        for id_ in behind(record):
            _remember(self._behind.setdefault(id_, {}), like)
        if is_shown(record):
            self._alive[record.id] = record
        else:
            self._alive.pop(record.id, None)


def _remember(found: dict[str, Like], like: Like) -> None:
    """Put *like* among those that were *found*, of which the oldest are forgotten."""
    found[like.id] = like
    if len(found) > MOST_ALIKE:
        del found[next(iter(found))]


def is_shown(record: RequestRecord) -> bool:
    """Say whether somebody may still have something to do with *record*."""
    review = record.review
    return record.status in ALIVE or (review is not None and review.closed_by is None)


def _key(record: RequestRecord) -> Key:
    request = record.request
    types: Iterable[str] = {operation.type for operation in request.operations}
    return request.client.client_id, request.subject.id, tuple(sorted(types))
