"""What ended before its time: read once per worker, however many guards follow it."""

import asyncio
import hashlib
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import dropwhile, takewhile
from typing import Any

from fleeting.core.event_stream import write_event
from fleeting.core.evidence import microseconds
from fleeting.core.revocations import REVOKED, ClientEnded, Ended, SubjectEnded, TokenEnded
from fleeting.ports import Clock, CutoffKind, Published, Records, Tokens

BEGINNING = "0"
"""The id before the first cut-off."""
_PAGE = 1000
_WINDOW = 20_000
_MARK_CHARACTERS = 12
_LONGEST_NUMBER = 18
_LENIENCE = timedelta(minutes=1)
"""For how long after its end a token is spoken of, to guards whose clocks are late."""


@dataclass(frozen=True, slots=True)
class Told:
    """One cut-off as guards hear it; audience: whose guards alone hear it, None: all guards."""

    number: int
    id: str
    ended: Ended
    audience: str | None
    event: bytes = field(repr=False)

    def is_for(self, audience: str) -> bool:
        """Say whether the guards of *audience* hear it."""
        return self.audience in (None, audience)


@dataclass(frozen=True, slots=True)
class News:
    """What a guard did not know yet, and up to where it knows then.

    reset: what it was told before is of another database: *told* is all that is in force.
    number, life: of ``id``, and of the database that it is from, for whoever goes on from here.
    """

    told: Sequence[Told]
    id: str
    number: int
    life: int
    reset: bool = False

    def to_json(self, limit: int = _PAGE) -> dict[str, Any]:
        """Return the answer to a guard that polls; more: it is to ask for the rest at once."""
        told = self.told[:limit]
        more = len(told) < len(self.told)
        return {
            "revoked": [each.ended.to_json() for each in told],
            "last": told[-1].id if more else self.id,
            "more": more,
            "reset": self.reset,
        }


def id_of(published: Published) -> str:
    """Return what a guard remembers of how far it heard: the number, and whose number it is.

    A database that was restored counts on from an older number: its next cut-offs have numbers
    that guards have seen on others, and a number alone would have the guards miss them.
    """
    cutoff = published.cutoff
    said = f"{cutoff.kind}:{microseconds(cutoff.at)}:{cutoff.value}"
    mark = hashlib.sha256(said.encode(errors="surrogatepass")).hexdigest()[:_MARK_CHARACTERS]
    return f"{published.number}-{mark}"


