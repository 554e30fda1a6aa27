"""The dependency on FastAPI routes."""

from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from pydantic import BaseModel

from fleeting.resource import body, operation, path
from fleeting.resource.fastapi import Granted, granted_of, install, requires

REFUNDS = "/payments/42/refunds"
ORDER = {"amount": 5000, "currency": "EUR"}


class Refund(BaseModel):
    amount: int
    currency: str


@pytest.fixture
def app(guard):
    app = FastAPI()
    install(app, guard)
    refunding = requires(
        guard,
        operation(
            "payment_refund",
            payment_id=path("payment_id"),
            amount=body("amount"),
            currency=body("currency"),
        ),
    )

    @app.post("/payments/{payment_id}/refunds")
    async def refund(
        payment_id: str, refund: Refund, granted: Annotated[Granted, Depends(refunding)]
    ):
        return {"payment": payment_id, "amount": refund.amount, "use": granted.use}

    @app.post("/payments/{payment_id}/refunds/unread", dependencies=[Depends(refunding)])
    async def unread(payment_id: str):
        return {}

    return app


@pytest.fixture
def client(app, client_of):
    return client_of(app)


async def test_a_call_within_its_token_is_served(client, guard, issuer, caller):
    token = issuer.token(uses=1, key=caller.bound)
    headers = caller.headers(guard, "POST", REFUNDS, token)
    answer = await client.post(REFUNDS, json=ORDER, headers=headers)
    assert answer.json() == {"payment": "42", "amount": 5000, "use": 1}
    assert answer.headers["DPoP-Nonce"] == guard.nonce()


async def test_a_route_that_reads_no_body_is_guarded_by_it_all_the_same(
    client, guard, issuer, caller
):
    token = issuer.token(uses=2, key=caller.bound)
    for amount, status in [(5000, 200), (5001, 403)]:
        headers = caller.headers(guard, "POST", f"{REFUNDS}/unread", token)
        order = {**ORDER, "amount": amount}
        answer = await client.post(f"{REFUNDS}/unread", json=order, headers=headers)
        assert answer.status_code == status


async def test_refusals_are_the_guards_own_to_the_letter(client, guard):
    answer = await client.post(REFUNDS, json=ORDER)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("DPoP algs=")
    assert answer.headers["DPoP-Nonce"] == guard.nonce()
    assert answer.json() == {"error_description": "this call needs an access token"}


async def test_a_call_is_challenged_for_itself(client):
    headers = {"Accept-Txn-Challenge": "?1"}
    answer = await client.post(REFUNDS, json=ORDER, headers=headers)
    assert "transaction_challenge=" in answer.headers["WWW-Authenticate"]


async def test_a_repeated_key_is_refused_though_fastapi_would_take_the_last(
    client, guard, issuer, caller
):
    token = issuer.token(uses=1, key=caller.bound)
    headers = caller.headers(guard, "POST", REFUNDS, token) | {"content-type": "application/json"}
    content = b'{"amount": 1, "amount": 5000, "currency": "EUR"}'
    assert (await client.post(REFUNDS, content=content, headers=headers)).status_code == 400
    assert issuer.spends == []


async def test_a_body_beyond_the_limit_is_refused(client, guard, issuer, caller):
    token = issuer.token(uses=1, key=caller.bound)
    headers = caller.headers(guard, "POST", REFUNDS, token)
    order = {**ORDER, "note": "x" * 1_100_000}
    assert (await client.post(REFUNDS, json=order, headers=headers)).status_code == 413


async def test_without_install_a_refusal_is_still_a_refusal(guard, client_of):
    app = FastAPI()
    refunding = requires(
        guard,
        operation(
            "payment_refund",
            payment_id=path("payment_id"),
            amount=body("amount"),
            currency=body("currency"),
        ),
    )

    @app.post("/payments/{payment_id}/refunds", dependencies=[Depends(refunding)])
    async def refund(payment_id: str):
        return {}

    answer = await client_of(app).post(REFUNDS, json=ORDER)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("DPoP algs=")


async def test_install_serves_the_documents_and_lives_with_the_application(app, client, issuer):
    assert (await client.get("/.well-known/oauth-protected-resource")).status_code == 200
    async with app.router.lifespan_context(app):
        assert issuer.jwks_asked == 1


async def test_what_was_granted_is_in_the_scope(guard, issuer, caller, client_of):
    from starlette.requests import Request

    app = FastAPI()
    refunding = requires(
        guard,
        operation(
            "payment_refund",
            payment_id=path("payment_id"),
            amount=body("amount"),
            currency=body("currency"),
        ),
    )

    @app.post("/payments/{payment_id}/refunds", dependencies=[Depends(refunding)])
    async def refund(payment_id: str, request: Request):
        return {"use": granted_of(request.scope).use}

    token = issuer.token(uses=1, key=caller.bound)
    headers = caller.headers(guard, "POST", REFUNDS, token)
    answer = await client_of(app).post(REFUNDS, json=ORDER, headers=headers)
    assert answer.json() == {"use": 1}
