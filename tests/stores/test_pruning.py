"""What outlived its use is forgotten, and what is left still proves itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fleeting.core.evidence import PRUNING_TYP, EntryKind, checkpoint_body
from fleeting.core.ledger_verification import verify_ledger
from fleeting.core.model import Spend, SpendRefusal
from fleeting.ports import Write
from fleeting.stores.pruning import Link, plan

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
AUDIENCE = "https://payments.example"
HOUR = timedelta(hours=1)


async def prune(store, now, *, ledger_before=None, limit=10_000, **options):
    return await store.prune(now, ledger_before=ledger_before, limit=limit, **options)


async def write(store, *entries):
    await store.commit(Write(record=lambda _: entries))


async def verified(store):
    verification = await store.examine(verify_ledger)
    assert verification.findings == ()
    return verification


async def test_a_proof_is_forgotten_when_it_can_no_longer_be_accepted(store, claim):
    old, young = claim(1, expires_at=NOW), claim(2, expires_at=NOW + timedelta(microseconds=1))
    await store.commit(Write(claims=(old, young)))
    await prune(store, NOW)
    assert (await store.commit(Write(claims=(young,)))).replayed == young
    assert (await store.commit(Write(claims=(old,)))).replayed is None


async def test_a_token_is_forgotten_a_grace_after_its_end(store, token, clock):
    record = token()
    await store.commit(Write(token=record, spend=Spend(record.jti, "u", AUDIENCE)))
    edge = record.expires_at + HOUR
    assert await prune(store, edge - timedelta(microseconds=1), grace=HOUR) == 0
    clock.at = edge
    spend = Write(spend=Spend(record.jti, "v", AUDIENCE))
    assert (await store.commit(spend)).spend.refusal is SpendRefusal.EXPIRED
    assert await prune(store, edge, grace=HOUR) == 2
    assert await store.find(record.jti) is None
    assert (await store.commit(spend)).spend.refusal is SpendRefusal.UNKNOWN


async def test_a_token_stays_while_uses_of_it_are_left_to_delete(backend, store, token, claim):
    record = token(uses=None)
    await store.commit(Write(claims=(claim(1),), token=record))
    for number in range(5):
        await store.commit(Write(spend=Spend(record.jti, f"use-{number}", AUDIENCE)))
    later = NOW + timedelta(days=9)
    assert await prune(store, later, limit=4) == 4
    assert await store.find(record.jti) == replace(record, used=5)
    assert await prune(store, later, limit=4) == 4 - (backend.name == "memory")
    assert await store.find(record.jti) is None
    assert await prune(store, later, limit=4) == 0


async def test_live_tokens_and_young_entries_stay(store, token, entry):
    record = token()
    told = entry(record=record)
    await store.commit(Write(token=record, record=lambda _: [told]))
    assert await prune(store, NOW, ledger_before=NOW) == 0
    assert await store.find(record.jti) == record
    assert [chained.entry for chained in await store.story(record.jti)] == [told]


async def test_the_ledger_is_pruned_from_the_start_and_says_so(store, entry):
    for hour in range(6):
        await write(store, entry(at=NOW + hour * HOUR, hour=hour))
    removed = (await store.newest({}, 100))[2]
    assert await prune(store, NOW + 9 * HOUR, ledger_before=NOW + 3 * HOUR) == 3
    entries = [chained async for chained in store.entries()]
    assert [it.entry.body.get("hour") for it in entries if it.writer == removed.writer] == [3, 4, 5]
    [record] = [it for it in entries if it.writer != removed.writer]
    assert record.entry.kind is EntryKind.LEDGER_PRUNED
    assert record.entry.body == {
        "before": (NOW + 3 * HOUR).isoformat(),
        "chains": [{"writer": removed.writer, "sequence": 3, "hash": removed.hash.hex()}],
    }
    await verified(store)
    await write(store, entry(at=NOW + 9 * HOUR))
    await verified(store)


async def test_the_record_of_a_pruning_is_signed_word_for_word(store, entry):
    signed = []

    def sign(typ, claims):
        signed.append((typ, claims))
        return "signature"

    await write(store, entry(at=NOW))
    await prune(store, NOW + HOUR, ledger_before=NOW + HOUR, sign=sign)
    [record] = [chained.entry async for chained in store.entries()]
    [(typ, claims)] = signed
    assert typ == PRUNING_TYP
    assert record.body == {**claims, "signature": "signature"}


async def test_pruning_again_and_again_stays_verifiable_though_its_records_go_too(backend, entry):
    stores = [await backend.store() for _ in range(3)]
    for hour in range(12):
        now = NOW + hour * HOUR
        for store in stores[: 1 + hour % 3]:
            await write(store, entry(at=now, hour=hour))
        mark = checkpoint_body(await stores[0].heads(), now=now)
        await write(stores[hour % 3], entry(EntryKind.CHECKPOINT, at=now, body=mark))
        await prune(stores[hour % 2], now, ledger_before=now - 2 * HOUR, limit=3)
        await verified(stores[2])
    await prune(stores[0], NOW + 99 * HOUR, ledger_before=NOW + 99 * HOUR)
    assert (await verified(stores[0])).entries == 1
    for store in stores:
        await write(store, entry(at=NOW + 100 * HOUR))
    assert (await verified(stores[0])).entries == 4


async def test_a_limit_bounds_what_one_pruning_removes(store, entry):
    for hour in range(10):
        await write(store, entry(at=NOW + hour * HOUR))
    counts = [await prune(store, NOW, ledger_before=NOW + 8 * HOUR, limit=3) for _ in range(2)]
    assert counts == [3, 3]
    await verified(store)


async def test_an_old_entry_behind_a_young_one_stays(store, entry):
    for hour in (0, 5, 1):
        await write(store, entry(at=NOW + hour * HOUR))
    assert await prune(store, NOW + 9 * HOUR, ledger_before=NOW + 2 * HOUR) == 1
    await verified(store)


def chain(writer, *ages):
    return [Link(writer, sequence, age, b"") for sequence, age in enumerate(ages, start=1)]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (0, {}),
        (1, {"a": 1}),
        (2, {"a": 1, "b": 1}),
        (4, {"a": 2, "b": 2}),
        (99, {"a": 3, "b": 2}),
    ],
)
def test_what_is_oldest_goes_first_across_all_chains(limit, expected):
    chains = [chain("a", 1, 3, 6, 12), chain("b", 2, 4, 11), chain("c", 20)]
    cuts = plan(chains, 10, limit)
    assert {writer: link.sequence for writer, link in cuts.items()} == expected
