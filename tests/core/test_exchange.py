from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.context import ValueType
from fleeting.core.errors import InvalidRequest, OAuthError
from fleeting.core.exchange import (
    Declarations,
    IdentityProvider,
    check_possession,
    claimed_issuer,
    delegation_chain,
    read_subject,
    verify_provider_token,
)
from fleeting.core.jose import JoseError, KeySet, UnknownKeyError, VerifiedClaims
from fleeting.core.model import Actor, SenderConstraint, SenderKey, SubjectKind
from fleeting.core.operations import declare_type
from fleeting.core.validation import MAX_ACT_DEPTH
from tests.installation import new_key, sign

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SKEW = timedelta(seconds=10)
KEY = new_key()
KEYS = KeySet((KEY.public(),))
IDP = "https://idp.example.com"
PROVIDER = IdentityProvider(IDP, "fleeting", {"groups": "groups", "dept": "department"})
PREFIXED = IdentityProvider("https://two.example", "fleeting", {}, "two#")
REFUND = {"type": "refund", "actions": ["do"], "n": "1"}
DECLARED = Declarations(
    {"department": ValueType.STRING},
    {"refund": declare_type("refund", {"actions": ["do"], "fields": {"n": {"kind": "exact"}}})},
    {"support-bot"},
)
HONEST = {
    "iss": IDP,
    "sub": "alice",
    "aud": "fleeting",
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 600,
}


def token(*, key=KEY, typ="JWT", header=None, **claims):
    return sign(key, {**HONEST, **claims}, typ=typ, header=header)


def verify(text, provider=PROVIDER):
    return verify_provider_token(text, KEYS, provider, now=NOW)


def verified(**claims):
    said = {name: value for name, value in {**HONEST, **claims}.items() if value is not None}
    return VerifiedClaims({}, said)


# Verification.


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", None])
def test_id_tokens_and_access_tokens_can_be_exchanged(typ):
    assert verify(token(header={"typ": typ})).claims["sub"] == "alice"


@pytest.mark.parametrize(
    "typ",
    ["dpop+jwt", "logout+jwt", "txntoken+jwt", "secevent+jwt", "client-authentication+jwt", "jose"],
)
def test_tokens_made_for_something_else_cannot(typ):
    with pytest.raises(JoseError, match="'typ'"):
        verify(token(typ=typ))


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"iss": None}, "'iss'"),
        ({"aud": "other"}, "does not name fleeting"),
        ({"aud": ["a", "b"]}, "does not name fleeting"),
        ({"aud": None}, "'aud'"),
        ({"exp": int(NOW.timestamp()) - 10}, "expired"),
        ({"exp": None}, "'exp'"),
        ({"nbf": int(NOW.timestamp()) + 11}, "future"),
        ({"iat": int(NOW.timestamp()) + 11}, "future"),
        ({"sub": None}, "'sub'"),
        ({"sub": ""}, "'sub'"),
        ({"sub": 7}, "'sub'"),
    ],
)
def test_a_token_is_its_providers_for_us_and_in_its_time(claims, why):
    with pytest.raises(JoseError, match=why):
        verify(token(**claims))


def test_a_token_for_several_of_whom_we_are_one_is_for_us():
    assert verify(token(aud=["other", "fleeting"])).claims["sub"] == "alice"


def test_another_key_of_the_same_name_is_refused_and_an_unknown_one_told_apart():
    with pytest.raises(JoseError, match="signature"):
        verify(token(key=new_key(), header={"kid": KEY.kid}))
    with pytest.raises(UnknownKeyError):
        verify(token(key=new_key()))


def test_the_claimed_issuer_chooses_whose_keys_to_try():
    assert claimed_issuer(token(), "subject_token") == IDP


@pytest.mark.parametrize("text", ["", "x", "a.b.c", token(iss=None), token(iss=7)])
def test_a_token_without_an_issuer_is_refused(text):
    with pytest.raises(InvalidRequest, match="the actor_token is not acceptable"):
        claimed_issuer(text, "actor_token")


# Subjects.


def test_a_subject_is_what_the_provider_says():
    subject = read_subject(
        verified(
            groups=["b", "a"],
            dept="payments",
            acr="gold",
            auth_time=NOW.timestamp(),
            authorization_details=[REFUND, {"type": "foreign", "x": 1}],
        ),
        PROVIDER,
        DECLARED,
    )
    assert (subject.kind, subject.id, subject.issuer) == (SubjectKind.USER, "alice", IDP)
    assert subject.groups == {"a", "b"}
    assert subject.attributes == {"department": "payments"}
    assert (subject.acr, subject.auth_time) == ("gold", NOW)
    assert subject.not_after == NOW + 600 * SECOND
    assert [operation.type for operation in subject.operations] == ["refund"]


def test_a_subject_token_without_details_bounds_nothing_and_an_empty_array_everything():
    assert read_subject(verified(), PROVIDER, DECLARED).operations is None
    empty = read_subject(verified(authorization_details=[]), PROVIDER, DECLARED)
    assert empty.operations == ()


def test_people_of_a_second_provider_cannot_be_mistaken_for_those_of_the_first():
    assert read_subject(verified(), PREFIXED, DECLARED).id == "two#alice"


def test_no_user_is_named_like_a_client():
    with pytest.raises(InvalidRequest, match="name of a client"):
        read_subject(verified(sub="support-bot"), PROVIDER, DECLARED)
    assert read_subject(verified(sub="support-bot"), PREFIXED, DECLARED).id == "two#support-bot"


