"""Transaction challenges: who gets one, for what, and how it is checked."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from fleeting.core.challenge import read_challenge
from fleeting.core.jose import KeySet
from fleeting.core.model import Actor
from fleeting.resource import GuardMiddleware, body, operation, path, protect, scope
from tests.resource.stand_in import new_key, private_jwk

RESOURCE = "http://127.0.0.1:8401"
REFUNDS = "/payments/42/refunds"
ORDER = {"amount": 5000, "currency": "EUR"}
ACCEPT = {"Accept-Txn-Challenge": "?1"}
RULES = [
    protect(
        "POST",
        "/payments/{payment_id}/refunds",
        operation(
            "payment_refund",
            payment_id=path("payment_id"),
            amount=body("amount"),
            currency=body("currency"),
            note=body("note"),
        ),
    ),
    protect("GET", "/payments/{payment_id}", scope("payments:read")),
]


async def served(scope_, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})


@pytest.fixture
def client(guard, client_of):
    return client_of(GuardMiddleware(served, guard, RULES))


@pytest.fixture
def read(client, issuer):
    async def challenge_in(answer):
        """Find the challenge and check it as its reader must: by the resource's own documents."""
        assert answer.status_code == 401
        header = answer.headers["WWW-Authenticate"]
        assert header.startswith('Bearer error="transaction_authorization_required", ')
        assert answer.json()["error"] == "transaction_authorization_required"
        text = re.search(r'transaction_challenge="([^"]+)"', header)[1]
        metadata_url = re.search(r'resource_metadata="([^"]+)"', header)[1]
        metadata = (await client.get(metadata_url)).json()
        jwks = (await client.get(metadata["txn_challenge_jwks_uri"])).json()
        assert "d" not in jwks["keys"][0]
        return read_challenge(
            text,
            KeySet.from_jwks(jwks),
            resource=metadata["resource"],
            authorization_server=issuer.url,
            now=datetime.now(UTC),
        )

    return challenge_in


async def test_a_call_without_a_token_is_challenged_for_exactly_itself(client, read):
    challenge = await read(await client.post(REFUNDS, json=ORDER, headers=ACCEPT))
    assert challenge.details == [
        {"type": "payment_refund", "actions": ["refund"], "payment_id": "42", **ORDER}
    ]
    assert "Refund one payment" in challenge.reason
    assert challenge.actors == ()


async def test_each_challenge_is_a_transaction_of_its_own(client, read):
    first, second = [
        await read(await client.post(REFUNDS, json=ORDER, headers=ACCEPT)) for _ in range(2)
    ]
    assert first.txn != second.txn
    assert first.jti != second.jti


async def test_a_scope_is_challenged_for_as_a_scope(client, read):
    challenge = await read(await client.get("/payments/42", headers=ACCEPT))
    assert challenge.scopes == ("payments:read",)
    assert challenge.details is None


@pytest.mark.parametrize(
    "accept",
    [[], ["?0"], ["1"], ["true"], ['"?1"'], ["?1, ?1"], ["?1", "?1"], ["(?1)"]],
)
async def test_who_does_not_accept_challenges_gets_none(client, accept):
    headers = [("Accept-Txn-Challenge", value) for value in accept]
    answer = await client.post(REFUNDS, json=ORDER, headers=headers)
    assert answer.headers["WWW-Authenticate"].startswith("DPoP algs=")


async def test_unknown_parameters_of_the_signal_are_ignored(client, read):
    headers = {"Accept-Txn-Challenge": "?1;depth=3"}
    await read(await client.post(REFUNDS, json=ORDER, headers=headers))


async def test_a_valid_token_for_another_call_is_challenged_with_its_actors(
    client, read, guard, issuer, caller
):
    actors = (Actor("agent-7", "https://idp.example.com"), Actor("agent-6"))
    token = issuer.token(uses=1, key=caller.bound, actors=actors)
    headers = caller.headers(guard, "POST", REFUNDS, token) | ACCEPT
    answer = await client.post(REFUNDS, json={**ORDER, "amount": 9000}, headers=headers)
    challenge = await read(answer)
    assert challenge.actors == actors
    assert challenge.details[0]["amount"] == 9000
    assert "9000 is more than 5000" in answer.json()["error_description"]


