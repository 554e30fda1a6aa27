import base64
from datetime import UTC, datetime

import httpx
import pytest

from fleeting.client import JustInTime, TokenClient
from fleeting.client.identity import make_identity
from fleeting.core.jose import UnverifiedJwt
from tests.client.standins import new_key, private_jwk

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JWK = private_jwk(new_key())
ISSUER = "https://auth.example.com"


@pytest.mark.parametrize(
    "issuer",
    [
        "http://auth.example.com",
        "auth.example.com",
        "",
        "https://auth.example.com?x",
        "https://user:pw@auth.example.com",
        "ftp://127.0.0.1",
    ],
)
@pytest.mark.parametrize("face", [JustInTime, TokenClient])
def test_an_issuer_that_credentials_must_not_travel_to_is_refused(face, issuer):
    with pytest.raises(ValueError, match="https"):
        face(issuer, "bot", JWK)


@pytest.mark.parametrize(
    ("client_id", "key", "secret"),
    [("", JWK, None), ("bot", None, None), ("bot", JWK, "secret"), ("bot", None, "")],
)
def test_an_incomplete_or_ambiguous_identity_is_refused(client_id, key, secret):
    with pytest.raises(ValueError):  # noqa: PT011 -- each says something else
        make_identity(ISSUER, client_id, key, secret=secret)


def test_the_assertion_is_signed_under_the_kid_of_its_jwk():
    for jwk, kid in ((JWK, None), ({**JWK, "kid": "k1"}, "k1")):
        _, fields = make_identity(ISSUER, "bot", jwk).authentication(NOW)
        assert UnverifiedJwt.parse(fields["client_assertion"]).header.get("kid") == kid


def test_basic_credentials_are_form_encoded_first():
    headers, fields = make_identity(ISSUER, "a:b", secret="c%d é").authentication(NOW)
    encoded = headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(encoded) == b"a%3Ab:c%25d+%C3%A9"
    assert fields == {}


def test_a_proof_names_the_call_without_query_fragment_or_user_info():
    request = httpx.Request("post", "https://u:p@api.example.com/a%2Fb?q=1#f")
    identity = make_identity(ISSUER, "bot", JWK)
    jwt = UnverifiedJwt.parse(identity.proof(request, nonce="n", token="t", now=NOW))
    assert jwt.claimed("htu") == "https://api.example.com/a%2Fb"
    assert jwt.claimed("htm") == "POST"
    assert jwt.claimed("nonce") == "n"
    assert jwt.claimed("ath")
    assert "d" not in jwt.header["jwk"]


def test_every_proof_is_a_new_one():
    request = httpx.Request("GET", "https://api.example.com/")
    identity = make_identity(ISSUER, "bot", JWK)
    proofs = [identity.proof(request, nonce=None, token=None, now=NOW) for _ in range(2)]
    assert len({UnverifiedJwt.parse(proof).claimed("jti") for proof in proofs}) == 2


def test_a_client_with_a_secret_gets_a_key_of_its_own_to_bind_tokens_to():
    one, two = (make_identity(ISSUER, "bot", secret="s") for _ in range(2))
    assert one.proof_key.signing.kid != two.proof_key.signing.kid


def test_the_warning_about_bearer_points_at_the_caller():
    for face in (JustInTime, TokenClient):
        with pytest.warns(UserWarning, match="insecure_bearer") as caught:
            face(ISSUER, "bot", JWK, insecure_bearer=True)
        assert caught[0].filename == __file__
