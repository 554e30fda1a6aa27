import hashlib
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleeting.core.errors import InvalidDpopProof, OAuthError, UseDpopNonce
from fleeting.core.jose import JoseError
from fleeting.core.model import SenderConstraint
from fleeting.core.sender import (
    CLOCK_SKEW,
    PROOF_WINDOW,
    Nonces,
    ProofContext,
    make_proof_claims,
    normalized_uri,
    token_hash,
    verify_proof,
)
from tests.installation import jws, new_key, public_jwk, sign

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
URI = "http://127.0.0.1:8400/token"
KEY = new_key()
NONCES = Nonces((b"1" * 32,))
CONTEXT = ProofContext("POST", URI, NONCES, NOW)
AT_RESOURCE = ProofContext("POST", URI, NONCES, NOW, access_token="a.b.c")


def proof(*, key=KEY, header=None, at=NOW, access_token=None, **claims):
    honest = make_proof_claims(
        jti="proof-1",
        method="POST",
        uri=URI,
        now=at,
        nonce=NONCES.make(at),
        access_token=access_token,
    )
    shown = {"jwk": public_jwk(key), "kid": None, **(header or {})}
    return sign(key, {**honest, **claims}, typ="dpop+jwt", header=shown)


def test_an_honest_proof_tells_its_key_and_an_id_to_claim():
    verified = verify_proof([proof()], CONTEXT)
    assert verified.key.constraint is SenderConstraint.DPOP
    assert verified.key.thumbprint == KEY.public().thumbprint()
    assert verified.claim.space == "dpop"
    assert verified.claim.digest == hashlib.sha256(b"proof-1").digest()


def test_an_id_stays_claimed_for_as_long_as_its_proof_is_acceptable():
    latest = NOW + CLOCK_SKEW
    claim = verify_proof([proof(iat=int(latest.timestamp()))], CONTEXT).claim
    assert claim.expires_at > latest + PROOF_WINDOW


def refused(sent, context=CONTEXT, why=None):
    with pytest.raises(InvalidDpopProof, match=why):
        verify_proof(sent, context)


def test_check_1_there_is_exactly_one_proof():
    refused([], why="exactly one")
    refused([proof(), proof(jti="other")], why="exactly one")


@pytest.mark.parametrize("text", ["", "x", "a.b", "a.b.c", "....", "ü.b.c", "a" * 9000])
def test_check_2_it_is_a_well_formed_jwt(text):
    refused([text], why="not acceptable")


@pytest.mark.parametrize("claim", ["jti", "htm", "htu", "iat"])
@pytest.mark.parametrize("value", [None, "", True, ["a"]])
def test_check_3_its_claims_are_all_there(claim, value):
    refused([proof(**{claim: value})], why=f"'{claim}'")


@pytest.mark.parametrize("typ", [None, "JWT", "at+jwt", "dpop", "client-authentication+jwt"])
def test_check_4_it_says_that_it_is_a_proof(typ):
    refused([proof(header={"typ": typ})], why="'typ'")


@pytest.mark.parametrize("alg", ["none", "HS256", "RS256", "ES384", None, 7])
def test_check_5_its_algorithm_is_asymmetric_and_known(alg):
    refused([proof(header={"alg": alg})], why="'alg'")


def test_check_5_an_algorithm_that_the_key_does_not_serve_is_refused():
    refused([proof(header={"alg": "PS256"})], why="no key fits")


def test_check_6_it_is_signed_by_the_key_that_it_shows():
    refused([proof(header={"jwk": public_jwk(new_key())})], why="signature is wrong")


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
def test_check_7_it_shows_no_private_key(member):
    refused([proof(header={"jwk": {**public_jwk(KEY), member: "AA"}})], why="never send a private")


@pytest.mark.parametrize(
    "jwk", [None, "key", [], {}, {"kty": "oct"}, {**public_jwk(KEY), "x": "A"}, {"kty": 7}]
)
def test_check_7_it_shows_a_key(jwk):
    refused([proof(header={"jwk": jwk})])


