import json
import re
from datetime import timedelta

import pytest

from fleeting.core.evidence import EntryKind
from fleeting.policy.replaying import Replaying
from tests.simulator import (
    DEPLOYMENT,
    DEPLOYMENTS,
    PAYMENTS,
    PAYOUT,
    REFUND,
    claims_of,
    granted,
    header_of,
    refused,
)


async def test_a_token_says_exactly_what_was_asked(sim):
    bot = sim.caller()
    response = await bot.ask(REFUND)
    claims, body = granted(response), response.json()
    issued_at = int(sim.clock.now().timestamp())
    assert claims == {
        "iss": sim.installation.issuer,
        "sub": "support-bot",
        "aud": PAYMENTS,
        "client_id": "support-bot",
        "iat": issued_at,
        "exp": issued_at + 60,
        "jti": claims["jti"],
        "txn": claims["txn"],
        "authorization_details": [REFUND],
        "cnf": {"jkt": bot.proof_key.public().thumbprint()},
        "uses": 1,
    }
    del body["access_token"]
    assert body == {
        "token_type": "DPoP",
        "expires_in": 60,
        "txn": claims["txn"],
        "authorization_details": [REFUND],
        "uses": 1,
    }
    assert header_of(response.json()["access_token"])["typ"] == "at+jwt"


async def test_every_kind_of_field_comes_through_as_it_was_asked(sim):
    details = {**DEPLOYMENT, "force": False, "note": 'shown, "never" compared: \u20ac'}
    claims = granted(await sim.caller("release-bot").ask(details))
    assert claims["authorization_details"] == [details]
    assert claims["uses"] == 3


async def test_scope_and_details_are_one_request_and_one_token(sim):
    response = await sim.caller("release-bot").ask(DEPLOYMENT, scope="deployments:read")
    claims = granted(response)
    assert claims["scope"] == response.json()["scope"] == "deployments:read"
    assert claims["authorization_details"] == [DEPLOYMENT]
    assert (claims["aud"], claims["uses"]) == (DEPLOYMENTS, 3)


async def test_a_scope_alone_is_not_limited_in_uses(sim):
    response = await sim.caller().ask(scope="payments:read")
    assert "uses" not in granted(response)
    assert "uses" not in response.json()


async def test_what_is_not_permitted_is_left_out_and_told(sim):
    asked = {**DEPLOYMENT, "actions": ["start", "stop"]}
    response = await sim.caller("release-bot").ask(asked, {**DEPLOYMENT, "force": True})
    assert granted(response)["authorization_details"] == [{**DEPLOYMENT, "actions": ["start"]}]
    forced = "nothing is forced on a Friday"
    assert response.json()["refused"] == [
        {
            "type": "deployment",
            "action": "stop",
            "operation": 0,
            "reason": "deployments are stopped by people",
        },
        {"type": "deployment", "action": "start", "operation": 1, "reason": forced},
        {"type": "deployment", "action": "scale", "operation": 1, "reason": forced},
    ]


async def test_a_scope_that_is_not_permitted_is_told_too(sim):
    response = await sim.caller().ask(scope="payments:read payments:list")
    assert granted(response)["scope"] == "payments:read"
    assert [item["action"] for item in response.json()["refused"]] == ["payments:list"]


async def test_where_nothing_is_permitted_the_public_reason_is_told(sim):
    dollars = {**REFUND, "currency": "USD"}
    response = await sim.caller().ask(dollars)
    assert refused(response, "access_denied") == "refunds in USD are for treasury"
    (entry,) = await sim.recorded(EntryKind.REQUEST_REFUSED)
    (answer,) = entry.body["answers"]
    assert answer["forbids"] == ["usd-is-for-treasury"]
    assert entry.request_id == response.json()["request_id"]


async def test_a_path_that_needs_approvals_waits_for_people_and_names_none_of_them(sim):
    response = await sim.caller().ask({**REFUND, "amount": 5001})
    assert (response.status_code, response.json()["error"]) == (400, "authorization_pending")
    assert not {"payments-leads", "large-refunds"} & set(re.split(r"\W ?", response.text))
    (alone,) = response.json()["would_allow"]  # not the approval that it waits for
    assert alone["fields"] == {"amount": 5000}
    (entry,) = await sim.recorded(EntryKind.REQUEST_PENDING)
    (path,) = entry.body["answers"][0]["paths"]
    assert (path["policy"], path["approval"]) == ("large-refunds", "2 of payments-leads")


