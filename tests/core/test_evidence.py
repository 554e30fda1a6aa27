import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.evidence import (
    CHECKPOINT_TYP,
    GENESIS,
    ChainHead,
    Entry,
    EntryKind,
    canonical_body,
    checkpoint_body,
    extend,
    head_after,
    instant,
    microseconds,
    original,
    storable,
)

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
START = ChainHead("w", 0, GENESIS)

any_text = st.text(st.characters(exclude_categories=()))


@given(any_text)
def test_any_text_survives_being_stored(text):
    stored = storable(text)
    assert original(stored) == text
    assert "\0" not in stored
    stored.encode()


def test_the_texts_we_make_ourselves_are_stored_as_they_are():
    assert storable("dpop:Ab-_9") == "dpop:Ab-_9"


@given(any_text, any_text)
def test_two_texts_are_never_stored_as_one(one, other):
    assert (storable(one) == storable(other)) == (one == other)


@given(st.datetimes(min_value=datetime(1960, 1, 1), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001
def test_an_instant_is_the_same_in_every_zone(naive):
    at = naive.replace(tzinfo=UTC)
    assert instant(microseconds(at)) == at
    assert microseconds(at.astimezone(timezone(timedelta(hours=-9.5)))) == microseconds(at)


def test_the_hash_is_what_the_documentation_says():
    entry = Entry(EntryKind.TOKEN_ISSUED, NOW, "r", {"b": "é", "a": [1, None]}, "t\\", None)
    [row] = extend(START, [entry])
    columns = ["w", 1, "token.issued", microseconds(NOW), "r", "t\\u005c", None]
    text = json.dumps(columns, separators=(",", ":")) + '{"a":[1,null],"b":"\\u00e9"}'
    assert row.hash == hashlib.sha256(GENESIS + text.encode()).digest()


def test_each_entry_follows_from_the_one_before():
    entries = [Entry(EntryKind.CALL_SERVED, NOW, "", {"n": number}) for number in range(3)]
    first, second, third = extend(START, entries)
    assert (first.previous, second.previous, third.previous) == (GENESIS, first.hash, second.hash)
    assert [row.sequence for row in (first, second, third)] == [1, 2, 3]
    assert extend(head_after(second), entries[2:]) == [third]
    assert head_after(third) == ChainHead("w", 3, third.hash, NOW)


@given(any_text, any_text, st.one_of(st.none(), any_text))
def test_what_is_read_back_is_what_was_recorded(value, request_id, jti):
    entry = Entry(EntryKind.TOKEN_SPENT, NOW, request_id, {"key": value}, jti, jti)
    [row] = extend(START, [entry])
    chained = row.read()
    assert chained.entry == entry
    assert (chained.writer, chained.sequence, chained.hash) == ("w", 1, row.hash)


def test_an_unknown_kind_cannot_be_read():
    [row] = extend(START, [Entry(EntryKind.CHECKPOINT, NOW, "", {})])
    with pytest.raises(ValueError, match=r"token\.forged"):
        row._replace(kind="token.forged").read()


def test_the_body_is_one_text_whatever_the_order_of_its_keys():
    assert canonical_body({"b": 1, "a": 2}) == canonical_body({"a": 2, "b": 1}) == '{"a":2,"b":1}'


def test_numbers_that_json_lacks_are_refused():
    with pytest.raises(ValueError, match="JSON"):
        canonical_body({"amount": float("nan")})


def test_a_checkpoint_names_the_chains_that_live():
    heads = [
        ChainHead("new", 7, b"\1" * 32, NOW),
        ChainHead("gone", 9, b"\2" * 32, NOW - timedelta(hours=24)),
        ChainHead("empty", 0, GENESIS),
        ChainHead("idle", 1, b"\3" * 32, NOW - timedelta(hours=23)),
    ]
    assert checkpoint_body(heads, now=NOW) == {
        "at": "2026-03-29T01:30:00+00:00",
        "chains": [
            {"writer": "idle", "sequence": 1, "hash": "03" * 32},
            {"writer": "new", "sequence": 7, "hash": "01" * 32},
        ],
    }


def test_a_checkpoint_is_signed_over_all_that_it_says():
    signed = []

    def sign(typ, claims):
        signed.append((typ, claims))
        return "a.b.c"

    body = checkpoint_body([ChainHead("w", 1, GENESIS, NOW)], now=NOW, sign=sign)
    assert body.pop("signature") == "a.b.c"
    assert signed == [(CHECKPOINT_TYP, body)]
