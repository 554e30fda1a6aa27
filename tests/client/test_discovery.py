"""What a hostile resource, or whoever sits in for one, may try with our caller (ATTACKS 12, 36)."""

from datetime import timedelta

import httpx
import pytest
from starlette.responses import RedirectResponse, Response

from fleeting.client import (
    ChallengeRefusedError,
    FleetingError,
    IssuerMismatchError,
    IssuerUnavailableError,
    UnexpectedAnswerError,
)
from fleeting.core.jose import KeySet
from tests.client.standins import (
    METADATA_PATH,
    RESOURCE_METADATA_PATH,
    json_answer,
    new_key,
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


def test_metadata_of_another_resource_is_refused(api, other_api, issuer, jit):
    api.instead[RESOURCE_METADATA_PATH] = lambda _: json_answer(other_api.metadata())
    with pytest.raises(ChallengeRefusedError, match="another resource"):
        call(api, jit)
    assert_nothing_was_asked(issuer)


@pytest.mark.parametrize(
    "uri", ["{other}/keys", "/keys", "file:///keys", "{own}@{other}", None, 7, [], "{own}#x"]
)
def test_keys_are_taken_from_the_resources_own_origin_only(api, other_api, issuer, jit, uri):
    if isinstance(uri, str):
        uri = uri.format(other=other_api.url, own=api.url)
    changed = api.metadata(txn_challenge_jwks_uri=uri)
    api.instead[RESOURCE_METADATA_PATH] = lambda _: json_answer(changed)
    api.challenge_key = other_api.key
    with pytest.raises(ChallengeRefusedError, match="own origin"):
        call(api, jit)
    assert other_api.received == []
    assert_nothing_was_asked(issuer)


def test_an_authorization_server_that_the_resource_names_gets_nothing(api, issuer, rogue, jit):
    changed = api.metadata(authorization_servers=[rogue.url])
    api.instead[RESOURCE_METADATA_PATH] = lambda _: json_answer(changed)
    assert call(api, jit).status_code == 200
    assert rogue.received == []


def test_a_resource_metadata_hint_elsewhere_is_not_followed(api, rogue, jit):
    text = api.challenge(b"{}")
    challenge_with(
        api,
        f'transaction_challenge="{text}", resource_metadata="{rogue.url}/x", '
        f'authorization_uri="{rogue.url}"',
    )
    with pytest.raises(FleetingError):
        call(api, jit)
    assert rogue.received == []


@pytest.mark.parametrize("path", [RESOURCE_METADATA_PATH, "/keys"])
@pytest.mark.parametrize(
    "answer",
    [
        Response("not json"),
        Response("[]"),
        Response("null"),
        Response(b"\xff\xfe"),
        Response("{" * 5000),
        Response('{"resource": 1, "resource": 2}'),
        Response(status_code=404),
        Response(status_code=500),
        Response(b"x" * 300_000),
        Response("{}", headers={"content-encoding": "gzip"}),
        RedirectResponse("/keys", 302),
    ],
)
def test_documents_that_are_none_are_refused(api, issuer, jit, path, answer):
    api.instead[path] = lambda _: answer
    with pytest.raises(ChallengeRefusedError):
        call(api, jit)
    assert_nothing_was_asked(issuer)


def test_rotated_keys_are_found_when_an_unknown_one_signs(api, issuer, jit, monkeypatch):
    monkeypatch.setattr("fleeting.client.discovery.KEYS_REFRESH_AFTER", timedelta(0))
    assert call(api, jit).status_code == 200
    api.key = new_key()
    issuer.resource_keys[api.url] = KeySet((api.key.public(),))
    assert call(api, jit).status_code == 200


def test_unknown_keys_do_not_make_the_caller_fetch_at_will(api, jit):
    call(api, jit)
    api.challenge_key = new_key()
    for _ in range(5):
        with pytest.raises(ChallengeRefusedError):
            call(api, jit)
    assert len(api.at("/keys")) == 1


@pytest.mark.parametrize("named", ["https://evil.example", None, 7, "{issuer}/", "{issuer} "])
def test_metadata_of_another_issuer_is_refused(api, issuer, jit, named):
    named = named.format(issuer=issuer.url) if isinstance(named, str) else named
    replace_metadata(issuer, {"issuer": named})
    with pytest.raises(IssuerMismatchError):
        call(api, jit)
    assert_nothing_was_asked(issuer)


def replace_metadata(issuer, changes) -> None:
    document = {
        "issuer": issuer.url,
        "token_endpoint": f"{issuer.url}/token",
        "transaction_authorization_endpoint": f"{issuer.url}{TRADE}",
        **changes,
    }
    issuer.instead[METADATA_PATH] = lambda _: json_answer(document)


@pytest.mark.parametrize("name", ["token_endpoint", "transaction_authorization_endpoint"])
@pytest.mark.parametrize("url", ["{rogue}/x", "/x", "https://127.0.0.1/x", 7, "{issuer}@evil/x"])
def test_endpoints_elsewhere_get_no_credentials(api, issuer, rogue, jit, name, url):
    url = url.format(rogue=rogue.url, issuer=issuer.url) if isinstance(url, str) else url
    replace_metadata(issuer, {name: url})
    with pytest.raises(IssuerMismatchError):
        call(api, jit)
    assert rogue.received == []
    assert_nothing_was_asked(issuer)


def test_an_issuer_that_knows_no_challenges_is_told_apart(api, issuer, jit):
    replace_metadata(issuer, {"transaction_authorization_endpoint": None})
    with pytest.raises(UnexpectedAnswerError, match="transaction_authorization_endpoint"):
        call(api, jit)


@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_issuer_whose_metadata_cannot_be_had_is_unavailable(api, issuer, jit, status):
    issuer.instead[METADATA_PATH] = lambda _: Response(status_code=status)
    with pytest.raises(IssuerUnavailableError):
        call(api, jit)
    del issuer.instead[METADATA_PATH]
    assert call(api, jit).status_code == 200


def test_keys_that_are_no_key_set_are_refused(api, issuer, jit):
    api.instead["/keys"] = lambda _: json_answer({"keys": "all of them"})
    with pytest.raises(ChallengeRefusedError, match="JWK Set"):
        call(api, jit)
    assert_nothing_was_asked(issuer)
