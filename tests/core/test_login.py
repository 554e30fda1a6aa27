from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from fleeting.core.context import ValueType
from fleeting.core.errors import SignInRefused, TemporarilyUnavailable
from fleeting.core.exchange import Declarations, IdentityProvider
from fleeting.core.jose import JoseError, KeySet, VerifiedClaims
from fleeting.core.login import (
    LoginRequest,
    ProviderMetadata,
    authorization_url,
    code_challenge,
    person_after_login,
    read_callback,
    read_provider_metadata,
    shown_name,
    signed_in_subject,
    verify_id_token,
)
from fleeting.core.model import Subject, SubjectKind
from fleeting.core.people import Person
from fleeting.core.signing_in import SignIn, SignInKind
from tests.installation import new_key, sign

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
IDP = "https://idp.example"
KEY = new_key()
KEYS = KeySet((KEY.public(),))
PROVIDER = IdentityProvider(IDP, "fleeting", {"groups": "groups", "dept": "department"}, "p:")
DECLARED = Declarations({"department": ValueType.STRING}, {}, {"p:bot"}, {"", "p:", "p:x:"})
ASKED = LoginRequest("ours", "https://as/login/callback", ("openid",), (), timedelta(hours=12))
SIGN_IN = SignIn(SignInKind.PROVIDER, "b", "the-nonce", NOW, "/", "verifier")
METADATA = ProviderMetadata(IDP, f"{IDP}/auth", f"{IDP}/token", names_itself=True)
CONFIGURATION = {
    "issuer": IDP,
    "authorization_endpoint": f"{IDP}/auth",
    "token_endpoint": f"{IDP}/token",
    "authorization_response_iss_parameter_supported": True,
}
CLAIMS = {
    "iss": IDP,
    "aud": "ours",
    "sub": "alice",
    "nonce": "the-nonce",
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 60,
    "auth_time": int(NOW.timestamp()) - 30,
    "groups": ["leads"],
    "dept": "payments",
    "name": "Alice",
}


# ------------------------------------------------------------------------------ discovery


def test_a_configuration_says_where_to_go():
    assert read_provider_metadata(CONFIGURATION, IDP) == METADATA
    silent = {**CONFIGURATION, "authorization_response_iss_parameter_supported": "true"}
    assert not read_provider_metadata(silent, IDP).names_itself


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": f"{IDP}/"},
        {"issuer": None},
        {"token_endpoint": None},
        {"token_endpoint": 3},
        {"token_endpoint": "http://idp.example/token"},
        {"token_endpoint": "https://user@idp.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "https://[broken"},
    ],
)
def test_a_configuration_that_is_anothers_or_leads_astray_is_not_used(wrong):
    with pytest.raises(TemporarilyUnavailable):
        read_provider_metadata({**CONFIGURATION, **wrong}, IDP)


# ------------------------------------------------------------------------------ there


def asked_of(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_the_browser_is_sent_with_state_nonce_and_an_s256_challenge():
    url = authorization_url(METADATA, ASKED, SIGN_IN, "the-state")
    assert url.startswith(f"{IDP}/auth?")
    assert asked_of(url) == {
        "response_type": "code",
        "client_id": "ours",
        "redirect_uri": "https://as/login/callback",
        "scope": "openid",
        "state": "the-state",
        "nonce": "the-nonce",
        "code_challenge": code_challenge("verifier"),
        "code_challenge_method": "S256",
        "max_age": "43200",
    }


def test_a_second_login_is_asked_for_by_prompt():
    again = replace(ASKED, acr_values=("high", "mid")).of(replace(SIGN_IN, again=True))
    metadata = replace(METADATA, authorization_endpoint=f"{IDP}/auth?tenant=1")
    url = authorization_url(metadata, again, SIGN_IN, "s")
    assert url.startswith(f"{IDP}/auth?tenant=1&")
    assert asked_of(url)["prompt"] == "login"
    assert asked_of(url)["acr_values"] == "high mid"


def test_the_challenge_is_that_of_rfc_7636_appendix_b():
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert code_challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


# ------------------------------------------------------------------------------ and back


def test_the_code_of_the_right_provider_is_taken():
    assert read_callback({"code": "c", "iss": IDP}, METADATA) == "c"
    assert read_callback({"code": "c"}, replace(METADATA, names_itself=False)) == "c"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"code": "c"}, "does not say which"),
        ({"code": "c", "iss": "https://evil.example"}, "another identity provider"),
        ({"error": "access_denied"}, "does not say which"),
        ({"error": "access_denied", "iss": "https://evil.example"}, "another identity provider"),
        ({"error": "access_denied", "iss": IDP}, "cancelled"),
        ({"iss": IDP}, "no code"),
    ],
)
def test_any_other_answer_is_refused(answer, told):
    with pytest.raises(SignInRefused, match=told):
        read_callback(answer, METADATA)


