import threading
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from fleeting.client.remembering import Documents, HeldTokens, Nonces
from fleeting.client.tokens import Token

NOW = datetime(2026, 1, 1, tzinfo=UTC)
URL = httpx.URL("https://a.example/x")


def token(uses: int | None, value: str = "abc") -> Token:
    return Token(value, "DPoP", NOW + timedelta(seconds=60), uses)


def test_a_document_is_remembered_for_its_life_and_no_longer():
    documents = Documents(timedelta(minutes=10))
    documents.put("u", "text", NOW)
    assert documents.get("u", NOW + timedelta(minutes=9)).value == "text"
    assert documents.get("u", NOW + timedelta(minutes=10)) is None
    assert documents.get("other", NOW) is None


def test_a_document_from_the_future_is_not_young():
    documents = Documents(timedelta(minutes=10))
    documents.put("u", "text", NOW)
    assert documents.get("u", NOW - timedelta(seconds=1)) is None


def test_no_more_is_remembered_than_has_room():
    documents = Documents(timedelta(minutes=10))
    for number in range(2000):
        documents.put(str(number), "text", NOW)
    assert documents.get("0", NOW) is None
    assert documents.get("1999", NOW) is not None


def test_a_nonce_belongs_to_an_origin_and_a_role():
    nonces = Nonces()
    nonces.notice("resource", URL, httpx.Headers({"dpop-nonce": "n1"}))
    assert nonces.latest("resource", httpx.URL("https://a.example:443/y")) == "n1"
    assert nonces.latest("issuer", URL) is None
    assert nonces.latest("resource", httpx.URL("https://b.example/x")) is None


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [("dpop-nonce", "")],
        [("dpop-nonce", 'a"b')],
        [("dpop-nonce", "a b")],
        [("dpop-nonce", "a" * 600)],
        [("dpop-nonce", "a"), ("dpop-nonce", "b")],
    ],
)
def test_a_malformed_or_repeated_nonce_is_passed_over(fields):
    nonces = Nonces()
    nonces.notice("resource", URL, httpx.Headers(fields))
    assert nonces.latest("resource", URL) is None


def test_a_token_is_handed_out_as_often_as_uses_are_left():
    held = HeldTokens()
    held.hold(b"call", token(uses=3))
    assert held.take(b"another call", NOW) is None
    assert [held.take(b"call", NOW) is not None for _ in range(3)] == [True, True, False]


def test_a_token_without_a_limit_is_handed_out_until_just_before_it_ends():
    held = HeldTokens()
    held.hold(b"call", token(uses=None))
    assert held.take(b"call", NOW + timedelta(seconds=58)) is not None
    assert held.take(b"call", NOW + timedelta(seconds=59)) is None
    assert held.take(b"call", NOW) is None


def test_dropping_a_token_spares_the_one_that_replaced_it():
    held = HeldTokens()
    old, new = token(uses=None, value="old"), token(uses=None, value="new")
    held.hold(b"call", new)
    held.drop(b"call", old)
    assert held.take(b"call", NOW) is new
    held.drop(b"call", new)
    assert held.take(b"call", NOW) is None


def test_threads_never_take_more_uses_than_there_are():
    held = HeldTokens()
    held.hold(b"call", token(uses=101))
    taken = []

    def take() -> None:
        taken.extend(held.take(b"call", NOW) is not None for _ in range(50))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 100
