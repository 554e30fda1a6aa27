"""What goes on behind an answer: tasks in a bounded number, let go of when the server ends."""

import asyncio
from collections.abc import Coroutine
from typing import Any

MOST = 1000
"""How many are under way at most; whoever would begin more says that it was left out."""


class Background:
    """Tasks that nobody waits for."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Return how many are under way."""
        return len(self._under_way)

    @property
    def is_full(self) -> bool:
        """Say whether nothing more is to be begun now."""
        return len(self) >= MOST

    def begin(self, deed: Coroutine[Any, Any, None]) -> None:
        """Have *deed* done; it tells of its own failures."""
        task = asyncio.create_task(deed)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        """Let go of what is still under way."""
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)
