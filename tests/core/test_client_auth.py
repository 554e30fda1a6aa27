import base64
import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleeting.core.client_auth import (
    ASSERTION_TYPE,
    MAX_ASSERTION_LIFE,
    ClientCredentials,
    Registration,
    authenticate_client,
    check_revoker,
)
from fleeting.core.errors import InvalidClient, InvalidRequest, OAuthError, UnauthorizedClient
from fleeting.core.jose import KeySet
from fleeting.core.model import AccessToken, Client, Resource
from tests.installation import new_key, sign

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SKEW = timedelta(seconds=10)
ISSUER = "https://as.example.com"
KEY = new_key()
BOT = Client("bot", frozenset())
OLD = Client("old one:%", frozenset())
SECRET = "s3cret: with+odd%characters ü"
REGISTRATIONS = {
    "bot": Registration(BOT, keys=KeySet((KEY.public(),))),
    "old one:%": Registration(OLD, secret_sha256=hashlib.sha256(SECRET.encode()).digest()),
}


def authenticate(*, now=NOW, **sent):
    return authenticate_client(ClientCredentials(**sent), REGISTRATIONS, issuer=ISSUER, now=now)


def assertion(*, key=KEY, typ="client-authentication+jwt", header=None, **claims):
    honest = {
        "iss": "bot",
        "sub": "bot",
        "aud": ISSUER,
        "exp": int(NOW.timestamp()) + 60,
        "jti": "assertion-1",
    }
    return sign(key, {**honest, **claims}, typ=typ, header=header)


def by_assertion(text, **more):
    return authenticate(assertion=text, assertion_type=ASSERTION_TYPE, **more)


def basic(client_id="old%20one%3A%25", secret="s3cret%3A+with%2Bodd%25characters+%C3%BC"):
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


def test_an_honest_assertion_tells_the_client_and_an_id_to_claim():
    authenticated = by_assertion(assertion())
    assert authenticated.client is BOT
    assert authenticated.claim.space == "assertion:bot"
    assert authenticated.claim.digest == hashlib.sha256(b"assertion-1").digest()
    assert authenticated.claim.expires_at >= NOW + 60 * SECOND + SKEW


@pytest.mark.parametrize("typ", ["client-authentication+jwt", "JWT", "jwt", None])
def test_an_assertion_may_be_typed_as_the_rfc_asks_or_not_at_all(typ):
    assert by_assertion(assertion(header={"typ": typ})).client is BOT


@pytest.mark.parametrize("typ", ["at+jwt", "dpop+jwt", "txn-authz-challenge+jwt", "secevent+jwt"])
def test_another_kind_of_jwt_is_no_assertion(typ):
    with pytest.raises(InvalidClient, match="'typ'"):
        by_assertion(assertion(typ=typ))


@pytest.mark.parametrize(
    "aud",
    [
        None,
        [ISSUER],
        [ISSUER, "https://other.example"],
        f"{ISSUER}/",
        f"{ISSUER}/token",
        f"{ISSUER}/par",
        ISSUER.upper(),
        "",
        7,
    ],
)
def test_the_audience_is_the_issuer_as_its_sole_value(aud):
    with pytest.raises(InvalidClient, match="'aud'"):
        by_assertion(assertion(aud=aud))


@pytest.mark.parametrize("claim", ["iss", "sub"])
@pytest.mark.parametrize("value", [None, "old one:%", "other", "", 7, ["bot"]])
def test_issuer_and_subject_are_the_client(claim, value):
    with pytest.raises(InvalidClient):
        by_assertion(assertion(**{claim: value}))


@pytest.mark.parametrize("jti", [None, "", 7])
def test_an_assertion_has_an_id(jti):
    with pytest.raises(InvalidClient, match="'jti'"):
        by_assertion(assertion(jti=jti))


@pytest.mark.parametrize(
    ("claim", "offset", "ok"),
    [
        ("exp", -SKEW + SECOND, True),
        ("exp", -SKEW, False),
        ("exp", MAX_ASSERTION_LIFE, True),
        ("exp", MAX_ASSERTION_LIFE + SECOND, False),
        ("nbf", SKEW, True),
        ("nbf", SKEW + SECOND, False),
        ("iat", SKEW, True),
        ("iat", SKEW + SECOND, False),
    ],
)
def test_an_assertion_has_its_time(claim, offset, ok):
    text = assertion(**{claim: int((NOW + offset).timestamp())})
    if ok:
        assert by_assertion(text).client is BOT
    else:
        with pytest.raises(InvalidClient):
            by_assertion(text)


