"""A binding token vouches for one question of one enforcement point, for ten minutes."""

import copy
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleeting.core.authzen import evaluation
from fleeting.core.denials import (
    DENIAL_LIFE,
    DENIAL_TYP,
    binding_members,
    check_same_question,
    denial_claims,
    question_digest,
    read_denial,
    timestamp,
)
from fleeting.core.errors import ExpiredDenial, InvalidDenialBinding
from fleeting.core.jose import KeySet
from tests.installation import new_key

NOW = datetime(2026, 1, 1, 12, 0, 0, 250_000, tzinfo=UTC)
ISSUER = "https://as.example.com"
DECLARED = ("purpose", "ticket", "reason")
KEY = new_key()
KEYS = KeySet((KEY.public(),))
QUESTION = {
    "subject": {"type": "user", "id": "alice", "properties": {"groups": ["support"], "acr": "1"}},
    "action": {"name": "refund", "properties": {"currency": "EUR"}},
    "resource": {"type": "refund", "id": "42", "properties": {"amount": 500, "odd": [1, {}]}},
    "context": {"purpose": "claim", "time": "noon"},
}


def claims(question=QUESTION, **changes):
    made = denial_claims(
        evaluation(question),
        issuer=ISSUER,
        client_id="api",
        evaluation_id="eval",
        declared=DECLARED,
        jti="one",
        now=NOW,
    )
    return {**made, **changes}


def token(typ=DENIAL_TYP, key=KEY, **changes):
    return key.sign(typ, claims(**changes))


def read(text, client_id="api", now=NOW, issuer=ISSUER):
    return read_denial(text, KEYS, issuer=issuer, client_id=client_id, now=now)


def test_what_was_denied_is_vouched_for():
    denial = read(token())
    assert (denial.jti, denial.evaluation_id, denial.client_id) == ("one", "eval", "api")
    assert denial.members == ("purpose", "ticket")  # `reason` is the profile's own word
    assert denial.expires_at == NOW.replace(microsecond=0) + DENIAL_LIFE
    check_same_question(denial, evaluation(QUESTION))


def test_the_claims_are_those_of_the_profile():
    made = claims()
    assert made["denial_expires_at"] == "2026-01-01T12:10:00Z"
    assert (made["exp"] - made["iat"], made["aud"]) == (600, ISSUER)
    assert made["binding_context_members"] == ["purpose", "ticket"]


def test_its_time_ends_to_the_second():
    end = read(token()).expires_at
    read(token(), now=end - timedelta(microseconds=1))
    with pytest.raises(ExpiredDenial):
        read(token(), now=end)


@pytest.mark.parametrize(
    "forged",
    [
        "nonsense",
        token(typ="at+jwt"),
        token(key=new_key()),
        token(iss="https://other.example.com"),
        token(aud="https://other.example.com"),
        token(aud=[ISSUER, "https://other.example.com"]),
        token(client_id="another"),
        token(client_id=None),
        token(jti=""),
        token(binding_hash=7),
        token(binding_context_members=None),
        token(exp="tomorrow"),
        token(evaluation_id=None),
    ],
)
def test_what_we_did_not_sign_for_this_caller_binds_nothing(forged):
    with pytest.raises(InvalidDenialBinding):
        read(forged)


def test_what_was_denied_to_another_enforcement_point_is_not_its():
    with pytest.raises(InvalidDenialBinding, match="another enforcement point"):
        read(token(), client_id="other-api")


@pytest.mark.parametrize(
    "augmented",
    [
        {**QUESTION, "context": {**QUESTION["context"], "time": "evening"}},
        {**QUESTION, "context": {"purpose": "claim", "business_justification": "customer 7"}},
        {**QUESTION, "extra": 1},
    ],
)
def test_what_does_not_bind_may_change(augmented):
    check_same_question(read(token()), evaluation(augmented))


def test_an_actor_may_be_said_elsewhere():
    acting = copy.deepcopy(QUESTION)
    acting["subject"]["properties"]["act"] = {"sub": "agent"}
    assert question_digest(evaluation(acting), ()) == question_digest(evaluation(QUESTION), ())


def test_a_subject_without_properties_is_bound_as_it_is():
    plain = {**QUESTION, "subject": {"type": "user", "id": "alice"}}
    empty = {**QUESTION, "subject": {"type": "user", "id": "alice", "properties": {}}}
    assert question_digest(evaluation(plain), ()) != question_digest(evaluation(empty), ())


def _places(value, path=()):
    """Yield the path of every value in *value* that can be replaced."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in inner:
        yield (*path, key)
        if isinstance(each, dict | list):
            yield from _places(each, (*path, key))


BOUND = [it for it in _places(QUESTION) if it[-1] != "time"]
ODD = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just([]) | st.just({})


@given(st.sampled_from(BOUND), ODD)
@settings(max_examples=200)
def test_a_binding_covers_exactly_the_same_question(path, other):
    bent = copy.deepcopy(QUESTION)
    *way, last = path
    inside = bent
    for key in way:
        inside = inside[key]
    before = inside[last]
    inside[last] = other
    same = type(before) is type(other) and before == other
    try:
        asked = evaluation(bent)
    except Exception:  # noqa: BLE001 -- it is no question at all
        return
    denial = read(token())
    if same or (path == ("context",) and other == QUESTION["context"]):
        check_same_question(denial, asked)
    else:
        with pytest.raises(InvalidDenialBinding):
            check_same_question(denial, asked)


def test_members_that_the_profile_speaks_with_never_bind():
    names = ("approval", "access_request", "evaluation_id", "evaluated_at", "reason", "b", "a")
    assert binding_members(names) == ("a", "b")


def test_times_are_written_in_utc():
    assert timestamp(NOW) == "2026-01-01T12:00:00.250000Z"
