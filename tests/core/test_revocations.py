from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.model import AccessToken
from fleeting.core.revocations import ClientEnded, SubjectEnded, TokenEnded, read_ended

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = AT + timedelta(minutes=5)
NAMES = st.text(min_size=1, max_size=50)
INSTANTS = st.integers(0, 2 * 10**9).map(lambda seconds: AT + timedelta(seconds=seconds))
ENDED = st.one_of(
    st.builds(TokenEnded, NAMES, INSTANTS),
    st.builds(ClientEnded, NAMES, INSTANTS, INSTANTS),
    st.builds(SubjectEnded, NAMES, INSTANTS, INSTANTS),
)


def token(**changes):
    claims = {
        "jti": "t1",
        "txn": "x1",
        "issuer": "https://as.example",
        "audience": "https://api.example",
        "client_id": "bot",
        "subject": "alice",
        "operations": (),
        "issued_at": AT,
        "expires_at": LATER,
        "key": None,
    }
    return AccessToken(**{**claims, **changes})


@given(ENDED)
def test_what_a_guard_reads_is_what_was_written(ended):
    assert read_ended(ended.to_json()) == ended


def test_a_token_is_ended_by_its_name():
    ended = TokenEnded("t1", LATER)
    assert ended.ends(token())
    assert not ended.ends(token(jti="t2"))


@pytest.mark.parametrize("ended", [ClientEnded("bot", AT, LATER), SubjectEnded("alice", AT, LATER)])
def test_a_party_s_tokens_end_that_were_issued_up_to_the_cut(ended):
    assert ended.ends(token())
    assert ended.ends(token(issued_at=AT - timedelta(hours=1)))
    assert not ended.ends(token(issued_at=AT + timedelta(seconds=1)))
    assert not ended.ends(token(client_id="alice", subject="bot"))


def test_what_was_issued_in_the_second_of_the_cut_is_cut_on_both_sides_of_the_wire():
    within = AT + timedelta(milliseconds=400)
    assert ClientEnded("bot", within, LATER).ends(token())
    assert read_ended(ClientEnded("bot", within, LATER).to_json()).ends(token())


def test_it_is_remembered_for_the_whole_of_its_last_second():
    late = LATER + timedelta(milliseconds=1)
    assert TokenEnded("t1", late).to_json() == {"jti": "t1", "until": int(LATER.timestamp()) + 1}
    assert TokenEnded("t1", LATER).to_json() == {"jti": "t1", "until": int(LATER.timestamp())}


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"jti": "t1"},
        {"jti": "", "until": 1},
        {"jti": "x" * 5000, "until": 1},
        {"jti": 7, "until": 1},
        {"jti": "t1", "until": True},
        {"jti": "t1", "until": "1"},
        {"jti": "t1", "until": -1},
        {"jti": "t1", "until": 10**15},
        {"client_id": "bot", "until": 1},
        {"sub": "alice", "until": 1, "issued_until": 1.5},
        {"request": "r1", "until": 1, "issued_until": 1},
    ],
)
def test_what_says_nothing_of_a_token_is_refused(value):
    with pytest.raises(ValueError, match=r"must be|no time|not an object"):
        read_ended(value)
