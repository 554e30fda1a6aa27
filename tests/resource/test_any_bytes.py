"""Whatever bytes a call is made of, it gets an answer below 500, never an exception."""

import json
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleeting.resource import (
    GuardMiddleware,
    body,
    header,
    operation,
    path,
    protect,
    public,
    query,
    scope,
)

REFUNDS = "/payments/42/refunds"
RULES = [
    protect(
        "POST",
        "/payments/{payment_id}/refunds",
        operation(
            "payment_refund",
            payment_id=path("payment_id"),
            amount=body("amount"),
            currency=query("currency"),
            note=header("x-note"),
        ),
    ),
    protect("GET", "/payments/{payment_id}", scope("payments:read")),
    public("GET", "/health"),
]
SETTINGS = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
NAMES = [
    b"authorization",
    b"dpop",
    b"content-type",
    b"content-encoding",
    b"accept-txn-challenge",
    b"x-note",
]
VALUES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [b"?1", b"application/json", b"DPoP ", b"Bearer ", b"DPoP a.b.c", b"DPoP e30.e30.e30"]
    ),
    st.binary(max_size=60).map(lambda raw: b"DPoP " + raw),
)
HEADERS = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=6)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
BODIES = st.one_of(
    st.binary(max_size=300),
    st.fixed_dictionaries({"amount": JSON_VALUES}).map(lambda value: json.dumps(value).encode()),
)
PATHS = st.one_of(
    st.sampled_from([REFUNDS, "/payments/42", "/health", "/"]).map(str.encode),
    st.binary(max_size=60),
    st.binary(max_size=30).map(lambda raw: b"/payments/" + raw + b"/refunds"),
)


async def served(scope_, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})


async def status_of(app, method, raw_path, query_string, headers, content):
    sent = []

    async def receive():
        return {"type": "http.request", "body": content}

    async def send(message):
        sent.append(message)

    asgi_scope = {
        "type": "http",
        "method": method,
        "path": unquote_to_bytes(raw_path).decode("utf-8", "replace"),
        "raw_path": raw_path,
        "query_string": query_string,
        "headers": headers,
    }
    await app(asgi_scope, receive, send)
    for name, value in sent[0]["headers"]:
        assert not {10, 13, 0} & {*name, *value}
    return sent[0]["status"]


@pytest.fixture
def app(guard):
    return GuardMiddleware(served, guard, RULES)


@SETTINGS
@given(
    method=st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "post", ""]),
    raw_path=PATHS,
    query_string=st.binary(max_size=60),
    headers=HEADERS,
    content=BODIES,
)
async def test_any_call_without_a_good_token_is_answered(
    app, method, raw_path, query_string, headers, content
):
    status = await status_of(app, method, raw_path, query_string, headers, content)
    assert status < 500
    assert status != 200 or raw_path == b"/health"


@SETTINGS
@given(
    raw_path=PATHS,
    query_string=st.one_of(st.just(b"currency=EUR"), st.binary(max_size=60)),
    headers=HEADERS,
    content=BODIES,
)
async def test_any_call_with_a_good_token_is_answered(
    app, guard, issuer, caller, raw_path, query_string, headers, content
):
    token = issuer.token(uses=100)
    headers = [pair for pair in headers if pair[0] != b"authorization"]
    headers = [(b"authorization", f"Bearer {token}".encode()), *headers]
    status = await status_of(app, "POST", raw_path, query_string, headers, content)
    assert status < 500


@SETTINGS
@given(
    proof=st.one_of(
        st.binary(max_size=300), st.tuples(JSON_VALUES, JSON_VALUES).map(repr).map(str.encode)
    )
)
async def test_any_proof_is_answered(app, issuer, caller, proof):
    token = issuer.token("payments:read", key=caller.bound)
    headers = [(b"authorization", f"DPoP {token}".encode()), (b"dpop", proof)]
    assert await status_of(app, "GET", b"/payments/42", b"", headers, b"") == 401


@SETTINGS
@given(
    jwk=st.dictionaries(
        st.sampled_from(["kty", "crv", "x", "y", "n", "e", "alg", "use", "kid"]),
        st.one_of(
            JSON_VALUES, st.sampled_from(["EC", "RSA", "OKP", "P-256", "Ed25519", "AQAB", "sig"])
        ),
    )
)
async def test_any_key_in_a_proof_is_answered(app, guard, issuer, caller, jwk):
    token = issuer.token("payments:read", key=caller.bound)
    headers = caller.headers(guard, "GET", "/payments/42", token, header={"jwk": jwk})
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    assert await status_of(app, "GET", b"/payments/42", b"", raw, b"") == 401


@SETTINGS
@given(
    changes=st.dictionaries(
        st.sampled_from(["jti", "htm", "htu", "iat", "ath", "nonce", "exp", "nbf"]),
        JSON_VALUES,
        min_size=1,
    )
)
async def test_any_claims_in_a_proof_are_answered(app, guard, issuer, caller, changes):
    token = issuer.token("payments:read", key=caller.bound)
    headers = caller.headers(guard, "GET", "/payments/42", token, **changes)
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    assert await status_of(app, "GET", b"/payments/42", b"", raw, b"") < 500
