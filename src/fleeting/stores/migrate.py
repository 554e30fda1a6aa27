"""Bring a database's schema up to this version's, whoever else is starting at the same time."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from fleeting.ports import StoreUnavailableError
from fleeting.stores.archive import answering
from fleeting.stores.engines import database_engine
from fleeting.stores.schema import REVISION

_LOCK = 0x_F1EE_7146
"""Our own number among PostgreSQL's advisory locks."""


def upgrade(database_url: str, base_dir: Path = Path()) -> None:
    """Run the migrations that the database lacks; with SQLite, make the file first.

    Several processes may call this at once: one migrates, the others wait, then find it done.

    Raises:
        StoreUnavailableError: it cannot be reached, or is of a version newer than this one.
        ValueError: the URL is not one of ours.
    """
    engine = database_engine(database_url, base_dir, create=True)
    try:
        with (
            answering(),
            engine.execution_options(fleeting_begin="IMMEDIATE").begin() as connection,
        ):
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            found = _revision(connection)
            if found != REVISION:
                _migrate(connection, found)
    finally:
        engine.dispose()


def current(database_url: str, base_dir: Path = Path()) -> str | None:
    """Return the revision of the database's schema; None: there is none yet.

    Raises:
        StoreUnavailableError: it cannot be reached.
        ValueError: the URL is not one of ours.
    """
    engine = database_engine(database_url, base_dir)
    try:
        with answering(), engine.connect() as connection:
            return _revision(connection)
    finally:
        engine.dispose()


def check_revision(found: str | None, database: str) -> None:
    """Refuse a schema that is not this version's.

    Raises:
        StoreUnavailableError: with what to do about it.
    """
    if found is None:
        raise StoreUnavailableError(
            f"{database} has no Fleeting schema yet: run `fleeting db upgrade`"
        )
    if found != REVISION:
        raise StoreUnavailableError(
            f"{database} has schema {found}, this version needs {REVISION}: run "
            "`fleeting db upgrade`, or the version of Fleeting that upgraded it"
        )


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(connection: Connection, found: str | None) -> None:
    # Alembic takes longer to import than all else together, and most starts do not need it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    directory = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(directory).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, REVISION)
    except CommandError:
        check_revision(found, "the database")
        raise
