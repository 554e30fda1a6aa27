"""Memories of DPoP proofs, so that each is good once (RFC 9449 §11.1)."""

import asyncio
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from fleeting.core.errors import TemporarilyUnavailable
from fleeting.core.model import Claim

_BUSY_SECONDS = 5.0
_BEGINNING = datetime.min.replace(tzinfo=UTC)


class ProofMemory(Protocol):
    """Remembers proofs for as long as they could be accepted."""

    async def claim(self, claim: Claim, *, now: datetime) -> bool:
        """Take the id of a proof, atomically; False where it was taken before.

        Raises:
            TemporarilyUnavailable: it cannot be remembered, so the proof must not count.
        """
        ...

    async def aclose(self) -> None:
        """Let go of what it holds."""
        ...


class MemoryProofs:
    """Remembers in this process, in two generations of which the older is forgotten whole.

    Enough where nonces are this process's own, too: a proof that another worker's nonce made
    fresh is refused here anyhow, and so is every proof from before a restart.
    """

    def __init__(self, limit: int = 1_000_000) -> None:
        self._limit = limit
        self._young: set[bytes] = set()
        self._old: set[bytes] = set()
        self._young_until = self._old_until = _BEGINNING

    async def claim(self, claim: Claim, *, now: datetime) -> bool:
        """Take the id of a proof; refuses all while full of ids that may still come again."""
        if now >= self._old_until:
            self._old, self._old_until = self._young, self._young_until
            self._young, self._young_until = set(), now
        if claim.digest in self._young or claim.digest in self._old:
            return False
        if len(self._young) + len(self._old) >= self._limit:
            raise TemporarilyUnavailable("too many calls at once; try again in a minute")
        self._young.add(claim.digest)
        self._young_until = max(self._young_until, claim.expires_at)
        return True

    async def aclose(self) -> None:
        """Forget all."""
        self._young, self._old = set(), set()


_SCHEMA = """
CREATE TABLE IF NOT EXISTS proofs (
  digest BLOB PRIMARY KEY, expires_at REAL NOT NULL
) WITHOUT ROWID
"""
_EXPIRY_INDEX = "CREATE INDEX IF NOT EXISTS proofs_expire ON proofs (expires_at)"
_PRUNE_EVERY = 1000


class SqliteProofMemory:
    """Remembers in a SQLite file that several processes of one machine share.

    guard = Guard(..., nonce_secret=Path("nonce.key"), proofs=SqliteProofMemory("proofs.db"))
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, "fleeting-proofs")
        self._claimed = 0

    async def claim(self, claim: Claim, *, now: datetime) -> bool:
        """Take the id of a proof, atomically among all processes."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._claim, claim, now)
        except (sqlite3.Error, RuntimeError) as error:
            raise TemporarilyUnavailable("proofs cannot be remembered now") from error

    def _claim(self, claim: Claim, now: datetime) -> bool:
        if self._connection is None:
            self._connection = _connect(self._path)
        if self._claimed % _PRUNE_EVERY == 0:
            self._connection.execute("DELETE FROM proofs WHERE expires_at < ?", (now.timestamp(),))
        self._claimed += 1
        added = self._connection.execute(
            "INSERT OR IGNORE INTO proofs VALUES (?, ?)",
            (claim.digest, claim.expires_at.timestamp()),
        )
        return added.rowcount == 1

    async def aclose(self) -> None:
        """Close the file."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _connect(path: str | Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(_SCHEMA)
    connection.execute(_EXPIRY_INDEX)
    return connection


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL; SQLite does not wait by itself while another process does the same."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