@pytest.mark.parametrize("method", ["GET", "post", "POST "])
def test_check_8_it_is_for_this_method(method):
    refused([proof(htm=method)], why="'htm'")


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:8400/token/",
        "http://127.0.0.1:8400/Token",
        "http://127.0.0.1:8400/",
        "http://127.0.0.1/token",
        "https://127.0.0.1:8400/token",
        "http://evil.example/token",
        "http://user@127.0.0.1:8400/token",
        "/token",
        "127.0.0.1:8400/token",
        "http://[/token",
        "http://127.0.0.1:port/token",
        "ftp://127.0.0.1:8400/token",
    ],
)
def test_check_9_it_is_for_this_uri(uri):
    refused([proof(htu=uri)], why="'htu'")


@pytest.mark.parametrize(
    "uri",
    [
        URI,
        f"{URI}?a=b",
        f"{URI}#c",
        "HTTP://127.0.0.1:8400/token",
        "http://127.0.0.1:8400/%74oken",
    ],
)
def test_check_9_query_fragment_and_spelling_do_not_count(uri):
    verify_proof([proof(htu=uri)], CONTEXT)


@pytest.mark.parametrize("nonce", [None, "made-up", "AAAA", NONCES.make(NOW) + "A", "ü"])
def test_check_10_it_has_a_nonce_of_ours(nonce):
    with pytest.raises(UseDpopNonce):
        verify_proof([proof(nonce=nonce)], CONTEXT)


def test_check_10_a_nonce_that_is_no_string_is_malformed():
    refused([proof(nonce=7)], why="'nonce'")


@pytest.mark.parametrize(
    ("offset", "ok"),
    [
        (-PROOF_WINDOW, True),
        (-PROOF_WINDOW - SECOND, False),
        (CLOCK_SKEW, True),
        (CLOCK_SKEW + SECOND, False),
    ],
)
def test_check_11_it_was_made_just_now(offset, ok):
    sent = [proof(iat=int((NOW + offset).timestamp()))]
    if ok:
        verify_proof(sent, CONTEXT)
    else:
        refused(sent, why="'iat' is too far")


@pytest.mark.parametrize("iat", [1e300, -1e12, 253402300799])
def test_check_11_no_number_breaks_it(iat):
    refused([proof(iat=iat)], why="'iat'")


def test_check_12_at_a_resource_it_goes_with_this_token():
    verify_proof([proof(access_token="a.b.c")], AT_RESOURCE)
    refused([proof()], AT_RESOURCE, why="'ath'")
    refused([proof(access_token="other")], AT_RESOURCE, why="another access token")
    refused([proof(ath="ü")], AT_RESOURCE, why="another access token")
    assert (
        token_hash("a.b.c")
        == make_proof_claims(jti="", method="", uri="", now=NOW, nonce=None, access_token="a.b.c")[
            "ath"
        ]
    )


def test_a_huge_id_costs_no_more_than_a_small_one():
    claim = verify_proof([proof(jti="j" * 5000)], CONTEXT).claim
    assert len(claim.digest) == 32


def test_a_proof_is_made_for_the_uri_without_its_query():
    claims = make_proof_claims(
        jti="j", method="GET", uri=f"{URI}?a=b#c", now=NOW, nonce=None, access_token=None
    )
    assert claims == {"jti": "j", "htm": "GET", "htu": URI, "iat": int(NOW.timestamp())}


json_values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())
)


@given(
    st.dictionaries(st.sampled_from(["jti", "htm", "htu", "iat", "nonce", "ath"]), json_values),
    st.dictionaries(st.sampled_from(["alg", "typ", "kid", "jwk", "x"]), json_values),
)
@example({"jti": "\ud800"}, {})
def test_any_claims_and_header_prove_something_or_are_refused(claims, header):
    try:
        sent = [proof(header=header, **claims)]
    except UnicodeEncodeError:  # what cannot be written cannot be sent
        return
    try:
        verify_proof(sent, AT_RESOURCE)
    except OAuthError:
        return
    raise AssertionError("there was no right 'ath' in it")


