"""What every store promises of records: changed by compare-and-set; and of cut-offs: exact."""

import asyncio
from datetime import timedelta

import pytest

from fleeting.core.evidence import EntryKind
from fleeting.core.ledger_verification import verify_ledger
from fleeting.core.model import Spend, SpendRefusal
from fleeting.ports import (
    Cutoff,
    CutoffKind,
    RecordChange,
    RecordKind,
    Revocation,
    Write,
)
from tests.stores.conftest import AUDIENCE, NOW

REQUEST, PERSON, SESSION = RecordKind.REQUEST, RecordKind.PERSON, RecordKind.SESSION


def change(id_="one", seen=0, text="{}", *, kind=REQUEST, state="pending", due_at=None):
    return RecordChange(kind, id_, seen, state, text, due_at)


@pytest.fixture
def put(store, entry):
    """Change records, recording it where it happened."""

    async def put(*changes, on=store, **more):
        def record(outcome):
            kind = EntryKind.REQUEST_REFUSED if outcome.stale else EntryKind.REQUEST_PENDING
            return [entry(kind)]

        outcome = await on.commit(Write(changes=changes, record=record, **more))
        return not outcome.stale

    return put


async def kinds(store):
    return [chained.entry.kind async for chained in store.entries()]


async def test_a_record_is_what_was_written_last(backend, store, put, clock):
    text = '{"a":"\\u0000 \\\\ é"}'.replace("é", "\\u00e9")
    due = NOW + timedelta(minutes=15, microseconds=7)
    assert await store.record(REQUEST, "one") is None
    assert await put(change("one \0", text=text, state="wai\\ting", due_at=due))
    clock.wind(seconds=1)
    for each in (store, await backend.store()):
        found = await each.record(REQUEST, "one \0")
        assert (found.kind, found.id, found.revision) == (REQUEST, "one \0", 1)
        assert (found.state, found.text, found.due_at) == ("wai\\ting", text, due)
        assert found.changed_at == NOW
    assert await put(change("one \0", 1, "[]"))
    found = await store.record(REQUEST, "one \0")
    assert (found.revision, found.text, found.due_at) == (2, "[]", None)
    assert found.changed_at == clock.at
    assert await store.record(PERSON, "one \0") is None


async def test_what_changed_meanwhile_is_not_overwritten(store, put, token):
    await put(change())
    issued = token()
    assert not await put(change(seen=0), token=issued)
    assert not await put(change(seen=2))
    assert not await put(change(seen=1, text="[1]"), change("two", seen=1))
    assert (await store.record(REQUEST, "one")).text == "{}"
    assert await store.record(REQUEST, "two") is None
    assert await store.find(issued.jti) is None
    assert await kinds(store) == [EntryKind.REQUEST_PENDING] + 3 * [EntryKind.REQUEST_REFUSED]
    assert (await store.examine(verify_ledger)).findings == ()


async def test_claims_stick_where_a_record_was_stale(store, put, claim):
    await put(change())
    assert not await put(change(seen=0), claims=(claim(1),))
    outcome = await store.commit(Write(claims=(claim(1),), changes=(change(seen=1),)))
    assert outcome.replayed == claim(1)
    assert (await store.record(REQUEST, "one")).revision == 1


async def test_a_deleted_record_can_be_made_again(store, put):
    await put(change())
    assert not await put(change(seen=2, text=None))
    assert await put(change(seen=1, text=None))
    assert await store.record(REQUEST, "one") is None
    assert await put(change(seen=0, text="[2]"))
    assert (await store.record(REQUEST, "one")).revision == 1


async def test_of_many_changes_at_once_one_happens(backend, store, put):
    stores = [store, await backend.store(), await backend.store()]
    for seen in (0, 1):
        texts = [f"[{seen},{number}]" for number in range(12)]
        wishes = (
            put(change(seen=seen, text=text), on=stores[place % 3])
            for place, text in enumerate(texts)
        )
        happened = await asyncio.gather(*wishes)
        assert happened.count(True) == 1
        record = await store.record(REQUEST, "one")
        assert record.text == texts[happened.index(True)]
        assert record.revision == seen + 1


async def test_lists_are_by_state_and_the_latest_first(store, put, clock):
    for number, state in enumerate(["pending", "granted", "pending", "denied"]):
        await put(change(f"r{number}", state=state))
        clock.wind(seconds=1)
    await put(change("alice", kind=PERSON, state=""))

    async def ids(**asked):
        return [record.id for record in await store.records(REQUEST, **asked)]

    assert await ids() == ["r3", "r2", "r1", "r0"]
    assert await ids(states=["pending"]) == ["r2", "r0"]
    assert await ids(states=["pending", "granted"], limit=2) == ["r2", "r1"]
    assert await ids(states=["expired"]) == []
    changed = await store.records_changed(REQUEST, NOW + timedelta(seconds=2))
    assert [record.id for record in changed] == ["r2", "r3"]
    assert [it.id for it in await store.records_changed(REQUEST, NOW, limit=1)] == ["r0"]


async def test_what_is_due_is_found_earliest_first(store, put):
    for number, minutes in enumerate([9, 3, 6, 20]):
        due = NOW + timedelta(minutes=minutes)
        await put(change(f"r{number}", due_at=due, state="granted" if number == 2 else "pending"))
    await put(change("never"))

    async def ids(states, minutes, **more):
        at = NOW + timedelta(minutes=minutes)
        return [record.id for record in await store.records_due(REQUEST, states, at, **more)]

    assert await ids(["pending"], 9) == ["r1", "r0"]
    assert await ids(["pending", "granted"], 9, limit=2) == ["r1", "r2"]
    assert await ids(["pending"], 2) == []


