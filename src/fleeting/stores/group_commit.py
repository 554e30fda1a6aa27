"""Group commit: what concurrent requests want of the store is done together (DESIGN D6)."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeAlias, TypeVar

from fleeting.ports import StoreUnavailableError

Wish = TypeVar("Wish")
Answer = TypeVar("Answer")

BATCH = 256
"""How many wishes one transaction takes at most."""

WAITING = 8192
"""How many may wait for it; beyond that a request is told at once that we are overloaded."""

GATHER_SECONDS = 0.002
"""How long a batch waits for company, where there is any (DESIGN D6)."""

QUIET = 3
"""After so many turns of the loop that brought none, no more is on its way."""

ENOUGH = 32
"""A queue that is this long waits for no more."""

_Waiting: TypeAlias = tuple[Wish, asyncio.Future[Answer]]


class GroupCommit(Generic[Wish, Answer]):
    """A queue before a backend that does one batch at a time.

    A wish that comes alone is done at once, so an idle server adds no delay. Where there is
    company, or was a moment ago, a batch waits two milliseconds for more of it: a transaction
    costs as much as ten wishes, and a busy server has better uses for its time.

    apply: does a batch and returns an answer for each wish, in order, or raises:
    StoreUnavailableError fails each of them, and the backend starts a new chain, because whether
    a COMMIT that failed took effect may be unknown; anything else means that nothing was done and
    that one wish of the batch is to blame.
    """

    def __init__(
        self,
        apply: Callable[[Sequence[Wish]], Awaitable[Sequence[Answer]]],
        *,
        batch: int = BATCH,
        waiting: int = WAITING,
    ) -> None:
        self._apply = apply
        self._batch = batch
        self._waiting = waiting
        self._queue: deque[_Waiting[Wish, Answer]] = deque()
        self._runner: asyncio.Task[None] | None = None
        self._closed = False
        self._last = 0

    async def submit(self, wish: Wish) -> Answer:
        """Return the answer to *wish* once its batch is done.

        Raises:
            StoreUnavailableError: too many are waiting, the backend failed, or it is closed.
            Exception: what the backend refuses about this very wish.
        """
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        if len(self._queue) >= self._waiting:
            raise StoreUnavailableError(f"{self._waiting} requests are waiting for the store")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queue.append((wish, answer))
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        return await answer

    async def close(self) -> None:
        """Take nothing more, and return when everything taken is answered."""
        self._closed = True
        if self._runner is not None:
            await asyncio.wait([self._runner])

    async def _run(self) -> None:
        try:
            while self._queue:
                if self._has_company():
                    await self._gather()
                batch = self._take()
                self._last = len(batch)
                await self._settle(batch)
        finally:
            self._runner = None

    def _has_company(self) -> bool:
        return max(len(self._queue), self._last) > 1 and len(self._queue) < ENOUGH

    async def _gather(self) -> None:
        """Let more come as long as the loop brings some; an idle wait would only be lost time."""
        clock = asyncio.get_running_loop().time
        deadline, quiet = clock() + GATHER_SECONDS, 0
        while quiet < QUIET and len(self._queue) < ENOUGH and clock() < deadline:
            before = len(self._queue)
            await asyncio.sleep(0)
            quiet = 0 if len(self._queue) > before else quiet + 1

    def _take(self) -> list[_Waiting[Wish, Answer]]:
        """Return the next batch; wishes whose caller has gone are dropped."""
        count = min(len(self._queue), self._batch)
        waiting = (self._queue.popleft() for _ in range(count))
        return [(wish, answer) for wish, answer in waiting if not answer.done()]

    async def _settle(self, batch: list[_Waiting[Wish, Answer]]) -> None:
        if not batch:
            return
        try:
            answers = await self._apply([wish for wish, _ in batch])
        except StoreUnavailableError as error:
            _fail(batch, str(error), error)
        except Exception as error:  # noqa: BLE001 -- one wish is to blame, and is told what it was
            await self._blame(batch, error)
        except BaseException as error:
            _fail(batch, "the store is going down", error)
            raise
        else:
            for (_, waiting), answer in zip(batch, answers, strict=True):
                if not waiting.done():
                    waiting.set_result(answer)

    async def _blame(self, batch: list[_Waiting[Wish, Answer]], error: Exception) -> None:
        """Find the one that spoils the batch by halving it, so that its neighbours are done."""
        if len(batch) > 1:
            middle = len(batch) // 2
            await self._settle(batch[:middle])
            await self._settle(batch[middle:])
        elif not batch[0][1].done():
            batch[0][1].set_exception(error)


def _fail(batch: Sequence[_Waiting[Wish, Answer]], words: str, cause: BaseException) -> None:
    for _, waiting in batch:
        if not waiting.done():
            error = StoreUnavailableError(words)
            error.__cause__ = cause
            waiting.set_exception(error)
