"""What every store promises of a single write, and of writes done together."""

import asyncio
import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from fleeting.core.evidence import EntryKind
from fleeting.core.ledger_verification import verify_ledger
from fleeting.core.model import Spend, SpendRefusal, SpendResult
from fleeting.ports import Outcome, Revocation, Write, WriteRefusedError

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
AUDIENCE = "https://payments.example"


async def ledger_of(store):
    return [chained.entry async for chained in store.entries()]


async def test_a_token_is_remembered_as_it_was_issued(store, token):
    record = token(uses=3, subject="Zoë 'x' \\ \0 \ud800", audience="https://é.example")
    assert await store.commit(Write(token=record)) == Outcome()
    assert await store.find(record.jti) == record


async def test_an_unknown_token_is_none(store):
    assert await store.find("nowhere") is None
    assert await store.find("\0\ud800") is None


async def test_a_token_without_a_limit_is_remembered_without_one(store, token):
    record = token(uses=None)
    await store.commit(Write(token=record))
    assert (await store.find(record.jti)).uses is None


async def test_many_are_found_at_once_each_by_its_own_id(store, token):
    records = [token() for _ in range(20)]
    await asyncio.gather(*(store.commit(Write(token=record)) for record in records))
    jtis = [record.jti for record in records]
    found = await asyncio.gather(*(store.find(jti) for jti in [*jtis, "nowhere", *jtis]))
    assert found == [*records, None, *records]


async def test_a_jti_is_issued_once(store, token):
    record = token()
    await store.commit(Write(token=record))
    with pytest.raises(WriteRefusedError):
        await store.commit(Write(token=replace(record, uses=99)))
    assert await store.find(record.jti) == record


async def test_one_refused_write_harms_none_of_its_neighbours(store, token, entry):
    taken = token()
    await store.commit(Write(token=taken))
    records = [token() for _ in range(9)]
    records[4] = taken
    writes = [Write(token=it, record=lambda _, it=it: [entry(record=it)]) for it in records]
    outcomes = await asyncio.gather(*map(store.commit, writes), return_exceptions=True)
    assert [isinstance(outcome, WriteRefusedError) for outcome in outcomes] == [
        number == 4 for number in range(9)
    ]
    assert len(await ledger_of(store)) == 8


