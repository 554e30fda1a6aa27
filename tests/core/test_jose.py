import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import example, given
from hypothesis import strategies as st
from joserfc import jws as library
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from fleeting.core.jose import (
    CLIENT_ALGS,
    MAX_JWT_BYTES,
    PROVIDER_ALGS,
    JoseError,
    KeySet,
    SigningKey,
    UnknownKeyError,
    UnverifiedJwt,
    VerificationKey,
    VerifiedClaims,
    decode_base64url,
    encode_base64url,
    public_key,
)
from tests.installation import jws, new_key, public_jwk, sign

SMALL_MODULUS = encode_base64url(b"\xff" * 127 + b"\xfd").decode()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
KEY = new_key()
KEYS = KeySet((KEY.public(),))
TOKEN = KEY.sign("at+jwt", {"sub": "alice", "note": "ü"})
RSA = RSAKey.generate_key(2048)
SIGNATURES = {
    name: library.JWSRegistry(algorithms=[name]).get_alg(name) for name in PROVIDER_ALGS - {"EdDSA"}
}
SIGNATURES["EdDSA"] = SIGNATURES["Ed25519"]
KINDS = {
    "ES256": ECKey.generate_key("P-256"),
    "ES384": ECKey.generate_key("P-384"),
    "ES512": ECKey.generate_key("P-521"),
    "Ed25519": OKPKey.generate_key("Ed25519"),
    "EdDSA": OKPKey.generate_key("Ed25519"),
    **dict.fromkeys(("PS256", "PS384", "PS512", "RS256"), RSA),
}


def verify(token, keys=KEYS, *, algs=CLIENT_ALGS, typ=("at+jwt",)):
    return UnverifiedJwt.parse(token).verify(keys, algs=algs, typ=typ)


def test_what_was_signed_is_read():
    verified = verify(TOKEN)
    assert verified.claims == {"sub": "alice", "note": "ü"}
    assert verified.header == {"alg": "ES256", "typ": "at+jwt", "kid": KEY.kid}


def test_a_claim_can_be_looked_at_before_but_only_to_choose_keys():
    assert UnverifiedJwt.parse(TOKEN).claimed("sub") == "alice"
    assert UnverifiedJwt.parse(TOKEN).claimed("iss") is None


@pytest.mark.parametrize("alg", sorted(KINDS))
def test_every_algorithm_of_providers_verifies(alg):
    key, header = KINDS[alg], encode_base64url(json.dumps({"alg": alg}).encode())
    signing_input = header + b"." + encode_base64url(b'{"sub":"a"}')
    signature = encode_base64url(SIGNATURES[alg].sign(signing_input, key))
    token = (signing_input + b"." + signature).decode()
    keys = KeySet((public_key(key.as_dict(private=False)),))
    assert verify(token, keys, algs=PROVIDER_ALGS, typ=(None,)).claims == {"sub": "a"}
    with pytest.raises(JoseError, match="'alg' is not one of"):
        verify(token, keys, algs=PROVIDER_ALGS - {alg}, typ=(None,))


@pytest.mark.parametrize("place", range(len(TOKEN)))
def test_no_bit_of_a_token_can_be_flipped(place):
    for bit in range(8):
        flipped = bytearray(TOKEN.encode())
        flipped[place] ^= 1 << bit
        with pytest.raises(JoseError):
            verify(flipped.decode("latin-1"))


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
@example("..")
@example("e30.e30.")
@example("bnVsbA.bnVsbA.bnVsbA")
def test_any_string_is_a_jwt_or_refused(text):
    with pytest.raises(JoseError):
        verify(text)


parts = st.binary(max_size=60) | st.sampled_from(
    [b"{}", b"[]", b'{"alg":"ES256"}', b'"\xed\xa0\x80"']
)


@given(parts, parts, parts)
def test_any_three_parts_are_a_jwt_or_refused(header, payload, signature):
    token = b".".join(map(encode_base64url, (header, payload, signature))).decode()
    with pytest.raises(JoseError):
        verify(token, typ=("at+jwt", None))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
members = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "alg", "use", "kid", "d", "key_ops"])


@given(st.dictionaries(members, json_values), st.sampled_from([None, *sorted(KINDS)]))
def test_any_json_is_a_key_or_refused(replaced, base):
    jwk = {**(KINDS[base].as_dict(private=False) if base else {}), **replaced}
    try:
        key = public_key(jwk)
    except JoseError:
        return
    assert key.algs
    key.thumbprint()
    json.dumps(key.to_jwk())


@given(json_values)
def test_any_json_is_a_key_set_or_refused(value):
    for document in (value, {"keys": value}, {"keys": [value, public_jwk(KEY)]}):
        try:
            keys = KeySet.from_jwks(document)
        except JoseError:
            continue
        json.dumps(keys.to_jwks())


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "HS256"},
        {"alg": "RS256"},
        {"alg": None},
        {"alg": ["ES256"]},
        {"alg": "ES256", "crit": ["exp"]},
        {"alg": "ES256", "b64": False},
        {"alg": "ES256", "zip": "DEF"},
        {"alg": "ES256", "enc": "A256GCM"},
    ],
)
def test_a_header_that_sets_a_trap_is_refused(header):
    with pytest.raises(JoseError):
        verify(sign(KEY, {"sub": "a"}, typ="at+jwt", header=header))


def test_a_public_key_is_no_hmac_secret():
    public = KEY.key.public_key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signing_input = jws({"alg": "HS256", "typ": "at+jwt"}, {"sub": "a"}, b"").rpartition(".")[0]
    for secret in (public, json.dumps(public_jwk(KEY)).encode(), b""):
        tag = hmac.digest(secret, signing_input.encode(), hashlib.sha256)
        token = f"{signing_input}.{encode_base64url(tag).decode()}"
        with pytest.raises(JoseError, match="'alg'"):
            verify(token)


def test_a_key_in_the_header_is_never_followed():
    other = new_key()
    for trick in ({"jwk": public_jwk(other)}, {"jku": "https://evil.example/jwks"}, {"x5c": ["a"]}):
        token = sign(other, {"sub": "a"}, typ="at+jwt", header={**trick, "kid": KEY.kid})
        with pytest.raises(JoseError, match="signature is wrong"):
            verify(token)


def test_an_unknown_kid_is_told_apart_for_newer_keys_may_know_it():
    with pytest.raises(UnknownKeyError):
        verify(sign(KEY, {}, typ="at+jwt", header={"kid": "../../etc/passwd"}))
    with pytest.raises(UnknownKeyError):
        verify(sign(KEY, {}, typ="at+jwt", header={"kid": 7}))


def test_without_a_kid_every_key_of_the_algorithm_is_tried():
    keys = KeySet((new_key().public(), KEY.public(), public_key(RSA.as_dict(private=False))))
    assert verify(sign(KEY, {"a": 1}, typ="at+jwt", header={"kid": None}), keys).claims == {"a": 1}


@pytest.mark.parametrize(
    ("typ", "accepted", "ok"),
    [
        ("at+jwt", ("at+jwt",), True),
        ("AT+JWT", ("at+jwt",), True),
        ("application/at+jwt", ("at+jwt",), True),
        ("application/application/at+jwt", ("at+jwt",), False),
        ("JWT", ("at+jwt",), False),
        (None, ("at+jwt",), False),
        (None, ("jwt", None), True),
        (7, ("jwt", None), False),
        ("", ("jwt", None), False),
    ],
)
def test_the_type_is_the_one_that_the_caller_names(typ, accepted, ok):
    token = sign(KEY, {"sub": "a"}, header={"typ": typ})
    if ok:
        assert verify(token, typ=accepted).claims == {"sub": "a"}
    else:
        with pytest.raises(JoseError, match="'typ'"):
            verify(token, typ=accepted)