async def test_a_path_that_needs_a_login_says_so_in_its_own_error(sim):
    big = {**PAYOUT, "amount": "999.00"}
    refused(await sim.caller().ask(big), "insufficient_user_authentication", 401)
    fresh = int(sim.clock.now().timestamp()) - 60
    token = sim.user_token(acr="gold", auth_time=fresh)
    claims = granted(await sim.caller().exchange(token, big))
    assert (claims["acr"], claims["auth_time"]) == ("gold", fresh)
    stale = sim.user_token(acr="gold", auth_time=fresh - 300)
    response = await sim.caller().exchange(stale, big)
    refused(response, "insufficient_user_authentication", 401)


async def test_a_client_asks_only_for_types_it_is_declared_for(sim):
    response = await sim.caller().ask(DEPLOYMENT)
    assert "may not ask for deployment:start" in refused(response, "access_denied")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"scope": "payments:read", "resource": "https://unknown.example"}, "invalid_target"),
        ({"scope": "payments:read", "resource": DEPLOYMENTS}, "invalid_scope"),
        ({"scope": "nothing"}, "invalid_scope"),
        ({"scope": "a  b"}, "invalid_scope"),
        ({"scope": ""}, "invalid_request"),
        ({}, "invalid_request"),
        ({"authorization_details": "[]"}, "invalid_authorization_details"),
        ({"authorization_details": "{"}, "invalid_authorization_details"),
        ({"authorization_details": [{"type": "refund"}]}, "invalid_authorization_details"),
        ({"authorization_details": [{**REFUND, "x": 1}]}, "invalid_authorization_details"),
        ({"authorization_details": [{**REFUND, "amount": "1"}]}, "invalid_authorization_details"),
        ({"authorization_details": [REFUND] * 2}, "invalid_authorization_details"),
        ({"authorization_details": [REFUND, DEPLOYMENT]}, "invalid_target"),
        (
            {"authorization_details": [REFUND], "resource": DEPLOYMENTS},
            "invalid_authorization_details",
        ),
        ({"scope": "payments:read", "request_context": "[]"}, "invalid_request"),
        ({"scope": "payments:read", "request_context": {"tikcet": "A-1"}}, "invalid_request"),
        ({"scope": "payments:read", "request_context": {"ticket": "none"}}, "invalid_request"),
        ({"scope": "payments:read", "request_context": {"purpose": "x" * 501}}, "invalid_request"),
        ({"scope": "payments:read", "subject_token": "x"}, "invalid_request"),
        ({"scope": "payments:read", "grant_type": "password"}, "unsupported_grant_type"),
        ({"scope": "payments:read", "grant_type": ""}, "invalid_request"),
    ],
)
async def test_what_is_malformed_or_unknown_has_its_own_error(sim, fields, error):
    refused(await sim.caller().ask(**fields), error)
    (entry,) = await sim.recorded()
    assert entry.kind == EntryKind.REQUEST_REFUSED
    assert (entry.body["client"], entry.body["error"]["error"]) == ("support-bot", error)


async def test_several_resources_are_one_too_many(sim):
    fields = [("grant_type", "client_credentials"), ("scope", "payments:read")]
    both = [*fields, ("resource", PAYMENTS), ("resource", DEPLOYMENTS)]
    refused(await sim.caller().post("/token", both), "invalid_target")
    same = [*fields, ("resource", PAYMENTS), ("resource", PAYMENTS)]
    assert granted(await sim.caller().post("/token", same))["aud"] == PAYMENTS


async def test_locations_may_repeat_the_audience_and_nothing_else(sim):
    here = {**REFUND, "locations": [PAYMENTS]}
    assert granted(await sim.caller().ask(here))["authorization_details"] == [REFUND]
    there = {**REFUND, "locations": [DEPLOYMENTS]}
    refused(await sim.caller().ask(there), "invalid_authorization_details")


async def test_a_client_without_the_grant_type_is_unauthorized(sim):
    response = await sim.caller("deployments-api").ask(scope="deployments:read")
    refused(response, "unauthorized_client")
    legacy = sim.caller("legacy")
    refused(await legacy.exchange(sim.user_token(), scope="payments:read"), "unauthorized_client")


async def test_only_a_client_declared_so_gets_a_bearer_token(sim):
    response = await sim.caller("legacy").ask(scope="payments:read")
    assert "cnf" not in granted(response)
    assert response.json()["token_type"] == "Bearer"
    unbound = sim.caller(proof_key=None)
    refused(await unbound.ask(scope="payments:read"), "invalid_dpop_proof")