async def test_when_recording_fails_nothing_has_happened(store, token, claim, entry):
    live = token()
    await store.commit(Write(token=live))
    fresh = token()

    def fail(_outcome):
        raise ZeroDivisionError

    wish = Write(
        claims=(claim(1),),
        token=fresh,
        spend=Spend(live.jti, "u", AUDIENCE),
        revoke=Revocation(live.jti, NOW),
        record=fail,
    )
    neighbour = Write(token=token(), record=lambda _: [entry()])
    outcomes = await asyncio.gather(
        store.commit(wish), store.commit(neighbour), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [ZeroDivisionError, Outcome]
    assert await store.find(fresh.jti) is None
    assert await store.find(live.jti) == live
    assert (await store.commit(Write(claims=(claim(1),)))).replayed is None
    assert len(await ledger_of(store)) == 1


# ------------------------------------------------------------------------------------ claims


async def test_a_claim_is_good_once(store, claim):
    write = Write(claims=(claim(1), claim(2)))
    assert (await store.commit(write)).replayed is None
    assert (await store.commit(write)).replayed == claim(1)


async def test_a_claim_is_the_same_whatever_expiry_is_said(store, claim):
    await store.commit(Write(claims=(claim(1),)))
    later = claim(1, expires_at=NOW + timedelta(days=1))
    assert (await store.commit(Write(claims=(later,)))).replayed == later


async def test_spaces_of_claims_are_apart(store, claim):
    for space in ("dpop", "assertion:a", "assertion:b", "assertion:\0\ud800"):
        assert (await store.commit(Write(claims=(claim(1, space=space),)))).replayed is None
    odd = claim(1, space="assertion:\0\ud800")
    assert (await store.commit(Write(claims=(odd,)))).replayed == odd


async def test_all_claims_are_taken_even_where_one_was_taken_before(store, claim):
    await store.commit(Write(claims=(claim(1),)))
    assert (await store.commit(Write(claims=(claim(1), claim(2))))).replayed == claim(1)
    assert (await store.commit(Write(claims=(claim(2),)))).replayed == claim(2)


async def test_a_claim_for_success_alone_is_not_used_up_beside_a_replay(store, claim):
    await store.commit(Write(claims=(claim(1),)))
    fragile = replace(claim(2), only_with_success=True)
    other = replace(claim(3), only_with_success=True)
    for claims in ((fragile, claim(1)), (claim(1), fragile), (claim(4), fragile, claim(1))):
        assert (await store.commit(Write(claims=claims))).replayed == claim(1)
    assert (await store.commit(Write(claims=(fragile,)))).replayed is None
    assert (await store.commit(Write(claims=(other, fragile)))).replayed == fragile
    assert (await store.commit(Write(claims=(other, claim(4))))).replayed == claim(4)
    assert (await store.commit(Write(claims=(other, other)))).replayed == other
    assert (await store.commit(Write(claims=(other,)))).replayed is None
    assert (await store.commit(Write(claims=(claim(2),)))).replayed == claim(2)


async def test_in_one_batch_a_claim_for_success_alone_is_the_next_writes(store, claim):
    await store.commit(Write(claims=(claim(1),)))
    fragile = replace(claim(2, space="odd:\0"), only_with_success=True)
    wishes = [(fragile, claim(1)), (fragile,), (fragile,)]
    outcomes = await asyncio.gather(*(store.commit(Write(claims=it)) for it in wishes))
    assert [outcome.replayed for outcome in outcomes] == [claim(1), None, fragile]


async def test_a_replay_records_but_does_nothing_else(store, token, claim, entry):
    live, fresh = token(), token()
    await store.commit(Write(claims=(claim(1),), token=live))
    refusal = entry(EntryKind.REQUEST_REFUSED)
    outcome = await store.commit(
        Write(
            claims=(claim(1),),
            token=fresh,
            spend=Spend(live.jti, "u", AUDIENCE),
            revoke=Revocation(live.jti, NOW),
            record=lambda outcome: [refusal] if outcome.replayed else [],
        )
    )
    assert outcome == Outcome(claim(1))
    assert await store.find(fresh.jti) is None
    assert await store.find(live.jti) == live
    assert await ledger_of(store) == [refusal]


# ---------------------------------------------------------------------------------- spending


async def test_uses_are_counted_until_none_is_left(store, token):
    record = token(uses=3)
    await store.commit(Write(token=record))
    spends = [Spend(record.jti, f"use-{number}", AUDIENCE) for number in range(5)]
    results = [(await store.commit(Write(spend=spend))).spend for spend in spends]
    assert [result.use for result in results] == [1, 2, 3, None, None]
    assert results[4] == SpendResult(None, 3, SpendRefusal.SPENT)
    assert (await store.find(record.jti)).used == 3


async def test_asking_again_gives_the_same_use(store, token):
    record = token(uses=2)
    await store.commit(Write(token=record))
    spend = Spend(record.jti, "use", AUDIENCE)
    assert (await store.commit(Write(spend=spend))).spend == SpendResult(1, 2)
    repeated = SpendResult(1, 2, repeated=True)
    assert (await store.commit(Write(spend=spend))).spend == repeated
    assert (await store.find(record.jti)).used == 1


async def test_asking_again_for_another_operation_is_another_use(store, token):
    record = token(uses=2)
    await store.commit(Write(token=record))
    one, two, three = (Spend(record.jti, "use", AUDIENCE, bytes([n]) * 32) for n in range(3))
    assert (await store.commit(Write(spend=one))).spend == SpendResult(1, 2)
    assert (await store.commit(Write(spend=two))).spend == SpendResult(2, 2)
    refused = (await store.commit(Write(spend=three))).spend
    assert refused == SpendResult(None, 2, SpendRefusal.SPENT)
    assert (await store.commit(Write(spend=one))).spend == SpendResult(1, 2, repeated=True)


async def test_any_text_is_a_use_id(store, token):
    record = token(uses=None)
    await store.commit(Write(token=record))
    for number, use_id in enumerate(("", "\0", "\ud800", "x" * 100_000, "é"), start=1):
        spend = Spend(record.jti, use_id, AUDIENCE)
        assert (await store.commit(Write(spend=spend))).spend.use == number
        assert (await store.commit(Write(spend=spend))).spend.repeated


async def test_refused_spends_say_why(store, token):
    live, ended = token(), token()
    await store.commit(Write(token=live))
    await store.commit(Write(token=ended))
    await store.commit(Write(revoke=Revocation(ended.jti, NOW)))

    async def refusal(jti, audience=AUDIENCE):
        return (await store.commit(Write(spend=Spend(jti, "u", audience)))).spend.refusal

    assert await refusal("nowhere") is SpendRefusal.UNKNOWN
    assert await refusal(live.jti, "https://other.example") is SpendRefusal.AUDIENCE
    assert await refusal(ended.jti) is SpendRefusal.REVOKED


async def test_the_end_of_a_token_is_exact(store, token, clock):
    record = token(uses=None)
    await store.commit(Write(token=record))
    clock.wind(seconds=60, microseconds=-1)
    assert (await store.commit(Write(spend=Spend(record.jti, "a", AUDIENCE)))).spend.use == 1
    clock.wind(microseconds=1)
    refused = (await store.commit(Write(spend=Spend(record.jti, "b", AUDIENCE)))).spend
    assert refused.refusal is SpendRefusal.EXPIRED


async def test_a_clock_that_leaps_back_gives_no_use_again(store, token, clock):
    record = token()
    await store.commit(Write(token=record))
    await store.commit(Write(spend=Spend(record.jti, "a", AUDIENCE)))
    clock.wind(hours=-1)
    refused = (await store.commit(Write(spend=Spend(record.jti, "b", AUDIENCE)))).spend
    assert refused.refusal is SpendRefusal.SPENT


async def test_a_revocation_ends_a_live_token_once(store, token, clock):
    record = token()
    await store.commit(Write(token=record))
    revoke = Write(revoke=Revocation(record.jti, NOW))
    assert (await store.commit(revoke)).revoked
    assert not (await store.commit(revoke)).revoked
    assert (await store.find(record.jti)).revoked_at == NOW
    assert not (await store.commit(Write(revoke=Revocation("nowhere", NOW)))).revoked


async def test_an_expired_token_needs_no_revocation(store, token):
    record = token()
    await store.commit(Write(token=record))
    assert not (await store.commit(Write(revoke=Revocation(record.jti, record.expires_at)))).revoked
    assert (await store.find(record.jti)).revoked_at is None


# ---------------------------------------------------------------------- writes done together


async def test_writes_of_one_batch_see_each_other_in_order(store, token):
    record = token(uses=2)
    wishes = [
        Write(spend=Spend(record.jti, "early", AUDIENCE)),
        Write(token=record, spend=Spend(record.jti, "own", AUDIENCE)),
        Write(spend=Spend(record.jti, "last", AUDIENCE)),
        Write(spend=Spend(record.jti, "own", AUDIENCE)),
        Write(spend=Spend(record.jti, "late", AUDIENCE)),
        Write(revoke=Revocation(record.jti, NOW)),
        Write(spend=Spend(record.jti, "own", AUDIENCE)),
    ]
    outcomes = await asyncio.gather(*map(store.commit, wishes))
    assert [outcome.spend for outcome in outcomes] == [
        SpendResult(None, None, SpendRefusal.UNKNOWN),
        SpendResult(1, 2),
        SpendResult(2, 2),
        SpendResult(1, 2, repeated=True),
        SpendResult(None, 2, SpendRefusal.SPENT),
        None,
        SpendResult(None, 2, SpendRefusal.REVOKED),
    ]
    assert outcomes[5].revoked
    assert await store.find(record.jti) == replace(record, used=2, revoked_at=NOW)


async def test_of_equal_claims_in_one_batch_the_first_wins(store, claim):
    write = Write(claims=(claim(1),))
    outcomes = await asyncio.gather(*(store.commit(write) for _ in range(5)))
    assert [outcome.replayed for outcome in outcomes] == [None, *[claim(1)] * 4]


async def test_more_writes_than_one_batch_takes_are_all_done(store, token, entry):
    records = [token() for _ in range(600)]
    writes = [Write(token=it, record=lambda _, it=it: [entry(record=it)]) for it in records]
    await asyncio.gather(*map(store.commit, writes))
    assert len(await ledger_of(store)) == 600
    verification = await store.examine(verify_ledger)
    assert (verification.findings, verification.entries, verification.chains) == ((), 600, 1)


async def test_a_cancelled_caller_takes_no_other_with_it(store, token):
    records = [token() for _ in range(8)]
    tasks = [asyncio.create_task(store.commit(Write(token=record))) for record in records]
    await asyncio.sleep(0)
    tasks[3].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(result, Outcome) for result in results] == [
        number != 3 for number in range(8)
    ]
    await store.commit(Write(token=token()))