def test_a_signature_over_something_that_is_no_object_is_worth_nothing():
    for payload in (b"[]", b"1", b"", b"{}{}", b'{"a":1,"a":2}'):
        head = encode_base64url(json.dumps({"alg": "ES256", "typ": "at+jwt"}).encode())
        token = library.serialize_compact(
            {"alg": "ES256", "typ": "at+jwt"}, payload, KEY.key, registry=library.JWSRegistry()
        )
        assert token.startswith(head.decode()[:8])
        with pytest.raises(JoseError, match="payload"):
            verify(token)


def test_length_is_bounded():
    long = sign(KEY, {"a": "x" * MAX_JWT_BYTES}, typ="at+jwt")
    with pytest.raises(JoseError, match="too long"):
        verify(long)


@pytest.mark.parametrize(
    "text", ["a", "a.b", "a.b.c.d", "a.b.c.d.e", "a b.c.d", "\u0661.b.c", '{"payload":"","a":"."}']
)
def test_only_the_compact_serialisation_is_read(text):
    with pytest.raises(JoseError):
        UnverifiedJwt.parse(text)


@given(st.binary(max_size=100))
def test_base64url_comes_back_as_it_was(data):
    assert decode_base64url(encode_base64url(data)) == data


@given(st.text("ABab09-_+/= \n\x80", max_size=12))
def test_a_value_has_one_base64url_text_only(text):
    segment = text.encode("latin-1")
    try:
        data = decode_base64url(segment)
    except JoseError:
        return
    assert encode_base64url(data) == segment


# Keys.


def test_a_key_serves_only_the_algorithms_of_its_kind():
    assert public_key(KINDS["ES256"].as_dict(private=False)).algs == ("ES256",)
    assert public_key(RSA.as_dict(private=False)).algs == ("PS256", "PS384", "PS512", "RS256")
    declared = public_key({**RSA.as_dict(private=False), "alg": "PS256"})
    assert declared.algs == ("PS256",)
    assert declared.to_jwk()["alg"] == "PS256"


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {"kty": "oct", "k": "c2VjcmV0"},
        {**public_jwk(KEY), "alg": "ES384"},
        {**public_jwk(KEY), "use": "enc"},
        {**public_jwk(KEY), "crv": "secp256k1"},
        {**public_jwk(KEY), "crv": "P-384"},
        {**public_jwk(KEY), "x": "AAAA"},
        {**public_jwk(KEY), "x": None},
        {**public_jwk(KEY), "kid": 7},
        {**public_jwk(KEY), "kty": ["EC"]},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "n": SMALL_MODULUS, "e": "AQAB"},
        {"kty": "OKP", "crv": "X25519", "x": "AAAA"},
        {"kty": "OKP", "crv": "Ed25519", "x": ""},
    ],
)
def test_what_is_no_public_signature_key_of_ours_is_refused(jwk):
    with pytest.raises(JoseError):
        public_key(jwk)


def test_a_set_passes_over_keys_that_are_not_for_us():
    jwks = {"keys": [{"kty": "oct", "k": "c2VjcmV0"}, "nonsense", KEY.public().to_jwk()]}
    assert [key.kid for key in KeySet.from_jwks(jwks).keys] == [KEY.kid]


@pytest.mark.parametrize("jwks", [None, [], "keys", {}, {"keys": {}}, {"keys": "x"}])
def test_what_is_no_set_is_refused(jwks):
    with pytest.raises(JoseError, match="not a JWK Set"):
        KeySet.from_jwks(jwks)


def test_a_published_set_shows_no_private_half():
    document = KEYS.to_jwks()
    assert document == {"keys": [{**public_jwk(KEY), "use": "sig", "alg": "ES256", "kid": KEY.kid}]}
    assert "kid" not in public_key(public_jwk(KEY)).to_jwk()


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        public_jwk(KEY),
        ECKey.generate_key("P-384").as_dict(private=True),
        RSA.as_dict(private=True),
        OctKey.generate_key(256).as_dict(private=True),
        {**KEY.key.as_dict(private=True), "d": 7},
    ],
)
def test_only_a_private_p256_key_signs(jwk):
    with pytest.raises(JoseError, match="not a private P-256 key"):
        SigningKey.from_jwk(jwk)


