"""The decorator on Starlette routes."""

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from fleeting.core.declaring import DeclarationError
from fleeting.resource import body, operation, path, scope
from fleeting.resource.starlette import document_routes, granted_of, requires

REFUNDS = "/payments/42/refunds"
ORDER = {"amount": 5000, "currency": "EUR"}
REFUNDING = operation(
    "payment_refund",
    payment_id=path("payment_id"),
    amount=body("amount"),
    currency=body("currency"),
)


@pytest.fixture
def client(guard, client_of):
    @requires(guard, REFUNDING)
    async def refund(request, granted):
        assert granted is granted_of(request.scope)
        return JSONResponse({"order": await request.json(), "use": granted.use})

    @requires(guard, scope("payments:read"))
    def show(request, granted):
        return JSONResponse({"subject": granted.subject})

    routes = [
        Route("/payments/{payment_id:int}/refunds", refund, methods=["POST"]),
        Route("/payments/{payment_id}", show),
        Mount("/v2", routes=[Route("/payments/{payment_id}/refunds", refund, methods=["POST"])]),
        *document_routes(guard),
    ]
    return client_of(Starlette(routes=routes))


@pytest.mark.parametrize("path_", [REFUNDS, f"/v2{REFUNDS}"])
async def test_a_call_within_its_token_is_served_with_the_same_body(
    client, guard, issuer, caller, path_
):
    token = issuer.token(uses=1, key=caller.bound)
    headers = caller.headers(guard, "POST", path_, token)
    answer = await client.post(path_, json=ORDER, headers=headers)
    assert answer.json() == {"order": ORDER, "use": 1}
    assert answer.headers["DPoP-Nonce"] == guard.nonce()


async def test_a_plain_function_is_served_in_a_thread(client, guard, issuer, caller):
    token = issuer.token("payments:read", key=caller.bound)
    headers = caller.headers(guard, "GET", "/payments/42", token)
    answer = await client.get("/payments/42", headers=headers)
    assert answer.json() == {"subject": "support-bot"}


async def test_a_call_without_a_token_is_refused_as_by_the_middleware(client):
    answer = await client.post(REFUNDS, json=ORDER)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("DPoP algs=")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "error" not in answer.json()


async def test_a_call_beyond_its_token_is_refused(client, guard, issuer, caller):
    token = issuer.token(uses=1, key=caller.bound)
    headers = caller.headers(guard, "POST", "/payments/43/refunds", token)
    assert (
        await client.post("/payments/43/refunds", json=ORDER, headers=headers)
    ).status_code == 403


async def test_documents_are_routes(client):
    metadata = (await client.get("/.well-known/oauth-protected-resource")).json()
    assert (await client.get(metadata["jwks_uri"])).json()["keys"]


async def test_an_operation_that_is_not_the_guards_stops_the_start(guard):
    with pytest.raises(DeclarationError, match="did you mean 'payment_refund'"):
        requires(guard, operation("payment_refunds"))
