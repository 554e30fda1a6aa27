"""Calls that no rule names, and paths that routers could read differently: refused, or public."""

import pytest

from fleeting.resource import GuardMiddleware, granted_of, public
from tests.resource.payments import RULES, payments, raw

REFUNDS = "/payments/42/refunds"


@pytest.fixture
def app(guard):
    return GuardMiddleware(payments, guard, RULES)


@pytest.fixture
def client(app, client_of):
    return client_of(app)


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
