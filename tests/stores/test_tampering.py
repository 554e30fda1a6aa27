"""Whatever is done to a database's ledger behind our back is found, and where."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleeting.core.evidence import EntryKind, checkpoint_body
from fleeting.core.ledger_verification import FindingKind, verify_ledger
from fleeting.ports import Write
from fleeting.stores.engines import database_engine

CUT_HEAD = """UPDATE chains SET sequence = 4, hash = (
    SELECT hash FROM ledger WHERE writer = '{w}' AND sequence = 4) WHERE writer = '{w}'"""
FORGE_CHAIN = """INSERT INTO ledger
    SELECT 'forged', 1, kind, at, request_id, txn, jti, body, previous, hash
    FROM ledger WHERE writer = '{w}' AND sequence = 1"""
NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


@pytest.fixture
async def ledger(database, token, entry):
    """A chain of five entries, and another one with a checkpoint that names both."""
    first, second = await database.store(), await database.store()
    for _ in range(5):
        record = token()
        told = entry(record=record, amount=5000)
        await first.commit(Write(token=record, record=lambda _, told=told: [told]))
    [head] = await first.heads()
    await second.commit(Write(record=lambda _: [entry(EntryKind.SERVER_STARTED)]))
    mark = entry(EntryKind.CHECKPOINT, body=checkpoint_body(await first.heads(), now=NOW))
    await second.commit(Write(record=lambda _: [mark]))
    return database, head.writer


async def findings_after(database, *statements):
    engine = database_engine(database.url, Path())
    with engine.begin() as connection:
        for statement in statements:
            assert connection.exec_driver_sql(statement).rowcount > 0
    engine.dispose()
    verification = await database.stores[0].examine(verify_ledger)
    return [(it.kind, it.sequence) for it in verification.findings]


async def test_an_untouched_ledger_has_no_findings(ledger):
    assert await findings_after(ledger[0]) == []


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (
            ["UPDATE ledger SET body = '{\"amount\":1}' WHERE writer = '{w}' AND sequence = 3"],
            [(FindingKind.ALTERED, 3)],
        ),
        (
            ["UPDATE ledger SET at = at + 1 WHERE writer = '{w}' AND sequence = 1"],
            [(FindingKind.ALTERED, 1)],
        ),
        (
            ["DELETE FROM ledger WHERE writer = '{w}' AND sequence = 3"],
            [(FindingKind.REMOVED, 3), (FindingKind.UNRECORDED, None)],
        ),
        (
            ["DELETE FROM ledger WHERE writer = '{w}' AND sequence = 5"],
            [(FindingKind.TRUNCATED, 4), (FindingKind.TRUNCATED, 4)],
        ),
        (
            [
                "DELETE FROM ledger WHERE writer = '{w}' AND sequence = 5",
                "DELETE FROM tokens WHERE jti = 'jti-5'",
                CUT_HEAD,
            ],
            [(FindingKind.TRUNCATED, 4)],
        ),
        (
            [
                "UPDATE ledger SET sequence = 9 WHERE writer = '{w}' AND sequence = 3",
                "UPDATE ledger SET sequence = 3 WHERE writer = '{w}' AND sequence = 2",
                "UPDATE ledger SET sequence = 2 WHERE writer = '{w}' AND sequence = 9",
            ],
            [(FindingKind.ALTERED, 2), (FindingKind.ALTERED, 3)],
        ),
        (
            ["DELETE FROM ledger WHERE writer = '{w}'", "DELETE FROM chains WHERE writer = '{w}'"],
            [(FindingKind.TRUNCATED, None)],
        ),
        (
            [FORGE_CHAIN],
            [(FindingKind.ALTERED, 1), (FindingKind.INSERTED, None)],
        ),
        (
            ["DELETE FROM chains WHERE writer = '{w}'"],
            [(FindingKind.INSERTED, None)],
        ),
    ],
    ids=[
        "a body edited",
        "a time edited",
        "an entry removed",
        "the end cut off",
        "the end cut off with head and token",
        "two entries swapped",
        "a chain removed",
        "a chain forged",
        "a head removed",
    ],
)
async def test_tampering_is_found_where_it_was_done(ledger, statements, expected):
    database, writer = ledger
    found = await findings_after(database, *(it.replace("{w}", writer) for it in statements))
    assert set(expected) <= set(found)
    assert {kind for kind, _ in found} <= {kind for kind, _ in expected} | {
        FindingKind.MOVED,
        FindingKind.UNRECORDED,
    }


async def test_an_unreadable_entry_is_found_and_fails_only_those_who_read_it(ledger):
    database, writer = ledger
    edit = f"UPDATE ledger SET kind = 'no.kind' WHERE writer = '{writer}' AND sequence = 2"
    assert (FindingKind.ALTERED, 2) in await findings_after(database, edit)
    store = database.stores[0]
    with pytest.raises(ValueError, match=r"no\.kind"):
        await store.story("jti-2")
    assert len(await store.story("jti-3")) == 1