async def test_a_spent_token_is_challenged(client, read, guard, issuer, caller):
    token = issuer.token(uses=1, key=caller.bound, actors=(Actor("agent-7"),))
    for _ in range(2):
        headers = caller.headers(guard, "POST", REFUNDS, token) | ACCEPT
        answer = await client.post(REFUNDS, json=ORDER, headers=headers)
    challenge = await read(answer)
    assert challenge.actors == (Actor("agent-7"),)
    assert "spent" in answer.json()["error_description"]


async def test_an_expired_token_is_challenged_without_its_actors(
    client, read, guard, issuer, caller
):
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    token = issuer.token(uses=1, key=caller.bound, actors=(Actor("agent-7"),), now=long_ago)
    headers = caller.headers(guard, "POST", REFUNDS, token) | ACCEPT
    challenge = await read(await client.post(REFUNDS, json=ORDER, headers=headers))
    assert challenge.actors == ()


@pytest.mark.parametrize(
    "authorization", ["DPoP a.b.c", "DPoP x y", "Bearer eyJhbGciOiJub25lIn0.e30."]
)
async def test_a_token_that_is_not_genuine_is_refused_not_challenged(client, authorization):
    headers = {"Authorization": authorization, **ACCEPT}
    answer = await client.post(REFUNDS, json=ORDER, headers=headers)
    assert 'DPoP error="invalid_token"' in answer.headers["WWW-Authenticate"]


async def test_a_token_without_its_key_is_refused_not_challenged(client, issuer, caller):
    token = issuer.token(uses=1, key=caller.bound)
    headers = {"Authorization": f"Bearer {token}", **ACCEPT}
    answer = await client.post(REFUNDS, json=ORDER, headers=headers)
    assert 'DPoP error="invalid_token"' in answer.headers["WWW-Authenticate"]


async def test_a_revoked_token_is_refused_not_challenged(client, guard, issuer, caller):
    issuer.refusal = "revoked"
    token = issuer.token(uses=1, key=caller.bound)
    headers = caller.headers(guard, "POST", REFUNDS, token) | ACCEPT
    answer = await client.post(REFUNDS, json=ORDER, headers=headers)
    assert answer.headers["WWW-Authenticate"].startswith('DPoP error="invalid_token"')
    assert "revoked" in answer.json()["error_description"]


async def test_a_call_that_cannot_be_read_is_not_challenged(client):
    answer = await client.post(REFUNDS, json={**ORDER, "amount": "5000"}, headers=ACCEPT)
    assert answer.status_code == 400
    answer = await client.post(REFUNDS, json=[], headers=ACCEPT)
    assert answer.status_code == 400


async def test_a_note_cannot_break_out_of_a_header(client, read):
    note = 'quote " backslash \\ umlaut ä'
    challenge = await read(await client.post(REFUNDS, json={**ORDER, "note": note}, headers=ACCEPT))
    assert challenge.details[0]["note"] == note


async def test_a_given_challenge_key_signs_under_its_own_kid(make_guard, client_of, issuer):
    jwk = {**private_jwk(new_key()), "kid": "challenges-2026"}
    client = client_of(GuardMiddleware(served, make_guard(challenge_key=jwk), RULES))
    jwks = (await client.get("/.well-known/fleeting-jwks.json")).json()
    assert [key["kid"] for key in jwks["keys"]] == ["challenges-2026"]
    answer = await client.post(REFUNDS, json=ORDER, headers=ACCEPT)
    text = re.search(r'transaction_challenge="([^"]+)"', answer.headers["WWW-Authenticate"])[1]
    read_challenge(
        text,
        KeySet.from_jwks(jwks),
        resource=RESOURCE,
        authorization_server=issuer.url,
        now=datetime.now(UTC),
    )


async def test_the_metadata_of_a_resource_with_a_path_lies_before_that_path(make_guard, client_of):
    guard = make_guard(resource=f"{RESOURCE}/v1")
    client = client_of(GuardMiddleware(served, guard, RULES))
    answer = await client.get("/.well-known/oauth-protected-resource/v1")
    assert answer.json()["resource"] == f"{RESOURCE}/v1"
    jwks_uri = answer.json()["txn_challenge_jwks_uri"]
    assert (await client.get(jwks_uri)).json()["keys"]
