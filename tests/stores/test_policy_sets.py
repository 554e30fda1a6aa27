"""What every store promises of policy sets: kept by digest, moved by one atomic verb."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fleeting.core.evidence import EntryKind
from fleeting.core.ledger_verification import verify_ledger
from fleeting.ports import (
    KeptPolicySet,
    PolicyMove,
    PolicySetRecord,
    PolicyState,
    SeenDirectory,
    Write,
)

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
A, B, C = ("a" * 64, "b" * 64, "c" * 64)


def kept(digest, text="[]", *, minutes=0, by="root@here", source="/etc/policies"):
    record = PolicySetRecord(digest, NOW + timedelta(minutes=minutes), by, source)
    return KeptPolicySet(record, text)


@pytest.fixture
def move(store, entry):
    """Move the state, recording it where it happened."""

    async def move(seen, live, candidate=None, *, on=store, **more):
        def record(outcome):
            kind = EntryKind.POLICY_LOADED
            return [entry(kind, digest=live)] if outcome.moved else []

        wish = PolicyMove(seen, live, candidate, **more)
        return (await on.commit(Write(move=wish, record=record))).moved

    return move


async def test_before_anything_was_loaded_nothing_is_live(store):
    assert await store.policy_state() == PolicyState(0, "", None)
    assert await store.policy_text(A) is None
    assert await store.policy_records() == []
    assert await store.last_seen("here") is None


async def test_a_move_is_seen_by_all_and_recorded_with_it(backend, store, move):
    other = await backend.store()
    assert await move(0, A, keep=kept(A, "text \\u0000 \\ \" 'x'"))
    for each in (store, other):
        assert await each.policy_state() == PolicyState(1, A, None)
        assert await each.policy_text(A) == "text \\u0000 \\ \" 'x'"
    assert await move(1, A, B, keep=kept(B), on=other)
    assert await store.policy_state() == PolicyState(2, A, B)
    entries = [chained.entry async for chained in store.entries()]
    assert [it.body["digest"] for it in entries if it.kind == EntryKind.POLICY_LOADED] == [A, A]
    assert (await store.examine(verify_ledger)).findings == ()


async def test_since_when_the_live_set_is_live_is_known_to_all(backend, store, move, clock):
    assert (await store.policy_state()).live_since is None
    begun = clock.now()
    await move(0, A, keep=kept(A))
    clock.wind(minutes=5)
    await move(1, A, B, keep=kept(B))
    other = await backend.store()
    for each in (store, other):
        assert (await each.policy_state()).live_since == begun
    await move(2, B, on=other)
    assert (await store.policy_state()).live_since == clock.now() > begun


async def test_a_move_from_a_state_that_is_gone_does_nothing(store, move):
    await move(0, A, keep=kept(A))
    late = SeenDirectory("here", B, NOW)
    assert not await move(0, B, keep=kept(B), directory=late)
    assert await store.policy_state() == PolicyState(1, A, None)
    assert await store.policy_text(B) is None
    assert await store.last_seen("here") is None
    assert len([it async for it in store.entries()]) == 1


async def test_of_many_moves_at_once_one_happens(backend, store, move):
    stores = [store, await backend.store(), await backend.store()]
    digests = [f"{number:064}" for number in range(12)]
    moves = (
        move(0, digest, keep=kept(digest), on=stores[place % 3])
        for place, digest in enumerate(digests)
    )
    assert sum(await asyncio.gather(*moves)) == 1
    state = await store.policy_state()
    assert state.revision == 1
    assert [it.digest for it in await store.policy_records()] == [state.live]
    assert len([it async for it in store.entries()]) == 1


async def test_when_recording_fails_nothing_has_moved(store):
    def fail(_outcome):
        raise ZeroDivisionError

    wish = PolicyMove(0, A, keep=kept(A), directory=SeenDirectory("here", A, NOW))
    with pytest.raises(ZeroDivisionError):
        await store.commit(Write(move=wish, record=fail))
    assert await store.policy_state() == PolicyState()
    assert await store.policy_records() == []
    assert await store.last_seen("here") is None


async def test_beside_a_replayed_claim_nothing_is_moved(store, claim):
    await store.commit(Write(claims=(claim(1),)))
    outcome = await store.commit(Write(claims=(claim(1),), move=PolicyMove(0, A)))
    assert not outcome.moved
    assert await store.policy_state() == PolicyState()


async def test_sets_are_listed_newest_first_with_who_stored_them(store, move):
    await move(0, A, keep=kept(A, by="zoë@\0"))
    await move(1, B, keep=kept(B, minutes=2, source="fleeting policy load"))
    await move(2, C, keep=kept(C, minutes=1))
    records = await store.policy_records()
    assert [it.digest for it in records] == [B, C, A]
    assert records[0] == kept(B, minutes=2, source="fleeting policy load").record
    assert records[2].by == "zoë@\0"


async def test_a_set_that_is_stored_again_keeps_its_first_record_and_gets_its_text_back(
    store, move
):
    await move(0, A, keep=kept(A, "altered"))
    await move(1, A, keep=kept(A, "right", minutes=9, by="other"))
    assert await store.policy_text(A) == "right"
    assert [*await store.policy_records()] == [kept(A).record]


async def test_what_a_directory_held_is_remembered_for_each_place(store, move):
    one = SeenDirectory("one \0", A, NOW)
    two = SeenDirectory("two", B, NOW + timedelta(minutes=1))
    await move(0, A, directory=one)
    await move(1, B, directory=two)
    assert await store.last_seen("one \0") == one
    assert await store.last_seen("two") == two
    assert await store.last_seen("three") == two  # a new place: what was seen last anywhere
    changed = replace(one, digest=C, at=NOW + timedelta(minutes=2))
    await move(2, B, directory=changed)
    assert await store.last_seen("one \0") == await store.last_seen("three") == changed
    assert await store.last_seen("two") == two


async def test_a_state_whose_row_is_gone_begins_anew(database):
    store = await database.store()
    await store.commit(Write(move=PolicyMove(0, A)))
    with store._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM policy_state")
    assert await store.policy_state() == PolicyState()
    assert (await store.commit(Write(move=PolicyMove(0, B)))).moved
    assert await store.policy_state() == replace(PolicyState(), revision=1, live=B)
