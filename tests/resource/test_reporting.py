"""Reports to the issuer: what is told, what is not, and never at a call's cost."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from fleeting.resource import GuardMiddleware, body, operation, path, protect, scope
from fleeting.resource.issuer import Issuer, SecretCredentials
from fleeting.resource.reporting import Outcome, Reporter
from tests.resource.stand_in import Caller

REFUNDS = "/payments/42/refunds"
ORDER = {"amount": 5000, "currency": "EUR"}
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


async def served(scope_, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})


@pytest.fixture
def refund(client_of):
    async def call(guard, headers, **changes):
        client = client_of(GuardMiddleware(served, guard, RULES))
        answer = await client.post(REFUNDS, json={**ORDER, **changes}, headers=headers)
        await guard.aclose()
        return answer.status_code

    return call


async def test_a_call_beyond_its_token_is_reported_with_what_it_was(guard, issuer, caller, refund):
    token = issuer.token(uses=1, key=caller.bound)
    assert await refund(guard, caller.headers(guard, "POST", REFUNDS, token), amount=9000) == 403
    (report,) = issuer.reports
    assert report["token"] == token
    assert report["outcome"] == "refused"
    assert "9000 is more than 5000" in report["reason"]
    assert json.loads(report["operation"])["amount"] == 9000


async def test_a_stolen_token_is_reported(guard, issuer, caller, refund):
    token = issuer.token(uses=1, key=caller.bound)
    assert await refund(guard, Caller().headers(guard, "POST", REFUNDS, token)) == 401
    assert "not made with the key" in issuer.reports[0]["reason"]
    assert "operation" not in issuer.reports[0]


async def test_a_bound_token_as_bearer_is_reported(guard, issuer, caller, refund):
    token = issuer.token(uses=1, key=caller.bound)
    assert await refund(guard, {"Authorization": f"Bearer {token}"}) == 401
    assert len(issuer.reports) == 1


async def test_an_expired_token_is_reported(guard, issuer, caller, refund):
    token = issuer.token(uses=1, key=caller.bound, now=datetime.now(UTC) - timedelta(hours=1))
    assert await refund(guard, caller.headers(guard, "POST", REFUNDS, token)) == 401
    assert "expired" in issuer.reports[0]["reason"]


async def test_what_is_nobodys_fault_or_not_our_token_is_not_reported(
    make_guard, issuer, caller, refund
):
    foreign = issuer.token(key=caller.bound, audience="http://127.0.0.1:9999")
    ours = issuer.token(uses=1, key=caller.bound)
    for token, changes, order in [
        (foreign, {}, {}),
        ("a.b.c", {}, {}),
        (ours, {"nonce": None}, {}),
        (ours, {}, {"amount": "5000"}),
    ]:
        guard = make_guard()
        headers = caller.headers(guard, "POST", REFUNDS, token, **changes)
        assert await refund(guard, headers, **order) in (400, 401)
    assert issuer.reports == []


async def test_what_the_issuer_itself_refused_is_not_reported(guard, issuer, caller, refund):
    issuer.refusal = "spent"
    token = issuer.token(uses=1, key=caller.bound)
    assert await refund(guard, caller.headers(guard, "POST", REFUNDS, token)) == 401
    assert issuer.reports == []


async def test_offline_uses_are_reported_where_that_is_asked_for(
    make_guard, issuer, caller, client_of
):
    guard = make_guard(report_served=True)
    token = issuer.token("payments:read", key=caller.bound)
    headers = caller.headers(guard, "GET", "/payments/42", token)
    client = client_of(GuardMiddleware(served, guard, RULES))
    assert (await client.get("/payments/42", headers=headers)).status_code == 200
    await guard.aclose()
    (report,) = issuer.reports
    assert report["outcome"] == "served"
    assert json.loads(report["operation"]) == {"type": "scope", "actions": ["payments:read"]}


async def test_a_slow_issuer_delays_no_call(guard, issuer, caller, client_of):
    issuer.report_delay = 0.5
    token = issuer.token(uses=1, key=caller.bound)
    client = client_of(GuardMiddleware(served, guard, RULES))
    await guard.warm()
    started = time.monotonic()
    for _ in range(2):
        headers = caller.headers(guard, "POST", REFUNDS, token)
        answer = await client.post(REFUNDS, json={**ORDER, "amount": 9000}, headers=headers)
        assert answer.status_code == 403
    assert time.monotonic() - started < 0.4
    await guard.aclose()
    assert len(issuer.reports) == 2


async def test_what_does_not_fit_the_queue_is_counted(issuer, caplog):
    line = Issuer(issuer.url, SecretCredentials("payments-api", "x"))
    reporter = Reporter(line, limit=2)
    for _ in range(5):
        reporter.report("token", Outcome.REFUSED, "x" * 1000, None)
    await reporter.aclose()
    await line.aclose()
    assert reporter.dropped == 3
    assert [len(report["reason"]) for report in issuer.reports] == [500, 500]
    assert "3 dropped" in caplog.text


async def test_reports_that_the_issuer_does_not_take_are_counted(issuer):
    issuer.down = True
    for url in (issuer.url, "http://127.0.0.1:1"):
        line = Issuer(url, SecretCredentials("payments-api", "x"))
        reporter = Reporter(line)
        reporter.report("token", Outcome.REFUSED, "reason", None)
        await reporter.aclose()
        await line.aclose()
        assert reporter.failed == 1


async def test_closing_does_not_wait_for_ever(issuer):
    issuer.report_delay = 1
    line = Issuer(issuer.url, SecretCredentials("payments-api", "x"))
    reporter = Reporter(line)
    for _ in range(3):
        reporter.report("token", Outcome.REFUSED, "reason", None)
    await reporter.aclose(patience_seconds=0.05)
    await line.aclose()
    assert reporter.dropped == 2
