import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from fleeting.client.keys import generate_key, read_key
from tests.client.standins import new_key, private_jwk

KEY = new_key()
JWK = private_jwk(KEY)
OBJECT = KEY.key.private_key
PEM = OBJECT.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    "source",
    [JWK, json.dumps(JWK), {"keys": [JWK]}, OBJECT, PEM],
    ids=["mapping", "json", "set", "object", "pem"],
)
def test_a_key_is_read_from_whatever_holds_it(source):
    assert read_key(source).signing.kid == KEY.kid


@pytest.mark.parametrize("text", [json.dumps(JWK), PEM], ids=["json", "pem"])
def test_a_key_is_read_from_a_file(tmp_path, text):
    path = tmp_path / "bot.jwk.json"
    path.write_text(text)
    assert read_key(path).signing.kid == read_key(str(path)).signing.kid == KEY.kid


def test_the_kid_is_the_jwks_own_or_none():
    assert read_key({**JWK, "kid": "2026-01"}).kid == "2026-01"
    assert read_key(JWK).kid is None


def test_the_public_half_shows_nothing_private():
    assert set(read_key(JWK).public_jwk()) == {"kty", "crv", "x", "y"}
    assert JWK["d"] not in repr(read_key(JWK))


def test_generated_keys_differ():
    assert generate_key().signing.kid != generate_key().signing.kid


def public_jwk() -> dict:
    return {name: value for name, value in JWK.items() if name != "d"}


def pem(key, encryption=None) -> str:
    wrapped = encryption or NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, wrapped).decode()


UNUSABLE = {
    "public": public_jwk(),
    "set of two": {"keys": [JWK, JWK]},
    "empty set": {"keys": []},
    "set of text": {"keys": ["x"]},
    "set of a number": {"keys": 7},
    "empty object": {},
    "symmetric": {"kty": "oct", "k": "c2VjcmV0LXNlY3JldA"},
    "broken json": "{not json",
    "empty json": "{}",
    "broken pem": "-----BEGIN PRIVATE KEY-----\nnonsense",
    "p-384 pem": pem(ec.generate_private_key(ec.SECP384R1())),
    "p-384": ec.generate_private_key(ec.SECP384R1()),
    "ed25519 pem": pem(ed25519.Ed25519PrivateKey.generate()),
    "encrypted pem": pem(OBJECT, BestAvailableEncryption(b"pw")),
    "nothing": "",
    "no such file": "no/such/file",
    "bare secret": JWK["d"],
    "no path": "a\0b",
}


@pytest.mark.parametrize("source", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_what_is_no_private_p256_key_is_refused_without_being_shown(source):
    with pytest.raises(ValueError, match="private P-256 key") as caught:
        read_key(source)
    assert JWK["d"] not in str(caught.value)
