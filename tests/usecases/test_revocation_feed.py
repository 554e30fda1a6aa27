"""The feed over the memory store: order, gaps, audiences, restored databases."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from fleeting.core.model import TokenRecord
from fleeting.core.revocations import ClientEnded, SubjectEnded, TokenEnded
from fleeting.ports import Cutoff, CutoffKind, Revocation, StoreUnavailableError, Write
from fleeting.stores.memory import MemoryStore
from fleeting.usecases.revocation_feed import BEGINNING, RevocationFeed, id_of
from tests.simulator import START, WoundClock

API = "https://api.example"
OTHER = "https://other.example"
SOON = START + timedelta(minutes=5)


class CountingStore(MemoryStore):
    """Counts how often it is asked for what was published."""

    asked = 0

    async def published(self, after, limit=1000):
        self.asked += 1
        return await super().published(after, limit)


@pytest.fixture
def clock():
    return WoundClock()


@pytest.fixture
def store(clock):
    return CountingStore(clock=clock)


@pytest.fixture
def feed(store, clock):
    return RevocationFeed(store, store, clock)


async def issue(store, jti, *, uses=None, audience=API, **changes):
    record = TokenRecord(jti, "x", "r", "bot", "alice", audience, START, SOON, uses)
    await store.commit(Write(token=replace(record, **changes)))


async def revoke(store, jti):
    await store.commit(Write(revoke=Revocation(jti, START)))


async def cut(store, kind, value, until=SOON):
    await store.commit(Write(cutoffs=(Cutoff(kind, value, START, until),)))


async def heard(feed, id_=BEGINNING, audience=API):
    await feed.read()
    return await feed.since(id_, audience)


def names(news):
    return [getattr(it.ended, "jti", None) or it.ended.to_json() for it in news.told]


async def test_a_guard_hears_of_its_tokens_and_of_every_party(store, feed):
    await issue(store, "mine")
    await issue(store, "theirs", audience=OTHER)
    for jti in ("mine", "theirs", "unknown"):
        await cut(store, CutoffKind.TOKEN, jti)
    await cut(store, CutoffKind.CLIENT, "bot")
    await cut(store, CutoffKind.SUBJECT, "alice")
    await cut(store, CutoffKind.REQUEST, "r")
    told = [it.ended for it in (await heard(feed)).told]
    assert told == [
        TokenEnded("mine", SOON),
        TokenEnded("unknown", SOON),
        ClientEnded("bot", START, SOON),
        SubjectEnded("alice", START, SOON),
    ]
    assert "mine" not in names(await heard(feed, audience=OTHER))


async def test_of_a_token_that_is_spent_here_no_guard_need_hear(store, feed):
    await issue(store, "counted", uses=2)
    await revoke(store, "counted")
    news = await heard(feed)
    assert news.told == []
    assert news.id.startswith("1-")


async def test_from_any_id_on_nothing_is_left_out_or_told_twice(store, feed):
    ids = [BEGINNING]
    for number in range(5):
        await cut(store, CutoffKind.TOKEN, f"t{number}")
        ids.append((await heard(feed)).id)
    for number, id_ in enumerate(ids):
        news = await heard(feed, id_)
        assert names(news) == [f"t{place}" for place in range(number, 5)]
        assert (news.id, news.reset) == (ids[-1], False)
        assert names(await heard(feed, str(number))) == names(news)  # a bare number will do


async def test_what_comes_after_news_is_at_hand_without_asking_the_store(store, feed):
    news = await heard(feed)
    await cut(store, CutoffKind.TOKEN, "t1")
    await feed.read()
    asked = store.asked
    later = await feed.after(news, API)
    assert names(later) == ["t1"]
    assert names(await feed.after(later, API)) == []
    assert store.asked == asked


async def test_what_is_too_old_for_the_window_is_read_for_whoever_needs_it(store, clock):
    feed = RevocationFeed(store, store, clock, window=2)
    await cut(store, CutoffKind.TOKEN, "t0")
    news = await heard(feed)
    for number in range(1, 6):
        await cut(store, CutoffKind.TOKEN, f"t{number}")
    everything = [f"t{number}" for number in range(6)]
    assert names(await heard(feed)) == everything
    assert names(await feed.after(news, API)) == everything[1:]


async def test_what_has_expired_is_spoken_of_no_more(store, feed, clock):
    await cut(store, CutoffKind.TOKEN, "t1")
    await cut(store, CutoffKind.TOKEN, "t2", SOON + timedelta(hours=1))
    assert names(await heard(feed)) == ["t1", "t2"]
    clock.wind(minutes=7)
    assert names(await heard(feed)) == ["t2"]
    fresh = RevocationFeed(store, store, clock)
    assert names(await heard(fresh)) == ["t2"]


@pytest.mark.parametrize("id_", ["7", "1-ffffffffffff", "x", "-1", "1-", "9" * 30, "²"])
async def test_an_id_that_this_database_never_gave_gets_everything_anew(store, feed, id_):
    await cut(store, CutoffKind.TOKEN, "t1")
    news = await heard(feed, id_)
    if id_ == "1-":  # no mark: a number, at its word
        assert (names(news), news.reset) == ([], False)
    else:
        assert (names(news), news.reset) == (["t1"], True)


async def test_a_database_that_was_restored_under_us_is_noticed(store, feed):
    for number in range(3):
        await cut(store, CutoffKind.TOKEN, f"t{number}")
    news = await heard(feed)
    del store.tables.published[1:]
    assert names(await feed.after(news, API)) == []
    await feed.read()
    later = await feed.after(news, API)
    assert (names(later), later.reset) == (["t0"], True)


async def test_numbers_that_were_given_twice_are_told_apart(store, feed):
    for name in ("a", "b"):
        await cut(store, CutoffKind.TOKEN, name)
    old = (await heard(feed)).id
    del store.tables.published[1:]
    for name in ("c", "d"):
        await cut(store, CutoffKind.TOKEN, name)
    news = await heard(feed, old)
    assert (names(news), news.reset) == (["a", "c", "d"], True)


async def test_pruning_leaves_no_gap(store, feed, clock):
    await cut(store, CutoffKind.TOKEN, "t1")
    seen = (await heard(feed)).id
    clock.wind(minutes=7)
    await cut(store, CutoffKind.TOKEN, "t2", SOON + timedelta(hours=1))
    await store.prune(clock.now(), ledger_before=None, limit=10)
    assert names(await heard(feed, seen)) == ["t2"]


async def test_many_who_ask_at_once_are_served_by_few_readings(store, feed):
    await cut(store, CutoffKind.TOKEN, "t1")
    await asyncio.gather(*(feed.read() for _ in range(100)))
    assert store.asked <= 6


async def test_a_store_that_cannot_answer_leaves_what_is_known(store, feed):
    await cut(store, CutoffKind.TOKEN, "t1")
    news = await heard(feed)
    store.available = False
    with pytest.raises(StoreUnavailableError):
        await feed.read()
    store.available = True
    await cut(store, CutoffKind.TOKEN, "t2")
    assert names(await heard(feed, news.id)) == ["t2"]


async def test_a_reader_that_goes_ends_no_other_s_reading(store, feed):
    await cut(store, CutoffKind.TOKEN, "t1")
    gone = asyncio.create_task(feed.read())
    stays = asyncio.create_task(feed.read())
    await asyncio.sleep(0)
    gone.cancel()
    await stays
    assert feed.id == id_of((await store.published(0))[0])


async def test_polls_come_in_pages(store, feed):
    for number in range(5):
        await cut(store, CutoffKind.TOKEN, f"t{number}")
    read, id_, more = [], BEGINNING, True
    while more:
        answer = (await heard(feed, id_)).to_json(limit=2)
        read += [each["jti"] for each in answer["revoked"]]
        id_, more = answer["last"], answer["more"]
        assert answer["reset"] is False
    assert read == [f"t{number}" for number in range(5)]
    assert id_ == feed.id
