"""A period of the ledger is read whole and nothing beside it, a bounded piece at a time."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from fleeting.core.evidence import EntryKind
from fleeting.ports import StoreUnavailableError, Write
from fleeting.stores import periods
from fleeting.stores.engines import database_engine
from fleeting.stores.memory import MemoryStore
from tests.stores.conftest import NOW, WindClock

MINUTE = timedelta(minutes=1)
ISSUED = (EntryKind.TOKEN_ISSUED,)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(periods, "_PIECE", 3)


@pytest.fixture
def write(entry):
    """Write entries of so many minutes after NOW, in this order."""

    async def write(store, *minutes, kind=EntryKind.TOKEN_ISSUED):
        for minute in minutes:
            wanted = entry(kind, at=NOW + minute * MINUTE, minute=minute)
            await store.commit(Write(record=lambda _, it=wanted: [it]))

    return write


async def minutes_of(store, kinds=ISSUED, since=None, until=None):
    bounds = (None if each is None else NOW + each * MINUTE for each in (since, until))
    low, high = bounds
    pages = [page async for page in store.pages(kinds, since=low, until=high)]
    progress = [(page.passed, page.total) for page in pages]
    assert progress == sorted(progress)
    assert not progress or progress[-1][0] == progress[-1][1]
    return [json.loads(row.body)["minute"] for page in pages for row in page.rows]


async def test_every_entry_of_a_period_is_read_once_in_its_order(store, write):
    await write(store, *range(0, 100, 7))
    assert await minutes_of(store) == [*range(0, 100, 7)]
    assert await minutes_of(store, since=14, until=49) == [14, 21, 28, 35, 42]
    assert await minutes_of(store, since=15) == [*range(21, 100, 7)]
    assert await minutes_of(store, until=1) == [0]
    assert await minutes_of(store, since=99) == []
    assert await minutes_of(store, until=0) == []


async def test_entries_that_stand_a_little_out_of_order_are_not_missed(store, write):
    await write(store, 0, 30, 28, 31, 29, 60, 57, 61, 58)
    assert await minutes_of(store, since=29, until=60) == [30, 31, 29, 57, 58]


async def test_only_the_kinds_that_are_asked_for_are_read(store, write):
    await write(store, 1)
    await write(store, 2, kind=EntryKind.TOKEN_SPENT)
    await write(store, 3, kind=EntryKind.TOKEN_REVOKED)
    assert await minutes_of(store, [EntryKind.TOKEN_SPENT, EntryKind.TOKEN_ISSUED]) == [1, 2]
    assert await minutes_of(store, [EntryKind.CHECKPOINT]) == []


async def test_chains_come_one_after_the_other(backend, write):
    first, second, third = [await backend.store() for _ in range(3)]
    await write(first, 1, 50)
    await write(second, 2, 51, 52, 53)
    await write(third, 3)
    found = await minutes_of(first, since=20)
    assert sorted(found) == [50, 51, 52, 53]
    assert [each for each in found if each > 50] == [51, 52, 53]


async def test_what_was_pruned_is_passed_over(store, write):
    await write(store, *range(0, 600, 60))
    await store.prune(NOW, ledger_before=NOW + 300 * MINUTE, limit=100)
    assert await minutes_of(store) == [300, 360, 420, 480, 540]
    assert await minutes_of(store, since=100, until=400) == [300, 360]


async def test_an_empty_ledger_has_no_entries(store):
    assert await minutes_of(store) == []


async def test_a_chain_whose_entries_are_gone_is_passed_over(database, write):
    store = await database.store()
    await write(store, 1, 2)
    with store._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM ledger")
    assert await minutes_of(store) == []
    assert await minutes_of(store, since=0, until=3) == []


async def test_a_store_that_cannot_answer_says_so():
    store = MemoryStore(clock=WindClock())
    store.available = False
    with pytest.raises(StoreUnavailableError):
        await minutes_of(store)


async def test_a_read_only_engine_changes_nothing(database):
    await database.store()
    engine = database_engine(database.url, Path("/"), read_only=True)
    with engine.connect() as connection, pytest.raises(DBAPIError, match=r"(?i)read.?only"):
        connection.exec_driver_sql("DELETE FROM ledger")
    engine.dispose()
