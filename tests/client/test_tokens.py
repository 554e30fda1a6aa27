import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.client import FleetingError, Token, UnexpectedAnswerError
from fleeting.client.asking import Wish, answer_challenge, obtain
from fleeting.client.calling_issuer import Asker
from fleeting.client.identity import make_identity
from fleeting.client.tokens import read_token
from fleeting.client.wire import Answer, Unreachable
from fleeting.core.challenge import Challenge
from fleeting.core.metadata import server_metadata
from tests.client.standins import new_key, private_jwk

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = {"access_token": "abc", "token_type": "DPoP", "expires_in": 60}
ISSUER = "https://auth.example.com"
IDENTITY = make_identity(ISSUER, "support-bot", private_jwk(new_key()))
METADATA = server_metadata(ISSUER, types=(), scopes=())


def read(body) -> Token:
    return read_token(body, asked_at=NOW, bound=True)


def test_a_token_ends_by_the_clock_that_ran_when_it_was_asked_for():
    assert read(GOOD).expires_at == NOW + timedelta(seconds=60)


def test_what_a_token_response_may_leave_out_is_left_out():
    token = read(GOOD)
    assert (token.uses, token.txn, token.scope) == (None, None, None)
    assert (token.authorization_details, token.refused) == ((), ())


def test_tokens_can_be_compared_and_hashed():
    details = {**GOOD, "authorization_details": [{"type": "a"}]}
    assert read(details) == read(details)
    assert len({read(details), read(details)}) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"access_token": None},
        {"access_token": ""},
        {"access_token": "a b"},
        {"access_token": "a\r\nX-Evil: 1"},
        {"access_token": "é"},
        {"access_token": 7},
        {"access_token": "a" * 20_000},
        {"token_type": None},
        {"token_type": "Bearer"},
        {"token_type": "N_A"},
        {"token_type": ["DPoP"]},
        {"expires_in": None},
        {"expires_in": "60"},
        {"expires_in": 60.5},
        {"expires_in": True},
        {"expires_in": 0},
        {"expires_in": -1},
        {"expires_in": 10**30},
        {"uses": 0},
        {"uses": -1},
        {"uses": True},
        {"uses": "1"},
        {"txn": 7},
        {"txn": ""},
        {"txn": "a\nb"},
        {"scope": ["a"]},
        {"authorization_details": {}},
        {"authorization_details": ["a"]},
        {"refused": "all"},
        {"refused": [{}]},
        {"refused": [{"type": "a", "action": "b", "operation": "0", "reason": "c"}]},
    ],
)
def test_a_malformed_token_response_is_no_token(change):
    with pytest.raises(UnexpectedAnswerError):
        read({**GOOD, **change})


def play(flow, *answers):
    """Drive *flow* with made answers; whatever it asks for."""
    next(flow)
    for answer in answers:
        try:
            flow.send(answer)
        except StopIteration as end:
            return end.value
    flow.close()
    return None


def as_body(value) -> bytes:
    return json.dumps(value).encode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
likely_values = json_values | st.sampled_from(["DPoP", "abc", 60, 1, "access_denied", [{}], "txn"])
members = [
    *("access_token", "token_type", "expires_in", "uses", "txn", "scope", "refused"),
    *("authorization_details", "error", "error_description", "request_id"),
    *("transaction_authorization_id", "issuer", "token_endpoint"),
]
objects = st.dictionaries(st.sampled_from(members), likely_values).map(as_body)
near_tokens = st.dictionaries(st.sampled_from(members), likely_values).map(
    lambda changes: as_body({**GOOD, **changes})
)
near_metadata = st.dictionaries(st.sampled_from(members), likely_values).map(
    lambda changes: as_body({**METADATA, **changes})
)
bodies = st.binary() | json_values.map(as_body) | objects | near_tokens | near_metadata
statuses = st.sampled_from([200, 201, 204, 302, 400, 401, 403, 404, 429, 500, 503])
headers = st.dictionaries(
    st.sampled_from(["dpop-nonce", "content-type", "location", "retry-after"]),
    st.text(st.characters(codec="latin-1")),
).map(lambda fields: httpx.Headers({name: text.encode("latin-1") for name, text in fields.items()}))
answers = st.builds(Answer, statuses, bodies, headers) | st.builds(Unreachable, st.text())
metadata_answer = Answer(200, as_body(METADATA))


def assert_token_or_error(flow, *made) -> None:
    try:
        outcome = play(flow, *made)
    except FleetingError as error:
        outcome = str(error)
    assert outcome is None or isinstance(outcome, Token | str)


@given(answers, answers, answers)
def test_whatever_an_issuer_answers_is_a_token_or_a_fleeting_error(first, second, third):
    wish = Wish(scope="a", subject_token="s")
    assert_token_or_error(obtain(Asker(IDENTITY), wish), first, second, third)


@given(answers, answers)
def test_whatever_its_token_endpoint_answers_is_a_token_or_a_fleeting_error(first, second):
    assert_token_or_error(obtain(Asker(IDENTITY), Wish(scope="a")), metadata_answer, first, second)


@given(answers, answers)
def test_whatever_becomes_of_a_challenge_is_a_token_or_a_fleeting_error(first, second):
    challenge = Challenge(
        resource="https://api.example.com",
        authorization_server=ISSUER,
        jti="1",
        txn="txn-00000001",
        details=None,
        scopes=("a",),
        reason="",
        expires_at=NOW,
    )
    flow = answer_challenge(Asker(IDENTITY), "a.b.c", challenge, Wish())
    assert_token_or_error(flow, metadata_answer, first, second)