@pytest.mark.parametrize(
    "claims",
    [
        {"groups": "admins"},
        {"groups": [7]},
        {"dept": ["payments"]},
        {"acr": 7},
        {"auth_time": "now"},
        {"exp": "later"},
        {"authorization_details": {"type": "refund"}},
        {"authorization_details": [{"type": "refund", "actions": ["do"]}]},
        {"authorization_details": ["refund"]},
        {"authorization_details": [{**REFUND, "more": 1}]},
    ],
)
def test_a_claim_of_the_wrong_kind_is_refused_never_dropped(claims):
    with pytest.raises((JoseError, InvalidRequest)):
        read_subject(verified(**claims), PROVIDER, DECLARED)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["sub", "iss", "act", "jkt", "type", "actions"]), inner)
    ),
    max_leaves=6,
)
NAMES = ["sub", "groups", "dept", "acr", "auth_time", "authorization_details", "act", "may_act"]


@given(st.dictionaries(st.sampled_from([*NAMES, "cnf"]), json_values))
def test_any_claims_are_a_subject_or_refused(claims):
    said = verified(**claims)
    try:
        check_possession(said, None)
        chain = delegation_chain(said, "bot", None)
        read_subject(said, PROVIDER, DECLARED)
    except (JoseError, OAuthError):
        return
    assert 1 <= len(chain) <= MAX_ACT_DEPTH


# Delegation.


def nested(*subs):
    act = None
    for sub in reversed(subs):
        act = {"sub": sub} if act is None else {"sub": sub, "act": act}
    return act


def test_the_client_acts_where_nobody_else_does():
    assert delegation_chain(verified(), "bot", None) == (Actor("bot"),)


def test_earlier_actors_are_kept_behind_the_current_one():
    chain = delegation_chain(verified(act=nested("second", "first")), "bot", None)
    assert [actor.sub for actor in chain] == ["bot", "second", "first"]


def test_an_actor_token_names_the_current_actor():
    actor = (verified(sub="assistant"), PROVIDER)
    chain = delegation_chain(verified(act=nested("first")), "bot", actor)
    assert chain == (Actor("assistant", IDP), Actor("first"))
    prefixed = delegation_chain(verified(), "bot", (verified(), PREFIXED))
    assert prefixed == (Actor("two#alice", "https://two.example"),)


def test_an_actor_that_is_itself_acted_for_is_refused():
    with pytest.raises(JoseError, match="'act' of its own"):
        delegation_chain(verified(), "bot", (verified(act=nested("x")), PROVIDER))


def test_a_chain_has_an_end():
    deepest = nested(*map(str, range(MAX_ACT_DEPTH - 1)))
    assert len(delegation_chain(verified(act=deepest), "bot", None)) == MAX_ACT_DEPTH
    with pytest.raises(JoseError, match="longer than"):
        delegation_chain(verified(act=nested("more", *map(str, range(7)))), "bot", None)
    with pytest.raises(JoseError, match="deeper than"):
        delegation_chain(verified(act=nested(*map(str, range(9)))), "bot", None)


@pytest.mark.parametrize(
    ("may_act", "ok"),
    [
        ({"sub": "bot"}, True),
        ({"sub": "bot", "iss": None}, True),
        ({"sub": "other"}, False),
        ({"sub": "bot", "iss": IDP}, False),
        ({}, False),
        ("bot", False),
        ([{"sub": "bot"}], False),
    ],
)
def test_who_may_act_is_who_acts(may_act, ok):
    if ok:
        delegation_chain(verified(may_act=may_act), "bot", None)
    else:
        with pytest.raises(JoseError, match="'may_act'"):
            delegation_chain(verified(may_act=may_act), "bot", None)


def test_who_may_act_by_an_actor_token_is_of_its_issuer():
    actor = (verified(sub="assistant"), PROVIDER)
    delegation_chain(verified(may_act={"sub": "assistant", "iss": IDP}), "bot", actor)
    with pytest.raises(JoseError, match="'may_act'"):
        delegation_chain(verified(may_act={"sub": "assistant", "iss": "x"}), "bot", actor)


# Possession.

JKT = SenderKey(SenderConstraint.DPOP, "thumbprint")


@pytest.mark.parametrize(
    ("cnf", "key", "ok"),
    [
        (None, None, True),
        (None, JKT, True),
        ({"jkt": "thumbprint"}, JKT, True),
        ({"jkt": "thumbprint"}, None, False),
        ({"jkt": "other"}, JKT, False),
        ({"x5t#S256": "thumbprint"}, JKT, False),
        ({"jkt": "thumbprint", "x5t#S256": "x"}, JKT, False),
        ({}, JKT, False),
        ("thumbprint", JKT, False),
    ],
)
def test_a_bound_subject_token_comes_from_who_holds_its_key(cnf, key, ok):
    if ok:
        check_possession(verified(cnf=cnf), key)
    else:
        with pytest.raises(JoseError, match="'cnf'"):
            check_possession(verified(cnf=cnf), key)


@pytest.mark.parametrize("claim", [{"events": {}}, {"uses": 1}])
def test_what_stands_for_nobody_cannot_be_exchanged(claim):
    with pytest.raises(JoseError):
        verify(token(**claim))


def test_no_user_of_one_provider_has_the_name_of_anothers():
    declared = replace(DECLARED, subject_prefixes=("", "two#"))
    with pytest.raises(InvalidRequest, match="another provider's"):
        read_subject(verified(sub="two#alice"), PROVIDER, declared)
    assert read_subject(verified(), PREFIXED, declared).id == "two#alice"
