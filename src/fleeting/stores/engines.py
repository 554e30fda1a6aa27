"""Connections: what every one of them is told, and SQLAlchemy's engines off the hot path."""

import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

SQLITE = "sqlite:///"
POSTGRES = "postgresql://"

_PRAGMAS = (
    "synchronous = FULL",  # WAL's default would lose the last commits with the power
    "cache_size = -16384",  # 16 MiB: index pages that are hit at random stay at hand
    "wal_autocheckpoint = 4000",  # likewise written back once for many changes
)

BUSY_SECONDS = 5.0
"""How long a SQLite writer waits for another process's transaction."""

CONNECT_SECONDS = 5
"""How long PostgreSQL may take to accept a connection."""

READ_SECONDS = 60
"""How long one of PostgreSQL's statements off the hot path may take."""


def database_engine(
    database_url: str, base_dir: Path, *, create: bool = False, read_only: bool = False
) -> Engine:
    """Return the synchronous engine for *database_url*; relative paths start at *base_dir*.

    create: make the SQLite file if it is not there. read_only: the database refuses to be changed.

    Raises:
        ValueError: it is neither ``sqlite:///…`` nor ``postgresql://…``.
    """
    if database_url.startswith(SQLITE):
        path = sqlite_path(database_url, base_dir)
        return sqlite_engine(path, create=create, read_only=read_only)
    if database_url.startswith(POSTGRES):
        return postgres_engine(database_url, read_only=read_only)
    raise ValueError(wrong_url(database_url))


def wrong_url(database_url: str) -> str:
    """Return what to write instead of *database_url*, without repeating a password in it."""
    scheme = database_url.partition(":")[0]
    return (
        f"database = {scheme + ':…'!r} is not a database that Fleeting knows; write "
        '"sqlite:///fleeting.db" (a path relative to fleeting.toml), '
        '"sqlite:////var/lib/fleeting/fleeting.db" (an absolute one) or '
        '"postgresql://user@host/database"'
    )


def sqlite_path(database_url: str, base_dir: Path) -> Path:
    """Return the file that a ``sqlite:///…`` URL names.

    Raises:
        ValueError: it names none.
    """
    name = database_url.removeprefix(SQLITE)
    if not name or name == ":memory:" or "?" in name:
        raise ValueError(
            f'database = "{database_url}" must name a file, such as "sqlite:///fleeting.db"'
        )
    return (base_dir / name).absolute()


def connect_sqlite(path: Path, *, new: bool = False) -> sqlite3.Connection:
    """Return a connection to the existing file *path*, durable at each commit.

    The file is never made here: one that vanished held what was spent, revoked and seen, and an
    empty one in its place would forget it (and make SQLite delete its write-ahead log).
    new: it was just made, and is empty.

    Raises:
        OSError, sqlite3.Error: there is no such file, or it cannot be opened.
    """
    if not new and path.stat().st_size == 0:
        raise FileNotFoundError(f"{path} is empty")
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    return connection


def create_sqlite(path: Path) -> None:
    """Make the file *path* if there is none, readable by its owner alone, in WAL mode.

    Raises:
        OSError, sqlite3.Error: that was not possible.
    """
    if not path.exists():
        path.touch(mode=0o600)
    connection = connect_sqlite(path, new=True)
    deadline = time.monotonic() + BUSY_SECONDS
    try:
        while not _in_wal_mode(connection):
            if time.monotonic() > deadline:
                raise sqlite3.OperationalError("cannot switch the database to WAL mode")
            time.sleep(0.01)
    finally:
        connection.close()


def _in_wal_mode(connection: sqlite3.Connection) -> bool:
    """Switch to WAL; SQLite does not wait by itself while another process does the same."""
    try:
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_BUSY":
            raise
        return False
    return bool(mode == ("wal",))


def sqlite_engine(path: Path, *, create: bool = False, read_only: bool = False) -> Engine:
    """Return an engine that opens *path* anew each time, and so survives whatever befalls it."""

    def connect() -> sqlite3.Connection:
        if create:
            create_sqlite(path)
        connection = connect_sqlite(path)
        if read_only:
            connection.execute("PRAGMA query_only = ON")
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _begin_sqlite(connection: Connection) -> None:
    """Begin for real: our connections are in autocommit mode, so SQLite's driver does not."""
    kind = connection.get_execution_options().get("fleeting_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {kind}")


def postgres_engine(database_url: str, *, read_only: bool = False) -> Engine:
    """Return a small pool of psycopg connections that never hang for ever.

    Raises:
        ValueError: the URL cannot be read.
    """
    try:
        url = make_url(database_url).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError) as error:
        raise ValueError(wrong_url(database_url)) from error
    arguments: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "client_encoding": "utf8",  # where the database has none, psycopg would answer bytes
        "application_name": "fleeting",
        "options": f"-c statement_timeout={READ_SECONDS * 1000} -c timezone=UTC"
        + (" -c default_transaction_read_only=on" if read_only else ""),
    }
    return create_engine(
        url, pool_size=2, max_overflow=4, pool_pre_ping=True, connect_args=arguments
    )
