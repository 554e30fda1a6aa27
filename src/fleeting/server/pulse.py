"""The pulse of the revocation streams: read the store while somebody listens, tell, and beat."""

import asyncio
from datetime import timedelta
from time import monotonic

import structlog

from fleeting.ports import StoreUnavailableError
from fleeting.usecases.revocation_feed import RevocationFeed

EVERY = timedelta(milliseconds=50)
"""How soon another worker's revocations are heard of here; this worker's are at once."""
_PER_STREAM_SECONDS = 0.0001
"""Between two turns at least that for each stream: to wake it costs half of it, and whoever revokes
one token after the other is to have no more of a worker than the other half leaves."""
_LOOK_UP_SECONDS = 1.0
"""How often streams look whether their guard is still there, when there is nothing to tell."""

log = structlog.get_logger("fleeting.server")


class Pulse:
    """Reads the feed for all streams of this worker, and wakes them together.

    beats: goes up every *beat_every* while the store answers, so that silence means: do not trust.
    turn: set when there may be something to send; then it is another one.
    listeners: how many streams there are. stopping: they are to end.
    """

    def __init__(self, feed: RevocationFeed, beat_every: timedelta) -> None:
        self.feed = feed
        self.beats = 0
        self.listeners = 0
        self.stopping = False
        self._beat_every = beat_every.total_seconds()
        self._beaten = self._turned = float("-inf")
        self._told = feed.id
        self.turn = asyncio.Event()
        self._rounds: set[asyncio.Task[None]] = set()
        self._trouble = False

    def wake(self) -> None:
        """Have what was just committed told now; never waits, never fails."""
        if self.listeners:
            task = asyncio.get_running_loop().create_task(self.round())
            self._rounds.add(task)
            task.add_done_callback(self._rounds.discard)

    async def round(self) -> None:
        """Read, and wake the streams where that gives them something to send."""
        if not self.listeners:
            return
        answers = await self._read()
        now = monotonic()
        beat = answers and now - self._beaten >= self._beat_every
        if beat:
            self.beats, self._beaten = self.beats + 1, now
        since = now - self._turned
        news = self._told != self.feed.id and since >= self.listeners * _PER_STREAM_SECONDS
        if beat or news or since >= _LOOK_UP_SECONDS:
            self._told, self._turned = self.feed.id, now
            self._wake_all()

    def stop(self) -> None:
        """End every stream."""
        self.stopping = True
        self._wake_all()

    def _wake_all(self) -> None:
        turn, self.turn = self.turn, asyncio.Event()
        turn.set()

    async def _read(self) -> bool:
        try:
            await self.feed.read()
        except StoreUnavailableError as error:
            if not self._trouble:
                log.warning("revocations cannot be read: guards hear nothing", cause=str(error))
            self._trouble = True
            return False
        self._trouble = False
        return True
