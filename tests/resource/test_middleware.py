"""The middleware before a plain ASGI application, from no token to a served call."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from fleeting.core.model import Actor
from fleeting.resource import (
    GuardMiddleware,
    granted_of,
)
from tests.resource.payments import RULES, asgi_scope, payments

REFUNDS = "/payments/42/refunds"
ORDER = {"amount": 5000, "currency": "EUR"}
JSON = {"content-type": "application/json"}


@pytest.fixture
def app(guard):
    return GuardMiddleware(payments, guard, RULES)


@pytest.fixture
def client(app, client_of):
    return client_of(app)


@pytest.fixture
def refund(guard, issuer, caller, client):
    async def call(token=None, order=ORDER, path_=REFUNDS, extra=(), **changes):
        token = token or issuer.token(uses=1, key=caller.bound)
        headers = {**caller.headers(guard, "POST", path_, token, **changes), **dict(extra)}
        return await client.post(path_, json=order, headers=headers)

    return call


async def test_a_call_within_its_token_is_served_with_what_was_granted(refund):
    answer = await refund(order={**ORDER, "amount": 4999})
    assert answer.status_code == 200
    seen = answer.json()
    assert seen["use"] == 1
    assert seen["call"]["amount"] == 4999
    assert seen["granted"]["amount"] == 5000
    assert json.loads(seen["body"]) == {**ORDER, "amount": 4999}


async def test_every_served_answer_carries_the_next_nonce(refund, guard):
    assert (await refund()).headers["DPoP-Nonce"] == guard.nonce()


async def test_a_call_without_a_token_is_told_where_to_get_one_and_no_error_code(client):
    answer = await client.post(REFUNDS, json=ORDER)
    challenge = answer.headers["WWW-Authenticate"]
    assert answer.status_code == 401
    assert challenge.startswith('DPoP algs="ES256 ')
    assert "error=" not in challenge
    metadata = "http://127.0.0.1:8401/.well-known/oauth-protected-resource"
    assert f'resource_metadata="{metadata}"' in challenge
    assert answer.headers["Cache-Control"] == "no-store"


async def test_a_spent_token_is_refused(refund, issuer, caller):
    token = issuer.token(uses=1, key=caller.bound)
    assert (await refund(token)).status_code == 200
    again = await refund(token)
    assert again.status_code == 401
    assert 'error="invalid_token"' in again.headers["WWW-Authenticate"]
    assert "spent" in again.json()["error_description"]


async def test_uses_are_counted(refund, issuer, caller):
    token = issuer.token(uses=2, key=caller.bound)
    answers = [await refund(token) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 401]
    assert [answer.json()["use"] for answer in answers[:2]] == [1, 2]


@pytest.mark.parametrize(
    ("order", "path_"),
    [
        ({**ORDER, "amount": 5001}, REFUNDS),
        ({**ORDER, "currency": "USD"}, REFUNDS),
        (ORDER, "/payments/43/refunds"),
    ],
)
async def test_a_call_beyond_its_token_is_refused_and_spends_nothing(refund, issuer, order, path_):
    answer = await refund(order=order, path_=path_)
    assert answer.status_code == 403
    assert 'DPoP error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    assert issuer.spends == []


@pytest.mark.parametrize(
    "amount", ["5000", "5000.0", 5000.0, True, [5000], {"value": 1}, -1, 2**64, None]
)
async def test_an_amount_that_is_no_plain_integer_is_a_bad_request(refund, issuer, amount):
    answer = await refund(order={**ORDER, "amount": amount})
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"
    assert issuer.spends == []


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b'{"amount": 1, "amount": 5000, "currency": "EUR"}', "application/json"),
        (b'{"amount": 5000, "currency": "EUR"}', "text/plain"),
        (b'{"amount": 5000, "currency": "EUR"}', "application/json; charset=utf-16"),
        ('{"amount": 5000, "currency": "EUR"}'.encode("utf-16"), "application/json"),
        (b'\xef\xbb\xbf{"amount": 5000, "currency": "EUR"}', "application/json"),
        (b'{"amount": NaN, "currency": "EUR"}', "application/json"),
        (b"[]", "application/json"),
        (b"", "application/json"),
        (b'{"amount": 5000, "currency": "EUR"', "application/json"),
        (b'{"amount": 5000, "currency": "\xff"}', "application/json"),
        (b"[" * 100_000, "application/json"),
    ],
)
async def test_a_body_that_could_be_read_differently_is_a_bad_request(
    guard, issuer, caller, client, content, content_type
):
    token = issuer.token(uses=1, key=caller.bound)
    headers = caller.headers(guard, "POST", REFUNDS, token) | {"content-type": content_type}
    answer = await client.post(REFUNDS, content=content, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"
    assert issuer.spends == []


async def test_a_compressed_body_is_a_bad_request(refund):
    assert (await refund(extra={"content-encoding": "gzip"})).status_code == 400


async def test_a_body_beyond_the_limit_is_refused_before_it_is_read_whole(refund):
    answer = await refund(order={**ORDER, "note": "x" * 1_100_000})
    assert answer.status_code == 413


async def test_without_a_token_the_body_is_not_even_read(app):
    async def receive():
        raise AssertionError("read")

    sent = []

    async def send(message):
        sent.append(message)

    await app(asgi_scope("POST", REFUNDS), receive, send)
    assert sent[0]["status"] == 401


async def test_a_body_in_many_chunks_is_checked_and_served_whole(guard, issuer, caller, client):
    async def chunks():
        for byte in b'{"amount": 5000, "currency": "EUR", "note": "slowly"}':
            yield bytes([byte])

    token = issuer.token(uses=1, key=caller.bound)
    headers = caller.headers(guard, "POST", REFUNDS, token) | JSON
    answer = await client.post(REFUNDS, content=chunks(), headers=headers)
    assert answer.json()["call"]["note"] == "slowly"
    assert json.loads(answer.json()["body"])["note"] == "slowly"


async def test_a_caller_that_hangs_up_costs_nothing(app, guard, issuer, caller):
    token = issuer.token(uses=1, key=caller.bound)
    sent = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    headers = {**caller.headers(guard, "POST", REFUNDS, token), **JSON}
    await app(asgi_scope("POST", REFUNDS, headers), receive, send)
    assert sent == []
    assert issuer.spends == []


# ------------------------------------------------------------------------------------- tokens


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"audience": "http://127.0.0.1:9999"}, "another resource"),
        ({"now": datetime.now(UTC) - timedelta(hours=1)}, "expired"),
        ({"now": datetime.now(UTC) + timedelta(hours=1)}, "not valid yet"),
        ({"issuer": "http://127.0.0.1:1"}, "another issuer"),
        ({"typ": "JWT"}, "typ"),
        ({"typ": "txn-authz-challenge+jwt"}, "typ"),
        ({"typ": "dpop+jwt"}, "typ"),
    ],
)
async def test_a_token_that_is_not_good_here_and_now_is_invalid(
    refund, issuer, caller, changes, said
):
    answer = await refund(issuer.token(uses=1, key=caller.bound, **changes))
    assert answer.status_code == 401
    assert 'DPoP error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert said in answer.json()["error_description"]
    assert issuer.spends == []


async def test_a_token_with_another_payload_under_its_signature_is_invalid(refund, issuer, caller):
    small, large = (
        issuer.token(uses=1, key=caller.bound),
        issuer.token({**refund_json(), "amount": 10**6}, uses=1, key=caller.bound),
    )
    forged = ".".join([small.split(".")[0], large.split(".")[1], small.split(".")[2]])
    assert (await refund(forged)).status_code == 401


@pytest.mark.parametrize(
    "authorization",
    [
        "DPoP",
        "DPoP ",
        "DPoP a b",
        "DPoP a.b.c",
        "DPoP eyJhbGciOiJub25lIn0.e30.",
        'DPoP "><script>\x7f',
        "Bearer x,y",
        "DPoP \xff\xfe",
    ],
)
async def test_a_malformed_token_is_invalid(client, authorization):
    headers = {"Authorization": authorization.encode("latin-1")}
    answer = await client.post(REFUNDS, json=ORDER, headers=headers)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


async def test_another_scheme_is_no_token_at_all(client):
    answer = await client.post(REFUNDS, json=ORDER, headers={"Authorization": "Basic eDp5"})
    assert "error=" not in answer.headers["WWW-Authenticate"]


async def test_the_scheme_may_be_written_in_any_case(guard, issuer, caller, client):
    token = issuer.token(uses=1, key=caller.bound)
    headers = caller.headers(guard, "POST", REFUNDS, token) | {"Authorization": f"dpop {token}"}
    assert (await client.post(REFUNDS, json=ORDER, headers=headers)).status_code == 200


async def test_two_authorization_headers_are_refused(guard, issuer, caller, client):
    token = issuer.token(uses=1, key=caller.bound)
    headers = [*caller.headers(guard, "POST", REFUNDS, token).items()]
    headers += [("Authorization", f"Bearer {token}")]
    answer = await client.post(REFUNDS, json=ORDER, headers=headers)
    assert answer.status_code == 401


async def test_a_bound_token_as_bearer_is_refused(client, issuer, caller):
    token = issuer.token(uses=1, key=caller.bound)
    answer = await client.post(REFUNDS, json=ORDER, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert "bound to a key" in answer.json()["error_description"]
    assert issuer.spends == []


async def test_an_unbound_token_passes_as_bearer_only(client, issuer, guard, caller):
    token = issuer.token(uses=1)
    as_dpop = caller.headers(guard, "POST", REFUNDS, token)
    assert (await client.post(REFUNDS, json=ORDER, headers=as_dpop)).status_code == 401
    as_bearer = {"Authorization": f"Bearer {token}"}
    assert (await client.post(REFUNDS, json=ORDER, headers=as_bearer)).status_code == 200


async def test_a_token_in_query_or_body_is_not_looked_for(client, issuer):
    token = issuer.token(uses=1)
    answer = await client.post(
        f"{REFUNDS}?access_token={token}", json={**ORDER, "access_token": token}
    )
    assert answer.status_code == 401


async def test_a_scope_lets_calls_through_offline_again_and_again(client, guard, issuer, caller):
    token = issuer.token("payments:read", key=caller.bound)
    for _ in range(2):
        headers = caller.headers(guard, "GET", "/payments/42", token)
        answer = await client.get("/payments/42", headers=headers)
        assert answer.status_code == 200
        assert answer.json()["use"] is None
    assert issuer.spends == []


async def test_without_its_scope_a_call_is_told_which_one_would_do(client, guard, issuer, caller):
    token = issuer.token(key=caller.bound)
    headers = caller.headers(guard, "GET", "/payments/42", token)
    answer = await client.get("/payments/42", headers=headers)
    assert answer.status_code == 403
    assert 'scope="payments:read"' in answer.headers["WWW-Authenticate"]


async def test_the_chain_of_actors_reaches_the_route(guard, issuer, caller, client_of):
    seen = []

    async def app(scope_, receive, send):
        seen.append(granted_of(scope_))
        await payments(scope_, receive, send)

    token = issuer.token("payments:read", key=caller.bound, actors=(Actor("agent-7"),))
    headers = caller.headers(guard, "GET", "/payments/42", token)
    await client_of(GuardMiddleware(app, guard, RULES)).get("/payments/42", headers=headers)
    assert seen[0].actors == (Actor("agent-7"),)
    assert seen[0].client_id == "support-bot"
    assert seen[0].txn.startswith("txn-")


def refund_json():
    return {
        "type": "payment_refund",
        "actions": ["refund"],
        "payment_id": "42",
        "amount": 5000,
        "currency": "EUR",
    }