async def test_a_bearer_client_that_proves_a_key_is_bound_to_it(sim):
    key = sim.keys["idp"]
    response = await sim.caller("legacy", proof_key=key).ask(scope="payments:read")
    assert granted(response)["cnf"] == {"jkt": key.public().thumbprint()}


async def test_an_operation_of_a_sensitive_type_is_never_given_unbound(sim):
    response = await sim.caller("legacy").ask(PAYOUT)
    refused(response, "invalid_dpop_proof")


async def test_a_token_is_recorded_before_it_is_answered_with_all_that_led_to_it(sim):
    context = {"ticket": "INC-7", "purpose": "the customer paid twice"}
    token = await sim.caller().token(REFUND, request_context=context)
    claims = claims_of(token)
    (entry,) = await sim.recorded()
    assert entry.kind == EntryKind.TOKEN_ISSUED
    assert (entry.jti, entry.txn) == (claims["jti"], claims["txn"])
    assert entry.body["context"] == context
    assert entry.body["policy_digest"] == sim.worker.policy.bundle.digest
    (answer,) = entry.body["answers"]
    assert [path["policy"] for path in answer["paths"]] == ["small-refunds", "large-refunds"]
    record = await sim.worker.store.find(claims["jti"])
    assert (record.uses, record.used) == (1, 0)


async def test_no_credential_is_in_ledger_or_log(sim, log):
    bot, legacy = sim.caller(), sim.caller("legacy")
    response = await bot.ask(REFUND)
    token = response.json()["access_token"]
    user = sim.user_token()
    await bot.exchange(user, REFUND)
    await sim.guard.spend(token)
    await sim.guard.introspect(token)
    await bot.exchange("x." + user, REFUND)
    await legacy.post("/revoke", {"token": token})
    await sim.guard.revoke(token)
    await legacy.ask(scope="payments:read")
    assertion, proof = bot.assertion(), bot.proof()
    await bot.post(
        "/token",
        {"grant_type": "client_credentials", "scope": "nothing"},
        credentials={**bot.credentials(), "client_assertion": assertion},
        proofs=[proof],
    )
    written = json.dumps([entry.body for entry in await sim.recorded()]) + repr(log)
    secrets = [token, user, assertion, proof, legacy.secret, sim.guard.secret, bot.nonce]
    for secret in secrets:
        for part in secret.split("."):
            assert part not in written or part == header_part(part)


def header_part(part):
    """Headers of our own JWTs are no secrets, and are not looked for."""
    return part if part.startswith("eyJ") and len(part) < 40 else ""


async def test_every_token_has_its_own_ids(sim):
    bot = sim.caller()
    claims = [claims_of(await bot.token(REFUND)) for _ in range(5)]
    assert len({each["jti"] for each in claims} | {each["txn"] for each in claims}) == 10


async def test_answers_are_never_stored_and_bring_the_next_nonce(sim):
    response = await sim.caller().ask(REFUND)
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-type"] == "application/json"
    first = response.headers["dpop-nonce"]
    sim.clock.wind(seconds=30)
    assert (await sim.caller().ask(REFUND)).headers["dpop-nonce"] != first


async def test_a_resource_bounds_the_life_of_its_tokens(sim):
    claims = granted(await sim.caller().ask(scope="payments:read"))
    assert claims["exp"] - claims["iat"] == timedelta(minutes=5).total_seconds()


async def test_whatever_was_decided_is_recorded_so_that_it_can_be_decided_again(sim):
    sim.clock.wind(microseconds=123_457)
    bot, release = sim.caller(), sim.caller("release-bot")
    bounded = sim.user_token(authorization_details=[{**REFUND, "amount": 10}])
    for asked in (
        bot.ask(REFUND),
        bot.ask({**REFUND, "amount": 400_000}),
        bot.ask(PAYOUT, scope="payments:read"),
        bot.ask(DEPLOYMENT),
        release.ask(DEPLOYMENT, scope="deployments:read"),
        bot.exchange(sim.user_token(groups=["support"]), REFUND),
        bot.exchange(bounded, REFUND),
        sim.caller("legacy").ask(REFUND),
    ):
        await asked
        sim.clock.wind(seconds=1, microseconds=1)
    replaying = Replaying(sim.worker.policy.current())
    pages = [page async for page in sim.worker.store.pages([*EntryKind])]
    rows = [(row, json.loads(row.body)) for page in pages for row in page.rows]
    redecided = [replaying.redecide(row, body) for row, body in rows if "answers" in body]
    assert len(redecided) == 8
    assert all(each.exact and not each.differences for each in redecided)