@pytest.mark.parametrize(
    "of",
    [
        (CutoffKind.REQUEST, "request_id"),
        (CutoffKind.CLIENT, "client_id"),
        (CutoffKind.SUBJECT, "subject"),
    ],
    ids=lambda it: it[0],
)
async def test_a_cut_off_ends_the_tokens_of_its_own_and_no_others(store, clock, token, of):
    kind, name = of
    mine = token(uses=9, **{name: "x \0"})
    others = token(uses=9, request_id="y", client_id="y", subject="y")
    for record in (mine, others):
        await store.commit(Write(token=record))
        assert (await spend(store, record)).use == 1
    clock.wind(seconds=5)
    cut = Cutoff(kind, "x \0", clock.at, clock.at + timedelta(hours=1))
    await store.commit(Write(cutoffs=(cut,)))
    assert (await spend(store, mine)).refusal is SpendRefusal.REVOKED
    assert (await spend(store, others)).use == 2
    assert (await store.find(mine.jti)).revoked_at == clock.at
    assert (await store.find(others.jti)).revoked_at is None
    late = token(uses=9, issued_at=NOW, **{name: "x \0"})  # was being issued meanwhile
    new = token(uses=9, issued_at=NOW + timedelta(seconds=6), **{name: "x \0"})
    for record in (late, new):
        await store.commit(Write(token=record))
    assert (await spend(store, late)).refusal is SpendRefusal.REVOKED
    assert (await spend(store, new)).use == 1


async def test_a_token_and_its_cut_off_in_one_batch_are_settled_in_their_order(store, token):
    record = token(uses=9, request_id="batch")
    cut = Cutoff(CutoffKind.REQUEST, "batch", NOW, NOW + timedelta(hours=1))
    writes = (Write(token=record), _spending(record), Write(cutoffs=(cut,)), _spending(record, "b"))
    outcomes = await asyncio.gather(*(store.commit(write) for write in writes))
    assert outcomes[1].spend.use == 1
    assert outcomes[3].spend.refusal is SpendRefusal.REVOKED


async def test_cut_offs_and_revocations_are_published_in_order_without_a_gap(
    backend, store, put, token
):
    other = await backend.store()
    record = token()
    await store.commit(Write(token=record))
    assert await store.published(0) == []
    cuts = [
        Cutoff(CutoffKind.CLIENT, f"c{number}", NOW, NOW + timedelta(hours=1))
        for number in range(9)
    ]
    await asyncio.gather(
        *((store, other)[n % 2].commit(Write(cutoffs=(cut,))) for n, cut in enumerate(cuts))
    )
    assert (await store.commit(Write(revoke=Revocation(record.jti, NOW)))).revoked
    assert not (await other.commit(Write(revoke=Revocation(record.jti, NOW)))).revoked
    told = await other.published(0)
    assert [each.number for each in told] == list(range(1, 11))
    assert {each.cutoff.value for each in told[:9]} == {cut.value for cut in cuts}
    assert told[9].cutoff == Cutoff(CutoffKind.TOKEN, record.jti, NOW, record.expires_at)
    assert [each.number for each in await store.published(4, limit=3)] == [5, 6, 7]
    await put(change())
    assert not await put(change(seen=0), cutoffs=(cuts[0],))  # what is stale is not cut, either
    assert await store.published(10) == []


async def test_no_spend_is_answered_after_the_end_as_if_it_were_before(backend, store, token):
    """Whatever is spent in another process once the cut-off was committed is refused."""
    other = await backend.store()
    for number in range(10):
        record = token(uses=1000, request_id=f"race-{number}")
        await store.commit(Write(token=record))
        ended = False

        async def use(place, record=record):
            before = ended  # noqa: B023 -- looked at in this very turn
            result = await spend(other, record, f"use-{place}")
            return before, result

        tasks = [asyncio.create_task(use(place)) for place in range(20)]
        await asyncio.sleep(0)
        cut = Cutoff(CutoffKind.REQUEST, record.request_id, NOW, NOW + timedelta(hours=1))
        await store.commit(Write(cutoffs=(cut,)))
        ended = True
        tasks += [asyncio.create_task(use(place)) for place in range(20, 40)]
        for after, result in await asyncio.gather(*tasks):
            assert not after or result.refusal is SpendRefusal.REVOKED


async def test_what_is_worth_nothing_any_more_is_pruned(store, put, clock):
    due = NOW + timedelta(minutes=1)
    await put(change("session", kind=SESSION, due_at=due))
    await put(change("over", state="denied", due_at=due))
    await put(change("open", state="pending", due_at=due))
    await put(change("alice", kind=PERSON, due_at=due))
    for number in range(3):
        cut = Cutoff(CutoffKind.CLIENT, f"c{number}", NOW, due)
        await store.commit(Write(cutoffs=(cut,)))
    assert await store.prune(NOW, ledger_before=None, limit=100) == 0
    clock.wind(minutes=2)
    assert await store.prune(clock.at, ledger_before=None, limit=100) == 4
    assert await store.record(SESSION, "session") is None
    assert await store.record(REQUEST, "over") is None
    assert await store.record(REQUEST, "open") is not None
    assert await store.record(PERSON, "alice") is not None
    assert [each.number for each in await store.published(0)] == [3]
    await store.commit(Write(cutoffs=(Cutoff(CutoffKind.CLIENT, "c", NOW, due),)))
    assert [each.number for each in await store.published(0)] == [3, 4]


def _spending(record, use_id="a"):
    return Write(spend=Spend(record.jti, use_id, AUDIENCE))


async def spend(store, record, use_id=None):
    use_id = use_id or f"use-{id(object())}-{asyncio.get_running_loop().time()}"
    return (await store.commit(_spending(record, use_id))).spend
