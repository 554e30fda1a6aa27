from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.errors import InsufficientScope, InvalidToken, OAuthError
from fleeting.core.issuance import token_claims
from fleeting.core.jose import JoseError, KeySet
from fleeting.core.model import (
    AccessToken,
    Actor,
    Operation,
    SenderConstraint,
    SenderKey,
    scope_operation,
)
from fleeting.core.operations import declare_type
from fleeting.core.validation import (
    MAX_ACT_DEPTH,
    PresentedToken,
    actor_chain,
    check_call,
    check_sender,
    check_token,
    introspection_response,
    presented_token,
    read_access_token,
)
from tests.installation import new_key, sign

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ISSUER, API = "https://as.example", "https://api.example"
KEY = new_key()
KEYS = KeySet((KEY.public(),))
REFUND = declare_type(
    "refund",
    {"actions": ["do"], "fields": {"amount": {"kind": "at_most", "type": "integer"}}},
)
TYPES = {"refund": REFUND}
DPOP = SenderKey(SenderConstraint.DPOP, "thumbprint")
TOKEN = AccessToken(
    jti="jti",
    txn="txn",
    issuer=ISSUER,
    audience=API,
    client_id="bot",
    subject="alice",
    operations=(Operation("refund", ("do",), {"amount": 50}), scope_operation("read")),
    issued_at=NOW,
    expires_at=NOW + timedelta(minutes=1),
    key=DPOP,
    uses=2,
    actors=(Actor("bot"), Actor("first", "https://idp", "c")),
    acr="gold",
    auth_time=NOW,
)


def read(text, *, issuer=ISSUER, types=TYPES):
    return read_access_token(text, KEYS, issuer=issuer, types=types)


def signed(*, typ="at+jwt", header=None, key=KEY, **claims):
    return sign(key, {**token_claims(TOKEN), **claims}, typ=typ, header=header)


# Presenting.


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], None),
        (["DPoP a.b.c"], PresentedToken(SenderConstraint.DPOP, "a.b.c")),
        (["dpop a.b.c"], PresentedToken(SenderConstraint.DPOP, "a.b.c")),
        (["Bearer  a.b.c "], PresentedToken(SenderConstraint.NONE, "a.b.c")),
        (["Basic abc"], None),
        (["nonsense"], None),
        ([""], None),
    ],
)
def test_a_token_comes_in_the_authorization_header(values, expected):
    assert presented_token(values) == expected


@pytest.mark.parametrize(
    "values",
    [
        ["DPoP a", "Bearer a"],
        ["DPoP a", "DPoP a"],
        ["DPoP"],
        ["DPoP "],
        ["Bearer a b"],
        ["Bearer a, DPoP b"],
    ],
)
def test_several_credentials_or_half_of_one_are_refused(values):
    with pytest.raises(InvalidToken):
        presented_token(values)


@given(st.lists(st.text(max_size=20), max_size=2))
def test_any_header_presents_a_token_or_none_or_is_refused(values):
    try:
        presented = presented_token(values)
    except InvalidToken:
        return
    assert presented is None or presented.text


# Reading.


def test_a_token_reads_as_it_was_written():
    assert read(signed()) == TOKEN


def test_an_unbound_token_without_limits_reads_as_it_was_written():
    plain = replace(TOKEN, key=None, uses=None, actors=(), acr=None, auth_time=None, operations=())
    text = sign(KEY, token_claims(plain), typ="at+jwt")
    assert read(text) == plain


@pytest.mark.parametrize("typ", ["JWT", None, "dpop+jwt", "txn-authz-challenge+jwt", "id_token"])
def test_another_jwt_of_the_same_key_is_no_access_token(typ):
    with pytest.raises(JoseError, match="'typ'"):
        read(signed(header={"typ": typ}))


def test_another_issuer_or_key_is_refused():
    with pytest.raises(JoseError, match="another issuer"):
        read(signed(), issuer="https://other.example")
    with pytest.raises(JoseError):
        read(signed(key=new_key()))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": None},
        {"aud": None},
        {"aud": [API, "https://other.example"]},
        {"jti": None},
        {"txn": None},
        {"client_id": None},
        {"sub": None},
        {"iat": None},
        {"exp": None},
        {"exp": "soon"},
        {"cnf": {}},
        {"cnf": "thumbprint"},
        {"cnf": {"jkt": 7}},
        {"cnf": {"x5t#S256": "x"}},
        {"cnf": {"jkt": "a", "x5t#S256": "x"}},
        {"uses": 0},
        {"uses": -1},
        {"uses": True},
        {"uses": 1.0},
        {"uses": "1"},
        {"act": "bot"},
        {"act": {}},
        {"act": {"sub": "a", "act": []}},
        {"scope": 7},
        {"acr": 7},
        {"auth_time": "x"},
        {"authorization_details": {}},
        {"authorization_details": ["x"]},
        {"authorization_details": [{"type": "refund", "actions": ["do"]}]},
        {"authorization_details": [{"type": "refund", "amount": "50"}]},
    ],
)
def test_a_malformed_claim_makes_it_no_token_of_ours(claims):
    with pytest.raises(JoseError):
        read(signed(**claims))