async def test_what_was_committed_before_closing_is_there_after_opening(backend, token, entry):
    first = await backend.store()
    record = token()
    task = asyncio.create_task(
        first.commit(Write(token=record, record=lambda _: [entry(record=record)]))
    )
    await asyncio.sleep(0)
    await first.close()
    assert await task == Outcome()
    second = await backend.store()
    assert await second.find(record.jti) == record
    assert (await second.examine(verify_ledger)).findings == ()


# -------------------------------------------------------------------------------- time zones


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/St_Johns"])
async def test_no_time_zone_changes_an_instant(backend, token, entry, monkeypatch, zone):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        store = await backend.store()
        away = timezone(timedelta(hours=-9, minutes=-30))
        record = token(
            issued_at=NOW.astimezone(away), expires_at=datetime(2026, 3, 29, 2, tzinfo=away)
        )
        there = entry(record=record, at=NOW.astimezone(away))
        await store.commit(Write(token=record, record=lambda _: [there]))
        found = await store.find(record.jti)
        assert found == record
        assert await ledger_of(store) == [there]
        backend.clock.at = record.expires_at - timedelta(microseconds=1)
        assert (await store.commit(Write(spend=Spend(record.jti, "a", AUDIENCE)))).spend.use == 1
    finally:
        monkeypatch.undo()
        time.tzset()
    assert os.environ.get("TZ") != zone