class RevocationFeed:
    """Follows ``Records.published``; hands out what is in force, and what is new.

    The newest *window* cut-offs are kept at hand; what is older is read for whoever needs it.
    """

    def __init__(
        self, records: Records, tokens: Tokens, clock: Clock, window: int = _WINDOW
    ) -> None:
        self._records = records
        self._tokens = tokens
        self._clock = clock
        self._limit = window
        self._window: deque[Told] = deque()
        self._from = 0
        """Beyond this number the window has everything."""
        self._number = 0
        self._life = 0
        self._reading: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self.id = BEGINNING

    async def read(self) -> None:
        """Return once everything is known that was committed before this was called.

        One reading serves all who ask for it before it begins.

        Raises:
            StoreUnavailableError: the store cannot answer; what was known stays known.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._read_after(self._reading))
            self._next.add_done_callback(_look)
        await asyncio.shield(self._next)  # one caller's end is not the others'

    async def since(self, id_: str, audience: str) -> News:
        """Return what is new to a guard of *audience* that has heard up to *id_*.

        An *id_* that this database never gave gets everything that is in force.

        Raises:
            StoreUnavailableError: the store cannot answer.
        """
        news = News((), self.id, self._number, self._life)
        if id_ == news.id:
            return news
        after = await self._number_of(id_ or BEGINNING)
        told = [*await self._older(after or 0), *self._newer(after or 0)]
        now = self._clock.now()
        heard = [it for it in told if it.is_for(audience) and _in_force(it, now)]
        return News(heard, news.id, news.number, news.life, reset=after is None)

    async def after(self, news: News, audience: str) -> News:
        """Return what came after *news*; mostly nothing, or something that is at hand.

        Raises:
            StoreUnavailableError: the store cannot answer.
        """
        if news.life != self._life or news.number < self._from:
            return await self.since(news.id, audience)
        heard = [it for it in self._newer(news.number) if it.is_for(audience)]
        return News(heard, self.id, self._number, self._life)

    async def _number_of(self, id_: str) -> int | None:
        """Return the number in *id_*, None where it is of another database.

        A number without its mark is taken at its word.
        """
        digits, _, mark = id_.partition("-")
        if not (digits.isascii() and digits.isdecimal() and len(digits) <= _LONGEST_NUMBER):
            return None
        number = int(digits)
        if number > self._number:
            return None
        return number if not mark or await self._is_there(number, id_) else None

    async def _is_there(self, number: int, id_: str) -> bool:
        found = await self._records.published(number - 1, 1)
        return bool(found) and id_of(found[0]) == id_

    async def _older(self, after: int) -> list[Told]:
        """Return what is beyond *after* and not in the window any more."""
        end, told = self._from, list[Told]()
        while after < end:
            page = await self._records.published(after, _PAGE)
            after = page[-1].number if page else end
            heard = [await self._tell(each) for each in page if each.number <= end]
            told += [each for each in heard if each is not None]
        return told

    def _newer(self, after: int) -> list[Told]:
        """Return what is beyond *after* in the window, without a look at the rest of it."""
        newest_first = takewhile(lambda it: it.number > after, reversed(self._window))
        return [*newest_first][::-1]

    async def _read_after(self, reading: asyncio.Task[None] | None) -> None:
        if reading is not None:
            await asyncio.wait([reading])
        self._reading, self._next = self._next, None  # who asks from here on needs another one
        await self._read()

    async def _read(self) -> None:
        if self._number and not await self._is_there(self._number, self.id):
            self._begin_anew()
        while page := await self._records.published(self._number, _PAGE):
            for told in [await self._tell(each) for each in page]:
                self._keep(told)
            self._number, self.id = page[-1].number, id_of(page[-1])
        now = self._clock.now()
        self._window = deque(dropwhile(lambda it: not _in_force(it, now), self._window))

    def _begin_anew(self) -> None:
        """Forget what was read: the database was put back to what it was before."""
        self._window.clear()
        self._from, self._number, self.id = 0, 0, BEGINNING
        self._life += 1

    def _keep(self, told: Told | None) -> None:
        if told is not None:
            self._window.append(told)
        if len(self._window) > self._limit:
            self._from = self._window.popleft().number

    async def _tell(self, published: Published) -> Told | None:
        """Return *published* as guards hear it, None where no guard need hear it.

        That is what has ended by itself; a token whose uses are spent here; and an access request,
        which no token names: its tokens are published one by one.
        """
        cutoff, audience = published.cutoff, None
        if cutoff.until + _LENIENCE <= self._clock.now() or cutoff.kind is CutoffKind.REQUEST:
            return None
        if cutoff.kind is CutoffKind.TOKEN:
            record = await self._tokens.find(cutoff.value)
            if record is not None and record.uses is not None:
                return None
            audience = None if record is None else record.audience
        ended = _ended(published)
        data = json.dumps(ended.to_json(), separators=(",", ":"))
        id_ = id_of(published)
        return Told(published.number, id_, ended, audience, write_event(REVOKED, data, id_))


def _ended(published: Published) -> Ended:
    cutoff = published.cutoff
    if cutoff.kind is CutoffKind.TOKEN:
        return TokenEnded(cutoff.value, cutoff.until)
    party = ClientEnded if cutoff.kind is CutoffKind.CLIENT else SubjectEnded
    return party(cutoff.value, cutoff.at, cutoff.until)


def _in_force(told: Told, now: datetime) -> bool:
    return told.ended.until + _LENIENCE > now


def _look(task: "asyncio.Task[None]") -> None:
    """Look at how a reading ended, in place of those who have gone."""
    if not task.cancelled():
        task.exception()