def test_details_of_types_not_known_here_permit_nothing_here():
    token = read(signed(), types={})
    assert token.operations == (scope_operation("read"),)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["sub", "act", "jkt", "type", "actions", "amount"]), inner
        )
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*token_claims(TOKEN), "nbf", "x"]), json_values))
def test_any_claims_are_a_token_or_refused(claims):
    try:
        text = signed(**claims)
    except UnicodeEncodeError:
        return
    try:
        token = read(text)
    except JoseError:
        return
    assert token.issuer == ISSUER


# Chains.


def test_a_chain_is_read_as_deep_as_it_may_be_and_no_deeper():
    act = None
    for place in range(MAX_ACT_DEPTH):
        act = {"sub": str(place), "act": act}
    assert len(actor_chain(act)) == MAX_ACT_DEPTH
    with pytest.raises(JoseError, match="deeper than 8"):
        actor_chain({"sub": "more", "act": act})


# Checking.


def test_a_token_is_for_one_audience():
    check_token(TOKEN, audience=API, now=NOW)
    with pytest.raises(InvalidToken, match="another resource"):
        check_token(TOKEN, audience=f"{API}/", now=NOW)


@pytest.mark.parametrize(
    ("now", "ok"),
    [
        (TOKEN.expires_at - timedelta(microseconds=1), True),
        (TOKEN.expires_at, False),
        (NOW - 10 * SECOND, True),
        (NOW - 10 * SECOND - timedelta(microseconds=1), False),
    ],
)
def test_a_token_lives_exactly_as_long_as_it_says(now, ok):
    if ok:
        check_token(TOKEN, audience=API, now=now)
    else:
        with pytest.raises(InvalidToken):
            check_token(TOKEN, audience=API, now=now)


UNBOUND = replace(TOKEN, key=None)
OTHER = SenderKey(SenderConstraint.DPOP, "other")
MTLS = SenderKey(SenderConstraint.MTLS, "thumbprint")


@pytest.mark.parametrize(
    ("token", "scheme", "proven", "ok"),
    [
        (TOKEN, SenderConstraint.DPOP, DPOP, True),
        (TOKEN, SenderConstraint.DPOP, OTHER, False),
        (TOKEN, SenderConstraint.DPOP, MTLS, False),
        (TOKEN, SenderConstraint.DPOP, None, False),
        (TOKEN, SenderConstraint.NONE, DPOP, False),
        (TOKEN, SenderConstraint.NONE, None, False),
        (UNBOUND, SenderConstraint.NONE, None, True),
        (UNBOUND, SenderConstraint.DPOP, DPOP, False),
    ],
)
def test_who_presents_a_token_holds_its_key(token, scheme, proven, ok):
    if ok:
        check_sender(token, scheme, proven)
    else:
        with pytest.raises(InvalidToken):
            check_sender(token, scheme, proven)


def test_a_call_is_within_what_was_granted():
    within = Operation("refund", ("do",), {"amount": 50})
    assert check_call(TOKEN, within, TYPES) == TOKEN.operations[0]
    for call in (Operation("refund", ("do",), {"amount": 51}), scope_operation("write")):
        with pytest.raises(InsufficientScope):
            check_call(TOKEN, call, TYPES)


@given(st.integers(-(2**63), 2**63 - 1))
def test_no_amount_beyond_the_grant_is_within_it(amount):
    call = Operation("refund", ("do",), {"amount": amount})
    try:
        check_call(TOKEN, call, TYPES)
    except OAuthError:
        assert amount > 50
    else:
        assert amount <= 50


def test_introspection_tells_the_claims_and_how_to_present_them():
    response = introspection_response(TOKEN, {"jti": "jti", "cnf": {"jkt": "thumbprint"}})
    assert response == {
        "active": True,
        "jti": "jti",
        "cnf": {"jkt": "thumbprint"},
        "token_type": "DPoP",
    }
    assert introspection_response(UNBOUND, {})["token_type"] == "Bearer"


@pytest.mark.parametrize("sub", ["a" * 10_000, "a\nb", "\x1b[2J", "\u202e"])
def test_a_name_that_could_forge_what_is_read_is_refused(sub):
    with pytest.raises(JoseError, match="too long or has control"):
        actor_chain({"sub": sub})