# ---------------------------------------------------------------------------------- evidence


async def test_a_story_is_found_by_each_of_its_names(store, token, entry):
    ours, other = token(), token()
    first = entry(record=ours)
    spent = entry(EntryKind.TOKEN_SPENT, ours, at=NOW + timedelta(seconds=1))
    by_request = replace(entry(EntryKind.REQUEST_REFUSED, ours, at=NOW), txn=None, jti=None)
    await store.commit(Write(record=lambda _: [spent, entry(record=other)]))
    await store.commit(Write(record=lambda _: [first, by_request]))
    for name in (ours.request_id, ours.txn, ours.jti):
        story = [chained.entry for chained in await store.story(name)]
        assert story[-1] == spent
        assert sorted(map(repr, story)) == sorted(map(repr, [first, by_request, spent]))
    assert await store.story("nowhere") == []


async def test_entries_of_no_request_are_found_by_their_token_alone(store, token, entry):
    stray = replace(entry(EntryKind.SPEND_REFUSED, token()), request_id="")
    await store.commit(Write(record=lambda _: [stray, entry(EntryKind.SERVER_STARTED)]))
    assert [chained.entry for chained in await store.story(stray.jti)] == [stray]
    assert await store.story("") == []


async def test_entries_come_chain_by_chain_in_order(backend, entry):
    stores = [await backend.store() for _ in range(3)]
    for number in range(4):
        for store in stores:
            at = NOW + timedelta(seconds=number)
            await store.commit(Write(record=lambda _, at=at: [entry(at=at)]))
    found = [chained async for chained in stores[0].entries()]
    assert len({chained.writer for chained in found}) == 3
    assert [chained.sequence for chained in found] == [1, 2, 3, 4] * 3
    since = [it async for it in stores[0].entries(since=NOW + timedelta(seconds=3))]
    assert [chained.sequence for chained in since] == [4] * 3
    heads = {head.writer: (head.sequence, head.hash) for head in await stores[1].heads()}
    assert heads == {it.writer: (it.sequence, it.hash) for it in since}
    assert {head.at for head in await stores[1].heads()} == {NOW + timedelta(seconds=3)}


async def test_the_ledger_can_be_followed_without_missing_an_entry(backend, entry):
    one, two = await backend.store(), await backend.store()
    for number in range(10):
        at = NOW + timedelta(seconds=number)
        writer = one if number % 2 else two
        await writer.commit(Write(record=lambda _, at=at: [entry(at=at)]))
    newest = await one.newest({}, 3)
    assert [it.entry.at.second - NOW.second for it in newest] == [7, 8, 9]
    start = {it.writer: it.sequence - 1 for it in await one.newest({}, 100) if it.sequence == 3}
    seen = []
    while news := await one.newest(start, 2):
        seen += news
        start |= {it.writer: it.sequence for it in news}
    assert [it.entry.at.second for it in seen] == [4, 5, 6, 7, 8, 9]
    assert await one.newest({"nobody": 5}, 100) == await one.newest({}, 100)


async def test_any_text_is_evidence(store, token, entry):
    odd = "\0\ud800 \u202e 'x' \\u0041 é 😀"
    record = token(request_id=odd, txn=odd, jti="j")
    written = entry(record=record, said=odd, **{odd: [odd, 1.5, 10**30, None, True]})
    await store.commit(Write(token=record, record=lambda _: [written]))
    assert [chained.entry for chained in await store.story(odd)] == [written]
    assert (await store.examine(verify_ledger)).findings == ()


async def test_a_token_that_was_issued_without_a_word_is_found(store, token, entry):
    silent, told = token(), token()
    await store.commit(Write(token=silent))
    await store.commit(Write(token=told, record=lambda _: [entry(record=told)]))
    [finding] = (await store.examine(verify_ledger)).findings
    assert silent.jti in finding.words