@given(st.binary(max_size=60))
@example(b'{"jti":"\xed\xa0\x80"}')
def test_any_payload_is_refused(payload):
    refused([jws({"alg": "ES256", "typ": "dpop+jwt", "jwk": public_jwk(KEY)}, payload, b"s" * 64)])


# Nonces.

STEP = timedelta(seconds=30)
LIFE = 10 * STEP


def test_a_nonce_is_the_same_within_a_step_and_another_in_the_next():
    assert NONCES.make(NOW) == NONCES.make(NOW + STEP - timedelta(microseconds=1))
    assert NONCES.make(NOW) != NONCES.make(NOW + STEP)


def test_a_nonce_lives_for_ten_steps_after_its_own():
    nonce = NONCES.make(NOW)
    last = NOW + LIFE + STEP - timedelta(microseconds=1)
    assert NONCES.accepts(nonce, last)
    assert not NONCES.accepts(nonce, last + timedelta(microseconds=1))


def test_a_sibling_whose_clock_is_a_step_ahead_is_believed_and_no_more():
    assert NONCES.accepts(NONCES.make(NOW + STEP), NOW)
    assert not NONCES.accepts(NONCES.make(NOW + 2 * STEP), NOW)


def test_a_nonce_of_an_earlier_secret_is_accepted_until_the_secret_goes():
    old, new = Nonces((b"o" * 32,)), Nonces((b"n" * 32, b"o" * 32))
    assert new.accepts(old.make(NOW), NOW)
    assert not old.accepts(new.make(NOW), NOW)
    assert not Nonces((b"n" * 32,)).accepts(old.make(NOW), NOW)


def test_nonces_of_consecutive_steps_have_nothing_in_common_but_the_step():
    made = [NONCES.make(NOW + place * STEP) for place in range(20)]
    assert len(set(made)) == 20
    assert all(a[12:] != b[12:] for a, b in pairwise(made))


@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda data: data.decode("latin-1")))
@example("\ud800")
@example("")
def test_any_string_is_a_nonce_of_ours_or_refused(text):
    assert not NONCES.accepts(text, NOW)


@given(st.integers(0, 31), st.sampled_from("ABCxyz019-_"))
def test_no_character_of_a_nonce_can_be_changed(place, character):
    nonce = NONCES.make(NOW)
    changed = nonce[:place] + character + nonce[place + 1 :]
    assert NONCES.accepts(changed, NOW) is (changed == nonce)


# URIs.


@pytest.mark.parametrize(
    ("uri", "normal"),
    [
        ("HTTPS://API.Example.com", "https://api.example.com/"),
        ("https://api.example.com:443/a", "https://api.example.com/a"),
        ("http://api.example.com:80/a", "http://api.example.com/a"),
        ("http://api.example.com:443/a", "http://api.example.com:443/a"),
        ("https://api.example.com/%7eme/%41", "https://api.example.com/~me/A"),
        ("https://api.example.com/a%2fb", "https://api.example.com/a%2Fb"),
        ("https://api.example.com/a/../b", "https://api.example.com/a/../b"),
        ("https://api.example.com/%ff", "https://api.example.com/%FF"),
        ("https://api.example.com/ü", "https://api.example.com/%C3%BC"),
        ("https://api.example.com/a?b#c", "https://api.example.com/a"),
        ("http://[::1]:8400/a", "http://[::1]:8400/a"),
        ("http://[::1:8400]/a", "http://[::1:8400]/a"),
    ],
)
def test_a_uri_has_one_normal_form(uri, normal):
    assert normalized_uri(uri) == normal
    assert normalized_uri(normal) == normal


@given(
    st.text(max_size=30), st.sampled_from(["", "http://", "https://a", "https://a/", "http://a:"])
)
@example("\ud800", "https://a/")
@example("%2", "https://a/")
@example("\uff0f", "https://a")
def test_any_string_is_a_uri_with_a_stable_normal_form_or_refused(text, start):
    try:
        normal = normalized_uri(start + text)
    except JoseError:
        return
    assert normalized_uri(normal) == normal
    assert "?" not in normal
    assert "#" not in normal
