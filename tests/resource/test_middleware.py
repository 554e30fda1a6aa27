"""The middleware before a plain ASGI application, from no token to a served call."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from fleeting.core.model import Actor
from fleeting.resource import (
    GuardMiddleware,
    body,
    granted_of,
    operation,
    path,
    protect,
    public,
    scope,
)

REFUNDS = "/payments/42/refunds"
ORDER = {"amount": 5000, "currency": "EUR"}
JSON = {"content-type": "application/json"}


async def payments(scope_, receive, send):
    """Echo what an application gets to see."""
    data, more = b"", True
    while more:
        message = await receive()
        data, more = data + message.get("body", b""), message.get("more_body", False)
    seen = {"path": scope_["path"], "body": data.decode("latin-1")}
    if "fleeting.granted" in scope_:
        granted = granted_of(scope_)
        seen |= {"use": granted.use, "subject": granted.subject, "jti": granted.jti}
        seen |= {"call": granted.call.to_json(), "granted": granted.operation.to_json()}
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})


REFUNDING = operation(
    "payment_refund",
    action="refund",
    payment_id=path("payment_id"),
    amount=body("amount"),
    currency=body("currency"),
    note=body("note"),
)
RULES = [
    protect("POST", "/payments/{payment_id}/refunds", REFUNDING),
    protect("GET", "/payments/{payment_id}", scope("payments:read")),
    public("GET", "/health"),
]


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


# -------------------------------------------------------------------- what no rule names


@pytest.mark.parametrize(
    ("method", "path_"),
    [
        ("GET", "/admin"),
        ("PUT", "/payments/42/refunds"),
        ("post", "/payments/42/refunds"),
        ("POST", "/Payments/42/refunds"),
        ("POST", "/payments/42/refunds/"),
        ("POST", "/payments/42/refunds/x"),
        ("GET", "/"),
        ("POST", "/health"),
    ],
)
async def test_what_no_rule_names_is_refused(app, method, path_):
    status, answer = await raw(app, method, path_)
    assert status == 403
    assert answer["error"] == "access_denied"


@pytest.mark.parametrize(
    "raw_path",
    [
        "//payments/42/refunds",
        "/payments//42/refunds",
        "/payments/./42/refunds",
        "/x/../payments/42/refunds",
        "/payments/42%2Frefunds",
        "/payments/%2e%2e/42/refunds",
        "/payments/42%5crefunds",
        "/payments/42/refunds%0A",
        "/payments/42/refunds%00",
        "/payments/%ff/refunds",
        "http://127.0.0.1/health",
        "*",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_path_that_routers_could_read_differently_is_a_bad_request(app, raw_path, method):
    status, _ = await raw(app, method, raw_path)
    assert status == 400


async def test_public_calls_pass_without_a_token(client):
    answer = await client.get("/health")
    assert answer.status_code == 200
    assert "DPoP-Nonce" not in answer.headers


async def test_head_is_protected_as_get_is(client, guard, issuer, caller):
    assert (await client.head("/payments/42")).status_code == 401
    token = issuer.token("payments:read", key=caller.bound)
    headers = caller.headers(guard, "HEAD", "/payments/42", token)
    assert (await client.head("/payments/42", headers=headers)).status_code == 200


async def test_an_answer_to_head_has_no_body(client):
    assert (await client.head("/payments/42")).content == b""


async def test_what_was_granted_cannot_be_asked_for_where_no_guard_stands(client):
    with pytest.raises(LookupError, match="no guard"):
        granted_of({"type": "http"})


async def test_a_websocket_is_refused_unless_it_is_public(guard):
    served = []

    async def app(scope_, receive, send):
        served.append(scope_["path"])

    middleware = GuardMiddleware(app, guard, [public("WEBSOCKET", "/news")])
    closed = []

    async def send(message):
        closed.append(message["code"])

    for path_ in ("/news", "/other", "//news"):
        await middleware({"type": "websocket", "path": path_}, None, send)
    assert served == ["/news"]
    assert closed == [1008, 1008]


async def test_insecure_pass_lets_others_through_but_nothing_that_comes_near_a_rule(guard, caplog):
    app = GuardMiddleware(payments, guard, RULES, insecure_pass_unlisted=True)
    assert "insecure_pass_unlisted" in caplog.text
    assert (await raw(app, "GET", "/elsewhere"))[0] == 200
    for method, path_ in [
        ("PUT", REFUNDS),
        ("POST", "/PAYMENTS/42/Refunds"),
        ("POST", f"{REFUNDS}/"),
        ("DELETE", "/payments/42"),
    ]:
        assert (await raw(app, method, path_))[0] == 403
    assert (await raw(app, "POST", "/x/../payments/42/refunds"))[0] == 400


async def test_below_a_root_path_rules_match_as_routes_do(guard):
    app = GuardMiddleware(payments, guard, RULES)
    assert (await raw(app, "GET", "/api/health", root_path="/api"))[0] == 200
    assert (await raw(app, "GET", "/apihealth", root_path="/api"))[0] == 403
    assert (await raw(app, "GET", "/api", root_path="/api"))[0] == 403


async def test_the_application_starting_and_ending_is_passed_on_and_closes_the_guard(
    make_guard, issuer
):
    guard = make_guard()
    said = iter(["lifespan.startup", "lifespan.shutdown"])

    async def app(scope_, receive, send):
        for answer in ("lifespan.startup.complete", "lifespan.shutdown.complete"):
            await receive()
            await send({"type": answer})

    async def receive():
        return {"type": next(said)}

    sent = []

    async def send(message):
        sent.append(message["type"])

    await GuardMiddleware(app, guard, RULES)({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert issuer.jwks_asked == 1


def refund_json():
    return {
        "type": "payment_refund",
        "actions": ["refund"],
        "payment_id": "42",
        "amount": 5000,
        "currency": "EUR",
    }


def asgi_scope(method, raw_path, headers=(), root_path=""):
    from urllib.parse import unquote

    return {
        "type": "http",
        "method": method,
        "path": unquote(raw_path),
        "raw_path": raw_path.encode(),
        "query_string": b"",
        "root_path": root_path,
        "headers": [
            (name.lower().encode(), value.encode()) for name, value in dict(headers).items()
        ],
    }


async def raw(app, method, raw_path, headers=(), root_path="", content=b""):
    """Call *app* with a path that no honest client would send."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": content}

    async def send(message):
        sent.append(message)

    await app(asgi_scope(method, raw_path, headers, root_path), receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"] or b"{}")
