"""Spending at the issuer: once per call, asked again when the answer is lost, closed when down."""

import asyncio
import base64
import json

import httpx
import pytest

from fleeting.core.client_auth import ClientCredentials, Registration, authenticate_client
from fleeting.core.jose import KeySet
from fleeting.core.model import Client
from fleeting.resource import GuardMiddleware, body, operation, path, protect, scope
from tests.resource.stand_in import RESOURCE, new_key, private_jwk

REFUNDS = "/payments/42/refunds"
ORDER = {"amount": 4999, "currency": "EUR"}
RULES = [
    protect(
        "POST",
        "/payments/{payment_id}/refunds",
        operation(
            "payment_refund",
            payment_id=path("payment_id"),
            amount=body("amount"),
            currency=body("currency"),
        ),
    ),
    protect("GET", "/payments/{payment_id}", scope("payments:read")),
]


@pytest.fixture
def served():
    return []


@pytest.fixture
def refund(issuer, caller, client_of, served):
    async def app(scope_, receive, send):
        served.append(scope_["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"served"})

    async def call(guard, token=None):
        token = token or issuer.token(uses=1, key=caller.bound)
        headers = caller.headers(guard, "POST", REFUNDS, token)
        client = client_of(GuardMiddleware(app, guard, RULES))
        return await client.post(REFUNDS, json=ORDER, headers=headers)

    return call


async def test_the_issuer_learns_which_call_the_use_is_for(guard, issuer, refund):
    await refund(guard)
    form, _ = issuer.spends[0]
    assert json.loads(form["operation"]) == {
        "type": "payment_refund",
        "actions": ["refund"],
        "payment_id": "42",
        **ORDER,
    }
    assert len(form["use_id"]) >= 22


async def test_each_call_has_a_use_id_of_its_own(guard, issuer, refund, caller):
    token = issuer.token(uses=2, key=caller.bound)
    await refund(guard, token)
    await refund(guard, token)
    assert len({form["use_id"] for form, _ in issuer.spends}) == 2


async def test_a_secret_authenticates_as_basic_form_encoded(make_guard, issuer, refund):
    await refund(make_guard(client_id="pay:ments", secret="a b&c:d"))
    scheme, _, credentials = issuer.spends[0][1].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(credentials) == b"pay%3Aments:a+b%26c%3Ad"


async def test_a_key_authenticates_with_an_assertion_for_the_issuer_alone(
    make_guard, issuer, refund, caller
):
    key = new_key()
    guard = make_guard(key={**private_jwk(key), "kid": "guard-1"})
    token = issuer.token(uses=2, key=caller.bound)
    await refund(guard, token)
    await refund(guard, token)
    jwk = {**key.public().to_jwk(), "kid": "guard-1"}
    registration = Registration(
        Client("payments-api", frozenset()), keys=KeySet.from_jwks({"keys": [jwk]})
    )
    claims = [
        authenticate_client(
            ClientCredentials((), None, form["client_assertion"], form["client_assertion_type"]),
            {"payments-api": registration},
            issuer=issuer.url,
            now=guard._clock(),
        ).claim
        for form, _ in issuer.spends
    ]
    assert claims[0].digest != claims[1].digest


async def test_a_lost_answer_is_asked_for_again_with_the_same_use_id(guard, issuer, refund):
    issuer.lose_answers = 1
    assert (await refund(guard)).status_code == 200
    first, second = issuer.spends
    assert first[0]["use_id"] == second[0]["use_id"]


async def test_an_answer_lost_twice_serves_nothing(guard, issuer, refund, served):
    issuer.lose_answers = 2
    answer = await refund(guard)
    assert answer.status_code == 503
    assert served == []
    assert len(issuer.spends) == 2


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (500, b"{}"),
        (503, b'{"active": true, "use": 1, "uses": 1}'),
        (401, b'{"error": "invalid_client"}'),
        (302, b""),
        (204, b""),
        (200, b""),
        (200, b"true"),
        (200, b'{"active": "true", "use": 1}'),
        (200, b'{"active": 1, "use": 1}'),
        (200, b'{"active": true}'),
        (200, b'{"active": true, "use": null}'),
        (200, b'{"active": true, "use": 0}'),
        (200, b'{"active": true, "use": true}'),
        (200, b'{"active": true, "use": 2}'),
        (200, b'{"active": true, "use": "1"}'),
        (200, b'{"active": false, "active": true, "use": 1}'),
        (200, b'{"use": 1}'),
        (200, b"[" * 300_000),
    ],
)
async def test_an_answer_that_is_no_plain_yes_or_no_serves_nothing(
    guard, issuer, refund, served, status, content
):
    issuer.raw_answer = (status, content)
    answer = await refund(guard)
    assert answer.status_code == 503
    assert answer.json()["error"] == "temporarily_unavailable"
    assert int(answer.headers["Retry-After"]) > 0
    assert served == []


