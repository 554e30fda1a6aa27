"""What a guard is given: types, keys and URLs; a wrong one stops the start and leaks nothing."""

import json

import pytest

from fleeting.core.declaring import DeclarationError
from fleeting.core.errors import InsufficientScope
from fleeting.resource import Guard
from fleeting.resource.declarations import is_safe_url, read_private_key, read_types
from fleeting.resource.responses import Renderer, quoted
from tests.resource.stand_in import DECLARED, RESOURCE, TYPES, new_key, private_jwk

GOOD = {
    "issuer": "http://127.0.0.1:8400",
    "resource": RESOURCE,
    "types": TYPES,
    "client_id": "payments-api",
    "secret": "long and generated",
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"issuer": "http://auth.example.com"}, "issuer: .* must be an https URL"),
        ({"resource": "payments"}, "resource: .* must be an https URL"),
        ({"resource": "https://a.example/?x=1"}, "resource: .* must be an https URL"),
        ({"base_url": "http://api.example.com"}, "base_url: .* must be an https URL"),
        ({"secret": None}, "either key= or secret="),
        ({"key": {"kty": "EC"}}, "either key= or secret="),
        ({"types": {"scope": {"actions": ["x"]}}}, "reserved"),
        ({"types": "nowhere.toml"}, "cannot read"),
        ({"challenge_key": {"kty": "EC", "d": "very private"}}, "challenge_key: give a private"),
        ({"nonce_secret": b"n" * 32}, "share proofs="),
    ],
)
def test_a_wrong_setting_stops_the_start(changes, said):
    with pytest.raises(DeclarationError, match=said) as raised:
        Guard(**{**GOOD, **changes})
    assert "very private" not in str(raised.value)


def test_a_short_nonce_secret_stops_the_start():
    from fleeting.resource import MemoryProofs

    with pytest.raises(DeclarationError, match="32 random bytes"):
        Guard(**GOOD, nonce_secret=b"short", proofs=MemoryProofs())


def test_types_are_read_from_an_installation(tmp_path):
    file = tmp_path / "fleeting.toml"
    file.write_text('issuer = "http://127.0.0.1:8400"\n[types.ping]\nactions = ["send"]\n')
    assert read_types(file)["ping"].actions == ("send",)
    assert read_types(str(file)) == read_types(file)
    assert read_types(DECLARED) == DECLARED


def test_a_file_without_types_stops_the_start(tmp_path):
    file = tmp_path / "other.toml"
    file.write_text("x = 1\n")
    with pytest.raises(DeclarationError, match=r"no \[types"):
        read_types(file)


def test_a_key_may_be_a_mapping_text_a_file_or_a_set_of_one(tmp_path):
    jwk = private_jwk(new_key())
    file = tmp_path / "key.json"
    file.write_text(json.dumps(jwk))
    forms = [jwk, json.dumps(jwk), file, str(file), {"keys": [jwk]}]
    assert {read_private_key("key", form).kid for form in forms} == {jwk["kid"]}
    del jwk["kid"]
    assert read_private_key("key", jwk).kid


@pytest.mark.parametrize(
    "key", ["{", "[]", "{}", {"keys": []}, {"kty": "oct", "k": "AAAA"}, "missing.json"]
)
def test_what_is_no_private_key_stops_the_start(key):
    with pytest.raises(DeclarationError, match="key: "):
        read_private_key("key", key)


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://auth.example.com", True),
        ("http://localhost:8400", True),
        ("http://127.0.0.1:8400/a", True),
        ("http://[::1]:8400", True),
        ("http://127.0.0.1.evil.example", False),
        ("http://localhost.evil.example", False),
        ("http://10.0.0.1", False),
        ("http://127.0.0.1@evil.example", False),
        ("https://user@auth.example.com", False),
        ("https://", False),
        ("https://a:99999", False),
        ("https://[", False),
        ("https://ä.example", False),
        ("ftp://127.0.0.1", False),
        ("/relative", False),
    ],
)
def test_only_https_or_this_machine_is_safe(url, safe):
    assert is_safe_url(url) is safe


def test_no_text_breaks_out_of_a_header():
    assert quoted('a"b\\c\r\nX-Evil: ä\x00\x7f') == '"a?b?c??X-Evil: ???"'
    renderer = Renderer("https://a.example/.well-known/oauth-protected-resource")
    answer = renderer.refusal(InsufficientScope('x", error="ok\r\nX: y'), nonce="n")
    header = dict(answer.headers)[b"www-authenticate"]
    assert b"\r" not in header
    assert header.count(b'error="') == 1


def test_a_secret_does_not_show_in_a_repr():
    guard = Guard(**GOOD)
    assert "long and generated" not in repr(guard._issuer._credentials)
