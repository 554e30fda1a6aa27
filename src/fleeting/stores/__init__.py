"""The stores: memory (the reference), SQLite, PostgreSQL. The contract suite: tests/stores."""

from pathlib import Path

from fleeting.ports import Clock, Store
from fleeting.stores.engines import POSTGRES, SQLITE, sqlite_path, wrong_url
from fleeting.stores.memory import MemoryStore
from fleeting.stores.sqlite import SqliteStore

MEMORY = "memory://"


def open_store(database_url: str, *, clock: Clock, base_dir: Path) -> Store:
    """Return the store that *database_url* names, still to be opened with ``await store.open()``.

    sqlite:///FILE (relative to *base_dir*), postgresql://USER@HOST/DATABASE, or memory:// for
    what may be gone with the process.

    Raises:
        ValueError: it is none of these; the message says what to write.
    """
    if database_url == MEMORY:
        return MemoryStore(clock=clock)
    if database_url.startswith(SQLITE):
        return SqliteStore(sqlite_path(database_url, base_dir), clock=clock)
    if database_url.startswith(POSTGRES):
        from fleeting.stores.postgres import PostgresStore  # noqa: PLC0415 -- not for SQLite's users

        return PostgresStore(database_url, clock=clock)
    raise ValueError(wrong_url(database_url))
