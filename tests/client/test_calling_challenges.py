"""What a hostile resource, or whoever sits in for one, may try with our caller (ATTACKS 12, 36)."""

import httpx
import pytest
from starlette.responses import Response

from fleeting.client import (
    ChallengeRefusedError,
    IssuerMismatchError,
    JustInTime,
    UnexpectedAnswerError,
)
from fleeting.core.challenge import CHALLENGE_TYP
from fleeting.core.jose import KeySet, encode_base64url
from tests.client.conftest import KEY
from tests.client.standins import (
    RESOURCE_METADATA_PATH,
    json_answer,
    new_key,
    private_jwk,
)

REFUNDS = "/payments/42/refunds"
TRADE = "/transaction-authorization"


def call(api, jit, **options):
    return httpx.post(api.url + REFUNDS, json={"amount": 5000}, auth=jit, **options)


def challenge_with(api, parameter: str) -> None:
    header = f'Bearer error="transaction_authorization_required", {parameter}'
    api.instead[REFUNDS] = lambda _: Response(status_code=401, headers={"www-authenticate": header})


def assert_nothing_was_asked(*issuers) -> None:
    for issuer in issuers:
        assert issuer.at(TRADE) == issuer.at("/token") == []


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": None},
        {"exp": 10**12},
        {"iat": 10**11},
        {"txn": "short"},
        {"txn": None},
        {"jti": None},
        {"reason": None},
        {"authorization_details": None},
        {"authorization_details": []},
        {"authorization_details": [], "scope": "a  b"},
        {"act": "someone"},
    ],
)
def test_a_challenge_with_unacceptable_claims_is_refused(api, issuer, jit, claims):
    api.claims = claims
    with pytest.raises(ChallengeRefusedError):
        call(api, jit)
    assert_nothing_was_asked(issuer)


@pytest.mark.parametrize("aud", [None, "", 7, ["x"], "https://elsewhere.example"])
def test_a_challenge_for_whom_else_or_nobody_goes_nowhere(api, issuer, jit, aud):
    api.claims = {"aud": aud}
    with pytest.raises(IssuerMismatchError):
        call(api, jit)
    assert_nothing_was_asked(issuer)


def test_an_audience_in_a_list_is_not_the_issuer(api, issuer, jit):
    api.claims = {"aud": [issuer.url]}
    with pytest.raises(IssuerMismatchError):
        call(api, jit)


def test_a_challenge_signed_with_a_key_that_is_not_published_is_refused(api, issuer, jit):
    api.challenge_key = new_key()
    with pytest.raises(ChallengeRefusedError):
        call(api, jit)
    assert_nothing_was_asked(issuer)


def test_a_challenge_under_a_published_kid_but_another_key_is_refused(api, issuer, jit):
    forged = new_key()
    object.__setattr__(forged, "kid", api.key.kid)
    api.challenge_key = forged
    with pytest.raises(ChallengeRefusedError, match="signature"):
        call(api, jit)
    assert_nothing_was_asked(issuer)


@pytest.mark.parametrize(
    "parameter",
    [
        'transaction_challenge="nonsense"',
        'transaction_challenge="a.b.c"',
        'transaction_challenge=""',
        f'transaction_challenge="{"a" * 20_000}"',
    ],
)
def test_a_challenge_that_is_no_jws_is_refused(api, issuer, jit, parameter):
    challenge_with(api, parameter)
    with pytest.raises(ChallengeRefusedError):
        call(api, jit)
    assert_nothing_was_asked(issuer)


def test_an_unsigned_challenge_is_refused(api, issuer, jit):
    signed = api.challenge(b"{}").split(".")
    none = encode_base64url(b'{"alg":"none","typ":"txn-authz-challenge+jwt"}').decode()
    challenge_with(api, f'transaction_challenge="{none}.{signed[1]}."')
    with pytest.raises(ChallengeRefusedError, match="alg"):
        call(api, jit)
    assert_nothing_was_asked(issuer)


def test_a_jwt_of_another_kind_is_no_challenge(api, issuer, jit):
    token = api.key.sign("at+jwt", {"iss": api.url, "aud": issuer.url})
    challenge_with(api, f'transaction_challenge="{token}"')
    with pytest.raises(ChallengeRefusedError, match="typ"):
        call(api, jit)


def test_two_different_challenges_at_once_are_refused(api, jit):
    one, two = api.challenge(b"{}"), api.challenge(b"{}")
    challenge_with(api, f'transaction_challenge="{one}", Bearer transaction_challenge="{two}"')
    with pytest.raises(ChallengeRefusedError, match="several"):
        call(api, jit)


def test_a_challenge_of_another_resource_is_refused_though_it_is_genuine(
    api, other_api, issuer, jit
):
    issuer.resource_keys[other_api.url] = KeySet((other_api.key.public(),))
    challenge_with(api, f'transaction_challenge="{other_api.challenge(b"{}")}"')
    with pytest.raises(ChallengeRefusedError, match="another resource"):
        call(api, jit)
    assert other_api.received == []
    assert_nothing_was_asked(issuer)


@pytest.mark.parametrize(
    "identifier",
    [
        "{url}/pay",
        "{url}/payments/4",
        "{url}/payments/42/refunds/1",
        "{url}.evil.example",
        "{url}@evil.example",
        "{url}?x=1",
        "{url}#payments",
        "{url}\\payments",
        "https://127.0.0.1/",
        "urn:payments",
        "",
    ],
)
def test_a_resource_that_the_call_is_not_at_is_refused(api, issuer, jit, identifier):
    api.identifier = identifier.format(url=api.url) or " "
    with pytest.raises(ChallengeRefusedError):
        call(api, jit)
    assert_nothing_was_asked(issuer)


def test_a_resource_below_its_origin_is_found_by_its_path(api, issuer, jit):
    api.identifier = f"{api.url}/payments"
    issuer.resource_keys = {api.identifier: KeySet((api.key.public(),))}
    assert call(api, jit).status_code == 200
    assert f"{RESOURCE_METADATA_PATH}/payments" in api.paths()


def test_a_caller_can_name_the_only_resource_that_may_challenge_it(api, issuer):
    jit = JustInTime(issuer.url, "support-bot", private_jwk(KEY), resource=f"{api.url}/payments")
    with pytest.raises(ChallengeRefusedError):
        call(api, jit)
    jit = JustInTime(issuer.url, "support-bot", private_jwk(KEY), resource=api.url)
    assert call(api, jit).status_code == 200


def test_a_token_for_another_transaction_is_not_presented(api, issuer, jit):
    issuer.instead[TRADE] = lambda _: json_answer(
        {"access_token": "abc", "token_type": "DPoP", "expires_in": 60, "txn": "another-one"}
    )
    with pytest.raises(UnexpectedAnswerError, match="another transaction"):
        call(api, jit)
    assert len(api.at(REFUNDS)) == 1


def test_a_challenge_over_plain_http_is_refused_before_anything_is_fetched():
    issuer = "https://auth.example.com"
    resource = "http://payments.example.com"
    jit = JustInTime(issuer, "support-bot", private_jwk(KEY))
    text = new_key().sign(CHALLENGE_TYP, {"iss": resource, "aud": issuer})
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        header = f'Bearer transaction_challenge="{text}"'
        return httpx.Response(401, headers={"www-authenticate": header})

    with (
        httpx.Client(transport=httpx.MockTransport(answer)) as client,
        pytest.raises(ChallengeRefusedError, match="https"),
    ):
        client.get(f"{resource}/x", auth=jit)
    assert len(asked) == 1
