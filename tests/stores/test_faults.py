"""Storage that fails: nothing is said to be done, nothing is lost, and it recovers by itself."""

import asyncio
import contextlib
import os
import resource
import signal
import sqlite3
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from fleeting.core.ledger_verification import verify_ledger
from fleeting.core.model import Spend
from fleeting.ports import StoreUnavailableError, Write, WriteRefusedError
from fleeting.stores import engines, open_store, postgres_connection

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
AUDIENCE = "https://payments.example"


class Works:
    """Whether a store works, and what it acknowledged."""

    def __init__(self, store, token, entry):
        self.store, self.token, self.entry = store, token, entry
        self.acknowledged = []

    async def write(self):
        record = self.token()
        told = self.entry(record=record, padding="x" * 2000)
        await self.store.commit(Write(token=record, record=lambda _: [told]))
        self.acknowledged.append(record)

    async def check(self):
        """Whatever was acknowledged is there, and the chains hold."""
        for record in self.acknowledged:
            assert await self.store.find(record.jti) == record
        assert (await self.store.examine(verify_ledger)).findings == ()

    async def refuses_soon(self):
        """What room is left is used up first."""
        with contextlib.suppress(StoreUnavailableError):
            for _ in range(20):
                await self.write()
            pytest.fail("the disk is not full")

    async def refuses(self):
        for deed in (self.write, self.store.ping):
            with pytest.raises(StoreUnavailableError):
                await deed()


@pytest.fixture
async def sqlite_works(tmp_path, token, entry, clock_of_its_own):
    store = open_store("sqlite:///fleeting.db", clock=clock_of_its_own, base_dir=tmp_path)
    await store.open()
    yield Works(store, token, entry)
    await store.close()


@pytest.fixture
async def postgres_works(postgres_url, token, entry, clock_of_its_own):
    store = open_store(postgres_url, clock=clock_of_its_own, base_dir=Path())
    await store.open()
    yield Works(store, token, entry)
    await store.close()


@pytest.fixture
def clock_of_its_own():
    class Still:
        def now(self):
            return NOW

    return Still()


async def test_a_memory_store_can_be_made_unavailable(token, entry, clock_of_its_own):
    store = open_store("memory://", clock=clock_of_its_own, base_dir=Path())
    works = Works(store, token, entry)
    await works.write()
    store.available = False
    await works.refuses()
    for deed in (store.open, store.heads, lambda: store.find("j"), lambda: store.story("j")):
        with pytest.raises(StoreUnavailableError):
            await deed()
    with pytest.raises(StoreUnavailableError):
        await store.prune(NOW, ledger_before=None, limit=1)
    store.available = True
    await works.check()


# ------------------------------------------------------------------------------------ SQLite


async def test_a_database_file_that_vanishes_fails_every_request_until_it_is_back(
    sqlite_works, tmp_path
):
    await sqlite_works.write()
    (tmp_path / "fleeting.db").rename(tmp_path / "away")
    await sqlite_works.refuses()
    await sqlite_works.refuses()
    reads = (
        lambda: sqlite_works.store.find("j"),
        lambda: sqlite_works.store.story("j"),
        lambda: sqlite_works.store.prune(NOW, ledger_before=NOW, limit=1),
    )
    for read in reads:
        with pytest.raises(StoreUnavailableError):
            await read()
    assert not (tmp_path / "fleeting.db").exists()
    (tmp_path / "away").rename(tmp_path / "fleeting.db")
    await sqlite_works.write()
    await sqlite_works.check()


async def test_an_empty_file_in_its_place_is_not_taken_for_the_database(sqlite_works, tmp_path):
    await sqlite_works.write()
    (tmp_path / "fleeting.db").rename(tmp_path / "away")
    (tmp_path / "fleeting.db").touch()
    await sqlite_works.refuses()
    await sqlite_works.refuses()
    (tmp_path / "away").rename(tmp_path / "fleeting.db")
    await sqlite_works.write()
    await sqlite_works.check()


async def test_a_full_disk_fails_writes_until_there_is_room(sqlite_works, tmp_path):
    await sqlite_works.write()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    full = (tmp_path / "fleeting.db-wal").stat().st_size + 8192
    resource.setrlimit(resource.RLIMIT_FSIZE, (full, hard))
    try:
        await sqlite_works.refuses_soon()
        await sqlite_works.check()
        await sqlite_works.refuses_soon()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await sqlite_works.write()
    await sqlite_works.store.ping()
    await sqlite_works.check()


async def test_a_database_that_another_holds_locked_fails_in_bounded_time(
    sqlite_works, tmp_path, monkeypatch
):
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.2)
    sqlite_works.store._writer.close()
    other = sqlite3.connect(tmp_path / "fleeting.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with asyncio.timeout(5):
        await sqlite_works.refuses()
    assert await sqlite_works.store.find("j") is None
    other.execute("ROLLBACK")
    await sqlite_works.write()
    other.close()
    await sqlite_works.check()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user and back")
async def test_a_read_only_database_fails_writes_until_it_is_writable(
    token, entry, clock_of_its_own
):
    with tempfile.TemporaryDirectory() as name:
        directory, nobody = Path(name), 65534
        url = f"sqlite:///{directory}/fleeting.db"
        await _opened_and_closed(url, clock_of_its_own)
        _change_modes(directory, 0o777, 0o444)
        store = open_store(url, clock=clock_of_its_own, base_dir=directory)
        os.seteuid(nobody)
        try:
            with pytest.raises(StoreUnavailableError, match="readonly"):
                await store.open()
            os.seteuid(0)
            _change_modes(directory, 0o777, 0o666)
            os.seteuid(nobody)
            works = Works(store, token, entry)
            await works.write()
            await works.check()
            await store.close()
        finally:
            os.seteuid(0)


def _change_modes(directory, itself, files):
    directory.chmod(itself)
    for path in directory.iterdir():
        path.chmod(files)


async def _opened_and_closed(url, clock):
    store = open_store(url, clock=clock, base_dir=Path())
    await store.open()
    await store.close()


async def test_a_directory_that_is_not_there_cannot_be_opened(tmp_path, clock_of_its_own):
    store = open_store("sqlite:///no/where.db", clock=clock_of_its_own, base_dir=tmp_path)
    with pytest.raises(StoreUnavailableError, match=r"no/where\.db"):
        await store.open()
    (tmp_path / "no").mkdir()
    await store.open()
    await store.close()


async def test_a_file_that_is_no_database_cannot_be_opened(tmp_path, clock_of_its_own):
    (tmp_path / "fleeting.db").write_text("This is a poem, not a database." * 100)
    store = open_store("sqlite:///fleeting.db", clock=clock_of_its_own, base_dir=tmp_path)
    with pytest.raises(StoreUnavailableError, match="not a database"):
        await store.open()
    await store.close()


async def test_the_database_file_is_its_owners_alone(sqlite_works, tmp_path):
    await sqlite_works.write()
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}