def test_a_derived_secret_is_of_this_key_and_this_purpose():
    secret = KEY.derive_secret(b"nonces")
    assert secret == KEY.derive_secret(b"nonces")
    assert len({secret, KEY.derive_secret(b"other"), new_key().derive_secret(b"nonces")}) == 3


# Claims.


def claims(**values):
    return VerifiedClaims({}, values)


@pytest.mark.parametrize("value", [None, "", 7, ["a"], True])
def test_a_required_string_is_a_string_that_says_something(value):
    with pytest.raises(JoseError, match="'sub'"):
        claims(sub=value).string("sub")


def test_an_optional_string_may_be_absent_but_not_something_else():
    assert claims().optional_string("acr") is None
    assert claims(acr="gold").optional_string("acr") == "gold"
    with pytest.raises(JoseError):
        claims(acr="").optional_string("acr")


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5))
@example(float("inf"))
@example(float("nan"))
@example(10**400)
@example(-(10**12))
def test_any_number_is_a_time_or_refused(value):
    try:
        at = claims(exp=value).instant("exp")
    except JoseError:
        return
    assert at.tzinfo is UTC
    try:
        claims(exp=value, nbf=value, iat=value).check_times(now=NOW, leeway=timedelta(seconds=10))
    except JoseError:
        return
    assert abs(at - NOW) <= timedelta(seconds=10)


def test_an_optional_instant_may_be_absent():
    assert claims().optional_instant("auth_time") is None
    assert claims(auth_time=NOW.timestamp()).optional_instant("auth_time") == NOW


@pytest.mark.parametrize("aud", [None, "", [], [""], ["a", 7], 7, {"a": 1}])
def test_an_audience_is_a_string_or_several(aud):
    with pytest.raises(JoseError, match="'aud'"):
        claims(aud=aud).audience()


def test_one_audience_is_short_for_a_list_of_one():
    assert claims(aud="a").audience() == claims(aud=["a"]).audience() == ("a",)


LEEWAY = timedelta(seconds=10)


@pytest.mark.parametrize(
    ("claim", "offset", "ok"),
    [
        ("exp", -LEEWAY + SECOND, True),
        ("exp", -LEEWAY, False),
        ("nbf", LEEWAY, True),
        ("nbf", LEEWAY + SECOND, False),
        ("iat", LEEWAY, True),
        ("iat", LEEWAY + SECOND, False),
    ],
)
def test_times_count_to_the_second(claim, offset, ok):
    times = {"exp": NOW.timestamp() + 60, claim: (NOW + offset).timestamp()}
    checked = claims(**times)
    if ok:
        checked.check_times(now=NOW, leeway=LEEWAY)
    else:
        with pytest.raises(JoseError):
            checked.check_times(now=NOW, leeway=LEEWAY)


def test_the_end_of_time_is_a_time():
    checked = claims(exp=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
    checked.check_times(now=NOW, leeway=LEEWAY)


def test_an_end_is_required():
    with pytest.raises(JoseError, match="'exp'"):
        claims(iat=NOW.timestamp()).check_times(now=NOW, leeway=LEEWAY)


@pytest.mark.parametrize("alg", sorted(KINDS))
@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 96, 132, 256])
def test_a_signature_of_any_length_is_only_wrong(alg, size):
    key = public_key(KINDS[alg].as_dict(private=False))
    for signature in (bytes(size), b"\xff" * size):
        assert not key.verify(alg, b"input", signature)


def test_a_key_verifies_nothing_by_an_algorithm_of_another_kind():
    assert not KEY.public().verify("PS256", b"input", bytes(256))


def test_a_key_that_may_not_verify_has_not_verified():
    jwk = {**KINDS["ES384"].as_dict(private=False), "key_ops": ["sign"]}
    key = VerificationKey(None, ("ES384",), ECKey.import_key(jwk))
    assert not key.verify("ES384", b"", bytes(96))