@pytest.mark.parametrize(
    "reason", ["spent", "expired", "revoked", "unknown", "audience", "other", None, ["x"]]
)
async def test_an_inactive_token_is_invalid(guard, issuer, refund, served, reason):
    issuer.raw_answer = (200, json.dumps({"active": False, "reason": reason}).encode())
    answer = await refund(guard)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert served == []


async def test_what_the_issuer_has_against_the_guard_is_logged_without_the_token(
    guard, issuer, refund, caller, caplog
):
    token = issuer.token(uses=1, key=caller.bound)
    said = {"error": "invalid_client", "error_description": f"no key\nis known; sent was {token}"}
    issuer.raw_answer = (401, json.dumps(said).encode())
    assert (await refund(guard, token)).status_code == 503
    (record,) = warnings(caplog)
    assert record == (
        "a use was not spent: the issuer answers 401 to a spend: invalid_client: "
        "no key?is known; sent was [token]"
    )


@pytest.mark.parametrize("body", [b"", b"[]", b'{"error": 5}'])
async def test_an_error_that_tells_nothing_is_logged_by_its_status(
    guard, issuer, refund, caplog, body
):
    issuer.raw_answer = (500, body)
    assert (await refund(guard)).status_code == 503
    assert warnings(caplog) == ["a use was not spent: the issuer answers 500 to a spend"]


async def test_a_guard_that_is_not_its_resource_s_client_learns_so_in_its_log(
    guard, issuer, refund, served, caplog
):
    issuer.refusal = "audience"
    assert (await refund(guard)).status_code == 401
    assert served == []
    (record,) = warnings(caplog)
    assert "client_id 'payments-api'" in record
    assert f"the resource '{RESOURCE}'" in record


def warnings(caplog):
    records = [each for each in caplog.records if each.name == "fleeting.resource"]
    return [each.getMessage() for each in records if each.levelname == "WARNING"]


async def test_with_the_issuer_gone_only_uncounted_tokens_pass(
    make_guard, issuer, refund, caller, client_of, served
):
    gone = httpx.AsyncClient(transport=GoneAfterKeys())
    guard = make_guard(http=gone)
    assert (await refund(guard)).status_code == 503

    async def app(scope_, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    token = issuer.token("payments:read", key=caller.bound)
    headers = caller.headers(guard, "GET", "/payments/42", token)
    client = client_of(GuardMiddleware(app, guard, RULES))
    assert (await client.get("/payments/42", headers=headers)).status_code == 200
    assert served == []
    await gone.aclose()


class GoneAfterKeys(httpx.AsyncHTTPTransport):
    """Reaches the issuer for its keys, and never for anything else."""

    async def handle_async_request(self, request):
        if request.method == "POST":
            raise httpx.ConnectError("refused", request=request)
        return await super().handle_async_request(request)


async def test_parallel_calls_with_one_use_are_served_once(
    make_guard, issuer, caller, refund, served
):
    guards = [make_guard(), make_guard()]
    token = issuer.token(uses=1, key=caller.bound)
    answers = await asyncio.gather(*(refund(guards[n % 2], token) for n in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19
    assert len(served) == 1