async def test_a_chain_that_was_pruned_away_meanwhile_is_not_continued(database, token, entry):
    store = await database.store()
    works = Works(store, token, entry)
    await works.write()
    other = await database.store()
    await other.prune(NOW, ledger_before=NOW + timedelta(days=1), limit=100)
    await works.write()
    [first, second] = await store.heads()
    assert {first.sequence, second.sequence} == {1}
    assert (await store.examine(verify_ledger)).findings == ()


async def test_a_number_that_no_database_holds_is_that_writes_own_fault(database, token):
    store = await database.store()
    records = [token(), token(uses=2**70), token()]
    wishes = (store.commit(Write(token=record)) for record in records)
    results = await asyncio.gather(*wishes, return_exceptions=True)
    assert [type(result) for result in results][1] in (WriteRefusedError, OverflowError)
    assert [await store.find(it.jti) for it in records] == [records[0], None, records[2]]


# -------------------------------------------------------------------------------- PostgreSQL


@pytest.mark.postgres
async def test_a_server_that_crashes_fails_requests_until_it_is_back(postgres_works, cluster):
    await postgres_works.write()
    await postgres_works.store.find("j")
    cluster.stop()
    try:
        await postgres_works.refuses()
        await postgres_works.refuses()
        for read in (postgres_works.store.find, postgres_works.store.story):
            with pytest.raises(StoreUnavailableError):
                await read("j")
        with pytest.raises(StoreUnavailableError):
            await postgres_works.store.prune(NOW, ledger_before=NOW, limit=1)
    finally:
        cluster.start()
    await postgres_works.write()
    await postgres_works.check()


@pytest.mark.postgres
async def test_a_server_that_hangs_fails_requests_in_bounded_time(
    postgres_works, postgres_url, monkeypatch
):
    await postgres_works.write()
    monkeypatch.setattr(postgres_connection, "WRITE_SECONDS", 0.3)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"
        pids = [row[0] for row in connection.execute(query, [connection.info.backend_pid])]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(3):
                with pytest.raises(StoreUnavailableError):
                    await postgres_works.write()
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
    await postgres_works.write()
    await postgres_works.check()


@pytest.mark.postgres
async def test_connections_that_the_server_ends_are_made_anew(postgres_works, postgres_url):
    await postgres_works.write()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    await asyncio.sleep(0.1)
    await postgres_works.write()
    await postgres_works.check()


@pytest.mark.postgres
async def test_a_server_that_turns_read_only_fails_writes(postgres_works, postgres_url):
    await postgres_works.write()
    name = postgres_url.rpartition("/")[2]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await asyncio.sleep(0.1)
        await postgres_works.refuses()
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    await postgres_works.write()
    await postgres_works.check()


@pytest.mark.postgres
async def test_durability_that_was_turned_off_is_turned_on_again(postgres_works, postgres_url):
    name = postgres_url.rpartition("/")[2]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    await postgres_works.store._writer.close()
    async with postgres_works.store._writer.using() as connection:
        assert await connection.fetchval("SHOW synchronous_commit") == "on"


@pytest.mark.postgres
async def test_transactions_that_wait_for_each_other_in_a_circle_are_done_again(
    postgres_works, postgres_url, token
):
    one, two = token(jti="a", uses=9), token(jti="b", uses=9)
    await postgres_works.store.commit(Write(token=one))
    await postgres_works.store.commit(Write(token=two))
    with psycopg.connect(postgres_url) as other:
        other.execute("SET deadlock_timeout = '10s'")  # so that ours is the one that is given up
        other.execute("SELECT 1 FROM tokens WHERE jti = 'b' FOR UPDATE")
        spends = [Write(spend=Spend(jti, "u", AUDIENCE)) for jti in ("a", "b")]
        tasks = [asyncio.create_task(postgres_works.store.commit(it)) for it in spends]
        await asyncio.sleep(0.3)
        lock = "SELECT 1 FROM tokens WHERE jti = 'a' FOR UPDATE"
        await asyncio.to_thread(other.execute, lock)
    assert [outcome.spend.use for outcome in await asyncio.gather(*tasks)] == [1, 1]


@pytest.mark.postgres
async def test_a_server_that_is_not_there_cannot_be_opened(clock_of_its_own):
    store = open_store(
        "postgresql://nobody@127.0.0.1:1/none", clock=clock_of_its_own, base_dir=Path()
    )
    with pytest.raises(StoreUnavailableError, match="database cannot answer"):
        await store.open()
    with pytest.raises(StoreUnavailableError, match="PostgreSQL"):
        await store.commit(Write())
