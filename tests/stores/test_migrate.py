import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import fleeting.stores
from fleeting.ports import StoreUnavailableError
from fleeting.stores import open_store
from fleeting.stores.engines import database_engine
from fleeting.stores.migrate import current, upgrade
from fleeting.stores.schema import REVISION, metadata


class Still:
    def now(self):
        return datetime(2026, 3, 29, tzinfo=UTC)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_url(request):
    if request.param == "sqlite":
        return f"sqlite:///{request.getfixturevalue('tmp_path')}/fleeting.db"
    return request.getfixturevalue("empty_postgres_url")


def test_the_newest_migration_is_the_one_that_the_stores_want():
    config = Config()
    directory = Path(fleeting.stores.__file__).parent / "migrations"
    config.set_main_option("script_location", str(directory))
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


def test_the_migrations_make_the_tables_that_the_stores_use(empty_url):
    upgrade(empty_url)
    assert current(empty_url) == REVISION
    engine = database_engine(empty_url, Path())
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_upgrading_twice_changes_nothing(empty_url):
    upgrade(empty_url)
    upgrade(empty_url)
    assert current(empty_url) == REVISION


def test_processes_that_start_at_once_do_not_collide(empty_url):
    program = "import sys; from fleeting.stores.migrate import upgrade; upgrade(sys.argv[1])"
    command = [sys.executable, "-W", "error", "-c", program, empty_url]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0] * 3
    assert current(empty_url) == REVISION


def test_a_relative_path_starts_at_the_installation(tmp_path):
    upgrade("sqlite:///fleeting.db", tmp_path)
    assert (tmp_path / "fleeting.db").exists()
    assert current("sqlite:///fleeting.db", tmp_path) == REVISION


def test_asking_for_the_revision_makes_no_file(tmp_path):
    with pytest.raises(StoreUnavailableError):
        current("sqlite:///fleeting.db", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.postgres
async def test_postgresql_without_a_schema_says_what_to_run(empty_postgres_url):
    store = open_store(empty_postgres_url, clock=Still(), base_dir=Path())
    with pytest.raises(StoreUnavailableError, match="`fleeting db upgrade`"):
        await store.open()
    await store.close()


async def test_a_schema_of_another_version_is_refused(database):
    upgrade(database.url)
    engine = database_engine(database.url, Path())
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    store = open_store(database.url, clock=Still(), base_dir=Path())
    with pytest.raises(StoreUnavailableError, match="schema 9999, this version needs"):
        await store.open()
    await store.close()


@pytest.mark.postgres
async def test_a_database_without_an_encoding_does_as_well(cluster, token):
    cluster.execute("CREATE DATABASE plain TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    upgrade(f"{cluster.url}/plain")
    store = open_store(f"{cluster.url}/plain", clock=Still(), base_dir=Path())
    await store.open()
    await store.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://secret@host/db", 'write "sqlite:///fleeting.db"'),
        ("fleeting.db", "postgresql://user@host/database"),
        ("sqlite://", "sqlite:///fleeting.db"),
        ("sqlite:///", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("postgresql://user@host:port/db", "write"),
    ],
)
def test_a_url_of_another_kind_is_told_what_to_write(url, words, tmp_path):
    with pytest.raises(ValueError, match="database") as caught:
        open_store(url, clock=Still(), base_dir=tmp_path)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)
    with pytest.raises(ValueError, match="database"):
        upgrade(url, tmp_path)
