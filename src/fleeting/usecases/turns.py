"""Take turns at one thing within a worker, so that its callers do not all lose the same race."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted: int = 0


class Turns:
    """Locks by id, kept as long as somebody wants them.

    This does NOT keep other workers out: what must be exact is settled by the store.
    """

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}

    def __len__(self) -> int:
        """Return how many things are wanted now."""
        return len(self._turns)

    @asynccontextmanager
    async def of(self, id_: str) -> AsyncIterator[None]:
        """Wait for the turn at *id_*, and have it."""
        turn = self._turns.setdefault(id_, _Turn())
        turn.wanted += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.wanted -= 1
            if not turn.wanted:
                del self._turns[id_]