def test_what_a_provider_writes_is_for_the_log_alone():
    answer = {"error": "<script>", "error_description": "<b>call us</b>", "iss": IDP}
    with pytest.raises(SignInRefused) as refused:
        read_callback(answer, METADATA)
    assert "<" not in refused.value.description
    assert "<b>call us</b>" in refused.value.detail


# ------------------------------------------------------------------------------ the ID token


def verify(claims, *, asked=ASKED, sign_in=SIGN_IN, typ="JWT", now=NOW):
    token = sign(KEY, {**CLAIMS, **claims}, typ=typ)
    return verify_id_token(token, KEYS, PROVIDER, asked, sign_in, now)


def test_the_id_token_of_this_login_is_believed():
    assert verify({}).string("sub") == "alice"
    assert verify({"aud": ["ours", "other"], "azp": "ours"}).string("sub") == "alice"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"aud": "fleeting"}, "does not name ours"),
        ({"aud": ["ours", "other"]}, "several audiences"),
        ({"azp": "other"}, "azp"),
        ({"nonce": "of-another-login"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"exp": int(NOW.timestamp()) - 60}, "expired"),
        ({"iat": int(NOW.timestamp()) + 60}, "future"),
        ({"iat": None}, "iat"),
        ({"auth_time": None}, "auth_time"),
        ({"auth_time": int(NOW.timestamp()) + 60}, "future"),
        ({"auth_time": int(NOW.timestamp()) - 13 * 3600}, "older"),
        ({"events": {}}, "events"),
    ],
)
def test_any_other_id_token_is_refused(wrong, told):
    with pytest.raises(JoseError, match=told):
        verify(wrong)


def test_an_access_token_is_no_id_token():
    with pytest.raises(JoseError, match="access token"):
        verify({}, typ="at+jwt")


def test_a_fresh_login_must_be_fresh():
    again = ASKED.of(replace(SIGN_IN, again=True))
    with pytest.raises(JoseError, match="older"):
        verify({}, asked=again)
    fresh = {"auth_time": int(NOW.timestamp()) + 2}
    assert verify(fresh, asked=again, now=NOW + timedelta(seconds=5))


def test_the_login_must_be_as_strong_as_asked():
    strong = replace(ASKED, acr_values=("high",))
    assert verify({"acr": "high"}, asked=strong)
    for acr in ("low", None):
        with pytest.raises(JoseError, match="acr"):
            verify({"acr": acr}, asked=strong)


# ------------------------------------------------------------------------------ the person


def subject(**claims):
    return signed_in_subject(VerifiedClaims({}, {**CLAIMS, **claims}), PROVIDER, DECLARED)


def test_a_person_is_called_as_their_exchanged_tokens_call_them():
    found = subject()
    assert (found.id, found.groups) == ("p:alice", {"leads"})
    assert found.attributes == {"department": "payments"}


@pytest.mark.parametrize("wrong", [{"sub": "bot"}, {"sub": "x:alice"}, {"groups": 3}, {"acr": 3}])
def test_who_has_anothers_name_is_refused(wrong):
    with pytest.raises(SignInRefused):
        subject(**wrong)


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"name": " Alice ", "email": "a@x"}, "Alice"),
        ({"name": "", "preferred_username": "al"}, "al"),
        ({"name": "A\u202elice", "email": "a@x"}, "a@x"),
        ({"name": "A" * 101}, "id"),
        ({"name": 3}, "id"),
    ],
)
def test_a_person_is_shown_by_a_name_that_can_be_shown(claims, name):
    assert shown_name(claims, "id") == name


ALICE = Person("p:alice", "Old", frozenset({"old"}), {}, IDP, frozenset({"alice-admin"}))


def test_the_first_login_makes_a_person():
    person = person_after_login(subject(), "Alice", None, NOW)
    assert (person.id, person.name, person.issuer) == ("p:alice", "Alice", IDP)
    assert person.groups == {"leads"}
    assert person.signed_in_at == NOW


def test_every_login_takes_the_groups_of_now():
    person = person_after_login(subject(groups=["new"]), "Alice", ALICE, NOW)
    assert person.groups == {"new"}
    assert person.name == "Alice"
    assert person.aliases == {"alice-admin"}


def test_a_login_by_another_name_lends_no_groups():
    other = Subject(SubjectKind.USER, "alice-admin", frozenset({"root"}), {}, "https://other")
    person = person_after_login(other, "Admin", ALICE, NOW)
    assert person == replace(ALICE, signed_in_at=NOW)


@pytest.mark.parametrize(
    "known",
    [
        replace(ALICE, disabled=True),
        replace(ALICE, issuer=None),
        replace(ALICE, issuer="https://other"),
        replace(ALICE, disabled=True, aliases=frozenset({"p:alice"})),
    ],
)
def test_nobody_takes_another_persons_account(known):
    with pytest.raises(SignInRefused):
        person_after_login(subject(), "Alice", known, NOW)
