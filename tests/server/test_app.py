import pytest

from fleeting.core.jose import KeySet, UnverifiedJwt
from tests.simulator import ISSUER, REFUND, granted, refused, simulator

DOCUMENTS = ["/.well-known/oauth-authorization-server", "/jwks", "/healthz", "/readyz", "/metrics"]
FORMS = ["/token", "/transaction-authorization", "/spend", "/introspect", "/revoke", "/report"]


async def test_the_server_introduces_itself(sim):
    response = await sim.get("/.well-known/oauth-authorization-server")
    document = response.json()
    assert document["issuer"] == ISSUER
    assert document["authorization_details_types_supported"] == [
        "deployment",
        "payment_refund",
        "payout",
    ]
    assert document["scopes_supported"] == ["deployments:read", "payments:list", "payments:read"]
    assert response.headers["cache-control"] == "public, max-age=300"
    for name, url in document.items():
        if name == "revocations_endpoint":
            assert (await sim.http.get(url)).status_code == 401
        elif name.endswith("_endpoint"):
            served = await sim.http.post(url)
            assert served.status_code == 400, name


async def test_the_published_keys_verify_its_tokens_and_are_public(sim):
    response = await sim.get("/jwks")
    assert response.headers["cache-control"] == "public, max-age=5"  # rotation waits 10 seconds
    document = response.json()
    token = await sim.caller().token(REFUND)
    keys = KeySet.from_jwks(document)
    UnverifiedJwt.parse(token).verify(keys, algs=frozenset({"ES256"}), typ=("at+jwt",))
    assert all("d" not in key and key["use"] == "sig" for key in document["keys"])


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_forms_are_posted(sim, path, method):
    response = await sim.http.request(method, ISSUER + path)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert response.json()["error"] == "invalid_request"


@pytest.mark.parametrize("path", ["/authorize", "/token/", "/jwks.json", "/%00", "/TOKEN"])
async def test_what_is_not_served_is_not_there(sim, path):
    response = await sim.http.post(ISSUER + path)
    assert response.status_code == 404
    assert response.json()["error"] == "invalid_request"
    assert "location" not in response.headers  # RFC 9700 §4.12: never a 307


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_documents_are_fetched(sim, path):
    assert (await sim.get(path)).status_code == 200
    assert (await sim.http.post(ISSUER + path)).status_code == 405


async def test_an_issuer_may_have_a_path(tmp_path):
    issuer = "http://127.0.0.1:8400/tenants/one"
    async with simulator(tmp_path, issuer=issuer) as sim:
        granted(await sim.caller().ask(REFUND))
        well_known = "http://127.0.0.1:8400/.well-known/oauth-authorization-server/tenants/one"
        assert (await sim.http.get(well_known)).json()["issuer"] == issuer
        assert (await sim.get("/healthz")).status_code == 200
        outside = await sim.http.post("http://127.0.0.1:8400/token")
        assert outside.status_code == 404


async def test_the_process_says_that_it_lives(sim):
    assert (await sim.get("/healthz")).json() == {"status": "ok"}


async def test_metrics_count_answers_by_endpoint_and_outcome(sim):
    await sim.caller().ask(REFUND)
    refused(await sim.caller().ask(scope="nothing"), "invalid_scope")
    response = await sim.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = response.text.splitlines()
    assert 'fleeting_answers_total{endpoint="/token",outcome="ok"} 1.0' in lines
    assert 'fleeting_answers_total{endpoint="/token",outcome="invalid_scope"} 1.0' in lines
    assert 'fleeting_answers_total{endpoint="/token",outcome="use_dpop_nonce"} 2.0' in lines
    assert any(line.startswith("fleeting_answer_seconds_bucket") for line in lines)