@pytest.mark.parametrize("exp", [None, "tomorrow", 1e300, 253402300799])
def test_an_assertion_has_an_end(exp):
    with pytest.raises(InvalidClient, match="'exp'"):
        by_assertion(assertion(exp=exp))


def test_an_unknown_client_is_told_what_a_wrong_key_is_told():
    texts = [
        assertion(iss="nobody", sub="nobody"),
        assertion(iss="old one:%", sub="old one:%"),  # it has a secret, not keys
        assertion(header={"kid": "wrong"}),
    ]
    errors = []
    for text in texts:
        with pytest.raises(InvalidClient) as caught:
            by_assertion(text)
        errors.append(caught.value.description)
    assert len(set(errors)) == 1


def test_another_key_is_refused():
    with pytest.raises(InvalidClient, match="signature"):
        by_assertion(assertion(key=new_key(), header={"kid": None}))


@pytest.mark.parametrize(
    "sent",
    [
        {"assertion": assertion()},
        {"assertion_type": ASSERTION_TYPE},
        {"assertion": assertion(), "assertion_type": "urn:other"},
        {"assertion": assertion(), "assertion_type": ASSERTION_TYPE, "authorization": [basic()]},
        {"authorization": [basic(), basic()]},
    ],
)
def test_half_a_method_or_two_are_refused(sent):
    with pytest.raises(InvalidRequest):
        authenticate(**sent)


def test_nothing_is_no_method():
    with pytest.raises(InvalidClient, match="authenticate with"):
        authenticate(client_id="bot")


def test_a_secret_authenticates_form_encoded_as_the_rfc_says():
    authenticated = authenticate(authorization=[basic()])
    assert authenticated.client is OLD
    assert authenticated.claim is None


@pytest.mark.parametrize("scheme", ["basic", "BASIC"])
def test_a_scheme_has_no_case(scheme):
    assert authenticate(authorization=[basic().replace("Basic", scheme)]).client is OLD


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Bearer abc",
        "DPoP abc",
        "Basic !!!",
        "Basic ü",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        basic(secret="wrong"),
        basic(secret=""),
        basic(client_id="nobody"),
        basic(client_id="bot", secret=""),  # it has keys, not a secret
    ],
)
def test_what_is_no_secret_of_a_client_is_refused(header):
    with pytest.raises(InvalidClient):
        authenticate(authorization=[header])


@pytest.mark.parametrize("sent", [{"authorization": [basic()]}, {"assertion": assertion()}])
def test_a_client_id_beside_must_be_the_same(sent):
    typed = {"assertion_type": ASSERTION_TYPE} if "assertion" in sent else {}
    with pytest.raises(InvalidClient, match="another client"):
        authenticate(client_id="someone", **sent, **typed)
    same = "bot" if "assertion" in sent else "old one:%"
    assert authenticate(client_id=same, **sent, **typed).client.client_id == same


@given(
    st.lists(st.text(max_size=30) | st.text(max_size=20).map("Basic ".__add__), max_size=2),
    *[st.none() | st.text(max_size=30) for _ in range(3)],
)
@example(["Basic Og=="], None, None, None)
def test_any_strings_are_refused(authorization, client_id, sent, sent_type):
    with pytest.raises(OAuthError):
        authenticate(
            authorization=authorization,
            client_id=client_id,
            assertion=sent,
            assertion_type=sent_type,
        )


json_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)


@given(st.dictionaries(st.sampled_from(["iss", "sub", "aud", "exp", "nbf", "jti"]), json_values))
def test_any_claims_authenticate_their_signer_or_nobody(claims):
    try:
        text = assertion(**claims)
    except UnicodeEncodeError:
        return
    try:
        authenticated = by_assertion(text)
    except OAuthError:
        return
    assert authenticated.client is BOT


@pytest.mark.parametrize(
    ("client_id", "guarded", "may"),
    [
        ("bot", None, True),
        ("api", "https://api", True),
        ("api", "https://else", False),
        ("other", None, False),
    ],
)
def test_a_token_is_revoked_by_its_client_or_at_its_audience(client_id, guarded, may):
    at = datetime(2026, 1, 1, tzinfo=UTC)
    token = AccessToken("j", "t", "https://as", "https://api", "bot", "ada", (), at, at, None)
    resource = None if guarded is None else Resource(guarded, frozenset())
    if may:
        check_revoker(token, client_id, resource)
    else:
        with pytest.raises(UnauthorizedClient):
            check_revoker(token, client_id, resource)
