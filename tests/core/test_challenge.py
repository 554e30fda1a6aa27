from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.challenge import (
    CHALLENGE_LIFE,
    accepts_challenge,
    challenge_resource,
    make_challenge_claims,
    read_challenge,
)
from fleeting.core.errors import InvalidTransactionChallenge
from fleeting.core.jose import JoseError, KeySet, UnknownKeyError
from fleeting.core.model import Actor, Operation, scope_operation
from tests.installation import new_key, sign

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SKEW = timedelta(seconds=10)
AS, API = "https://as.example", "https://api.example"
KEY = new_key()
OPERATION = Operation("refund", ("do",), {"n": "1"})


def claims(operation=OPERATION, **changes):
    honest = make_challenge_claims(
        resource=API,
        authorization_server=AS,
        jti="challenge-1",
        txn="transaction-1",
        operation=operation,
        reason="this refund needs its own authorization",
        now=NOW,
        act={"sub": "agent"},
    )
    return {**honest, **changes}


def challenge(*, key=KEY, typ="txn-authz-challenge+jwt", header=None, **changes):
    return sign(key, claims(**changes), typ=typ, header=header)


def read(text, *, now=NOW):
    return read_challenge(
        text, KeySet((KEY.public(),)), resource=API, authorization_server=AS, now=now
    )


@pytest.mark.parametrize(
    ("values", "accepted"),
    [
        (["?1"], True),
        ([" ?1 "], True),
        (["?1;a=b"], True),
        (["?1 ;a"], True),
        ([], False),
        (["?0"], False),
        (["?1", "?1"], False),
        (["?1, ?1"], False),
        (["1"], False),
        (["true"], False),
        (['"?1"'], False),
        (["?10"], False),
        ([""], False),
        (["?1\n"], False),
    ],
)
def test_a_challenge_is_sent_to_who_says_exactly_that_it_wants_one(values, accepted):
    assert accepts_challenge(values) is accepted


def test_a_challenge_reads_as_it_was_written():
    read_back = read(challenge())
    assert read_back.details == [{"type": "refund", "actions": ["do"], "n": "1"}]
    assert (read_back.resource, read_back.authorization_server) == (API, AS)
    assert (read_back.jti, read_back.txn) == ("challenge-1", "transaction-1")
    assert read_back.reason == "this refund needs its own authorization"
    assert read_back.actors == (Actor("agent"),)
    assert read_back.expires_at == NOW + CHALLENGE_LIFE + SKEW
    assert read_back.scopes == ()


def test_a_challenge_for_a_scope_says_the_scope():
    read_back = read(challenge(operation=scope_operation("read")))
    assert (read_back.details, read_back.scopes) == (None, ("read",))


def test_a_challenge_without_actors_says_none():
    made = make_challenge_claims(
        resource=API,
        authorization_server=AS,
        jti="j",
        txn="transaction-1",
        operation=OPERATION,
        reason="r",
        now=NOW,
    )
    assert "act" not in made


def test_its_resource_is_looked_at_to_choose_keys():
    assert challenge_resource(challenge()) == API
    assert challenge_resource(challenge(iss=7)) is None
    with pytest.raises(InvalidTransactionChallenge):
        challenge_resource("nonsense")


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "https://other.example"},
        {"aud": [AS]},
        {"aud": None},
        {"iat": None},
        {"iat": int(NOW.timestamp()) + 11},
        {"exp": None},
        {"exp": int(NOW.timestamp()) - 10},
        {"exp": int(NOW.timestamp()) + 601},
        {"nbf": int(NOW.timestamp()) + 11},
        {"jti": None},
        {"jti": ""},
        {"txn": None},
        {"txn": "short"},
        {"txn": "x" * 201},
        {"txn": "with a space in it"},
        {"txn": "with\nnewline"},
        {"txn": "ümlaute-sind-keine"},
        {"reason": None},
        {"authorization_details": None},
        {"authorization_details": {}},
        {"authorization_details": []},
        {"scope": 7},
        {"scope": "a  b"},
        {"scope": "ü"},
        {"act": "agent"},
        {"act": {}},
    ],
)
def test_a_challenge_that_lacks_or_bends_a_claim_is_refused(changes):
    with pytest.raises(JoseError):
        read(challenge(**changes))


def test_a_challenge_is_signed_by_its_resource_as_a_challenge():
    with pytest.raises(UnknownKeyError):
        read(challenge(key=new_key()))
    with pytest.raises(JoseError, match="'typ'"):
        read(challenge(typ="JWT"))
    with pytest.raises(JoseError, match="'alg'"):
        read(challenge(header={"alg": "RS256"}))


@pytest.mark.parametrize(
    ("now", "ok"),
    [
        (NOW + CHALLENGE_LIFE + SKEW - SECOND, True),
        (NOW + CHALLENGE_LIFE + SKEW, False),
        (NOW - SKEW, True),
        (NOW - SKEW - SECOND, False),
    ],
)
def test_a_challenge_has_its_time(now, ok):
    if ok:
        read(challenge(), now=now)
    else:
        with pytest.raises(JoseError):
            read(challenge(), now=now)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["sub", "act", "type"]), inner)
    ),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([*claims(), "scope", "nbf"]), json_values))
def test_any_claims_are_a_challenge_or_refused(changes):
    try:
        text = challenge(**changes)
    except UnicodeEncodeError:
        return
    try:
        read_back = read(text)
    except JoseError:
        return
    assert read_back.details or read_back.scopes


@given(st.text(max_size=60))
def test_any_text_is_a_challenge_or_refused(text):
    with pytest.raises(InvalidTransactionChallenge):
        challenge_resource(text)
