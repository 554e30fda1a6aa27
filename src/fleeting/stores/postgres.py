"""PostgreSQL: for more than one machine; one connection writes, one reads, both survive."""

import asyncio
from collections.abc import Sequence

from fleeting.core.model import TokenRecord
from fleeting.ports import Clock, Outcome, PolicyState, Write
from fleeting.stores.archive import SqlArchive
from fleeting.stores.engines import postgres_engine
from fleeting.stores.group_commit import GroupCommit
from fleeting.stores.migrate import check_revision, current
from fleeting.stores.postgres_connection import PostgresReader, PostgresWriter


class PostgresStore(SqlArchive):
    """The store in a PostgreSQL database, which ``fleeting db upgrade`` has prepared.

    A lost or hanging server fails the requests that need it, in bounded time; the next one
    connects anew.
    """

    def __init__(self, database_url: str, *, clock: Clock) -> None:
        super().__init__(postgres_engine(database_url))
        self._url = database_url
        self._writer = PostgresWriter(database_url, clock)
        self._reader = PostgresReader(database_url)
        self._writes: GroupCommit[Write, Outcome] = GroupCommit(self._writer.apply)
        self._finds: GroupCommit[str, TokenRecord | None] = GroupCommit(self._look_up)

    async def open(self) -> None:
        """See ``ports.Store``."""
        check_revision(await asyncio.to_thread(current, self._url), "the PostgreSQL database")
        await self.ping()

    async def close(self) -> None:
        """See ``ports.Store``."""
        await asyncio.gather(self._writes.close(), self._finds.close())
        await asyncio.gather(self._writer.close(), self._reader.close())
        await asyncio.to_thread(self._engine.dispose)

    async def ping(self) -> None:
        """See ``ports.Store``; commits for real, which waits for the disk."""
        await self._writer.ping()

    async def commit(self, write: Write) -> Outcome:
        """See ``ports.Ledger``."""
        return await self._writes.submit(write)

    async def find(self, jti: str) -> TokenRecord | None:
        """See ``ports.Tokens``."""
        return await self._finds.submit(jti)

    async def policy_state(self) -> PolicyState:
        """See ``ports.PolicySets``."""
        return await self._reader.policy()

    async def _look_up(self, jtis: Sequence[str]) -> Sequence[TokenRecord | None]:
        return await self._reader.find(jtis)
