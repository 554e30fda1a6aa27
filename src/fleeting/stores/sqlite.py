"""SQLite: one writer thread, WAL, durable at each commit; several processes share the file."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from fleeting.core.model import TokenRecord
from fleeting.ports import Clock, Outcome, PolicyState, Write
from fleeting.stores.archive import SqlArchive
from fleeting.stores.engines import SQLITE, sqlite_engine
from fleeting.stores.group_commit import GroupCommit
from fleeting.stores.migrate import upgrade
from fleeting.stores.sqlite_connection import SqliteReader, SqliteWriter

T = TypeVar("T")


class SqliteStore(SqlArchive):
    """The store in one SQLite file.

    What befalls the file (gone, full, read-only) fails the requests that need it; the next one
    opens it anew, so that the store recovers by itself once the cause is gone.
    """

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._writer = SqliteWriter(path, clock)
        self._reader = SqliteReader(path)
        self._writing = ThreadPoolExecutor(1, "fleeting-writer")
        self._reading = ThreadPoolExecutor(1, "fleeting-reader")
        self._writes: GroupCommit[Write, Outcome] = GroupCommit(self._apply)
        self._finds: GroupCommit[str, TokenRecord | None] = GroupCommit(self._look_up)
        super().__init__(sqlite_engine(path), self._writing)

    async def open(self) -> None:
        """See ``ports.Store``."""
        await self._in(self._writing, lambda: upgrade(f"{SQLITE}{self._path}"))
        await self.ping()

    async def close(self) -> None:
        """See ``ports.Store``."""
        await asyncio.gather(self._writes.close(), self._finds.close())
        await asyncio.to_thread(self._let_go)

    async def ping(self) -> None:
        """See ``ports.Store``; commits for real, which waits for the disk."""
        await self._in(self._writing, self._writer.ping)

    async def commit(self, write: Write) -> Outcome:
        """See ``ports.Ledger``."""
        return await self._writes.submit(write)

    async def find(self, jti: str) -> TokenRecord | None:
        """See ``ports.Tokens``."""
        return await self._finds.submit(jti)

    async def policy_state(self) -> PolicyState:
        """See ``ports.PolicySets``."""
        return await self._in(self._reading, self._reader.policy)

    async def _apply(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        return await self._in(self._writing, lambda: self._writer.apply(writes))

    async def _look_up(self, jtis: Sequence[str]) -> Sequence[TokenRecord | None]:
        return await self._in(self._reading, lambda: self._reader.find(jtis))

    async def _in(self, thread: ThreadPoolExecutor, deed: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(thread, deed)

    def _let_go(self) -> None:
        """End the threads, then close what was theirs."""
        self._writing.shutdown()
        self._reading.shutdown()
        self._writer.close()
        self._reader.close()
