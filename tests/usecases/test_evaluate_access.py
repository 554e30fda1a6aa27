import base64
import json

import pytest

from fleeting.core.authzen import EVALUATION_PATH, EVALUATIONS_PATH
from tests.simulator import REFUND, SECRETS, simulator

ALICE = {"type": "user", "id": "alice", "properties": {"groups": ["support"]}}
SUPPORT_BOT = {"type": "client", "id": "support-bot"}
REFUNDING = {"name": "refund"}


def refund(amount=5000, **properties):
    fields = {"amount": amount, "currency": "EUR", **properties}
    return {"type": "payment_refund", "id": "42", "properties": fields}


def payout(amount="50.00"):
    return {"type": "payout", "id": "x", "properties": {"account": "DE02", "amount": amount}}


def asked(subject=ALICE, action=REFUNDING, resource=None, **more):
    return {"subject": subject, "action": action, "resource": resource or refund(), **more}


@pytest.fixture
async def sim(tmp_path):
    replace = {'description = "Refund one payment"': 'id_field = "payment_id"'}
    async with simulator(tmp_path, replace=replace) as running:
        yield running


async def post(sim, body, path=EVALUATION_PATH, client="payments-api", **headers):
    secret = f"{client}:{SECRETS.get(client, 'x')}"
    basic = base64.b64encode(secret.encode()).decode()
    sent = {"Content-Type": "application/json", "Authorization": f"Basic {basic}"} | headers
    url = sim.installation.issuer + path
    return await sim.http.post(url, content=json.dumps(body).encode(), headers=sent)


async def ask(sim, body, **more):
    answer = await post(sim, body, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_permit_tells_the_limits_that_the_policy_sets(sim):
    told = await ask(sim, asked())
    (entry,) = await sim.recorded()
    assert told == {
        "decision": True,
        "context": {
            "evaluation_id": entry.request_id,
            "limits": {"lifetime": 60, "bound": "none", "uses": 1},
        },
    }


async def test_the_answer_is_recorded_with_all_that_it_depends_on(sim):
    ticket = {"ticket": "INC-7"}
    await ask(sim, asked(context=ticket), **{"X-Request-ID": "pep-7"})
    (entry,) = await sim.recorded()
    assert entry.kind == "access.evaluated"
    assert entry.body["permitted"] is True
    assert entry.body["asked_as"] == "pep-7"
    assert entry.body["client"] == "payments-api"
    assert entry.body["subject"] == {
        "kind": "User", "id": "alice", "groups": ["support"], "attributes": {},
        "issuer": sim.installation.load().resources[0].resource.identifier,
    }  # fmt: skip
    assert entry.body["operations"] == [{**REFUND, "currency": "EUR"}]
    assert entry.body["context"] == ticket
    assert entry.body["policy_digest"] == sim.worker.policy.current().digest


async def test_a_forbid_s_reason_is_told_and_its_name_is_not(sim):
    answer = await post(sim, asked(resource=refund(currency="USD")))
    assert answer.json()["decision"] is False
    assert answer.json()["context"]["reason_user"] == {"403": "refunds in USD are for treasury"}
    assert "usd-is-for-treasury" not in answer.text


async def test_what_needs_approval_is_denied_and_says_of_how_many(sim):
    told = await ask(sim, asked(resource=refund(50_000)))
    assert told["decision"] is False
    assert (told["context"]["needs"], told["context"]["approvals"]) == ("approval", 2)
    assert "payments-leads" not in json.dumps(told)


async def test_a_sensitive_operation_needs_the_caller_s_key(sim):
    paying = {"action": {"name": "send"}, "resource": payout()}
    told = await ask(sim, asked(**paying))
    assert (told["decision"], told["context"]["needs"]) == (False, "key")
    properties = {**ALICE["properties"], "cnf": {"jkt": "thumbprint"}}
    told = await ask(sim, asked({**ALICE, "properties": properties}, **paying))
    assert told["decision"] is True
    assert told["context"]["limits"] == {"lifetime": 120, "bound": "dpop", "uses": 2}


async def test_a_stronger_login_is_asked_for_and_taken(sim):
    properties = {**ALICE["properties"], "cnf": {"jkt": "thumbprint"}}
    paying = {"action": {"name": "send"}, "resource": payout("500.00")}
    told = await ask(sim, asked({**ALICE, "properties": properties}, **paying))
    needed = {k: told["context"][k] for k in ("needs", "acr_values", "max_age")}
    assert needed == {"needs": "step_up", "acr_values": "gold", "max_age": 300}
    login = {"acr": "gold", "auth_time": int(sim.clock.now().timestamp())}
    told = await ask(sim, asked({**ALICE, "properties": {**properties, **login}}, **paying))
    assert told["decision"] is True


async def test_a_declared_client_is_in_the_groups_it_is_declared_in(sim):
    assert (await ask(sim, asked(SUPPORT_BOT)))["decision"] is True
    own = {"type": "client", "id": "release-bot", "properties": {"groups": ["support"]}}
    assert (await ask(sim, asked(own)))["decision"] is False


async def test_a_scope_can_be_asked_about(sim):
    reading = {"action": {"name": "payments:read"}, "resource": {"type": "scope", "id": "any"}}
    assert (await ask(sim, asked(**reading)))["decision"] is True


async def test_another_resource_s_types_are_not_this_enforcement_point_s_business(sim):
    deploying = {"action": {"name": "start"}, "resource": {"type": "deployment", "id": "shop"}}
    told = await ask(sim, asked(**deploying))
    assert told["decision"] is False
    assert "guards no type" in told["context"]["error"]["message"]
    (entry,) = await sim.recorded()
    assert (entry.kind, entry.body["permitted"]) == ("access.evaluated", False)


async def test_several_have_one_answer_each_and_a_story_each_of_one_transaction(sim):
    several = {
        **asked(),
        "evaluations": [{}, {"resource": refund(50_000)}, {"action": {}}, {"resource": refund(1)}],
    }
    told = await ask(sim, several, path=EVALUATIONS_PATH)
    assert [each["decision"] for each in told["evaluations"]] == [True, False, False, True]
    entries = await sim.recorded("access.evaluated")
    ids = [each["context"]["evaluation_id"] for each in told["evaluations"]]
    assert [entry.request_id for entry in entries] == ids
    (txn,) = {entry.txn for entry in entries}
    assert ids == [f"{txn}.{place}" for place in (1, 2, 3, 4)]
    assert len(await sim.worker.store.story(txn)) == 4


@pytest.mark.parametrize(
    ("semantic", "decisions"),
    [
        ("execute_all", [True, False, True]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ],
)
async def test_no_more_is_evaluated_or_recorded_than_was_wished(sim, semantic, decisions):
    several = {
        **asked(),
        "options": {"evaluations_semantic": semantic},
        "evaluations": [{}, {"resource": refund(600_000)}, {}],
    }
    told = await ask(sim, several, path=EVALUATIONS_PATH)
    assert [each["decision"] for each in told["evaluations"]] == decisions
    assert len(await sim.recorded("access.evaluated")) == len(decisions)


@pytest.mark.parametrize("client", ["legacy"])
async def test_a_client_that_guards_nothing_may_not_ask(sim, client):
    answer = await post(sim, asked(), client=client)
    assert answer.status_code == 403
    (entry,) = await sim.recorded()
    assert (entry.kind, entry.body["client"]) == ("request.refused", "legacy")


async def test_a_stranger_may_not_ask(sim):
    answer = await post(sim, asked(), client="nobody")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")


async def test_a_malformed_request_is_refused_and_recorded(sim):
    answer = await post(sim, {"subject": ALICE})
    assert (answer.status_code, answer.json()) == (400, "'action' is missing")
    (entry,) = await sim.recorded()
    assert (entry.kind, entry.body["client"]) == ("request.refused", "payments-api")


async def test_an_enforcement_point_with_a_key_sends_its_assertion_as_a_bearer_credential(sim):
    guard = sim.caller("deployments-api")
    deploying = asked(
        {"type": "client", "id": "release-bot"},
        {"name": "start"},
        {
            "type": "deployment",
            "id": "x",
            "properties": {
                "service": "shop", "replicas": 3, "health": "0.95",
                "regions": ["north"], "folder": "/srv/shop",
            },
        },
    )  # fmt: skip
    header = {"Authorization": f"Bearer {guard.assertion()}"}
    assert (await ask(sim, deploying, **header))["decision"] is True
    replayed = await post(sim, deploying, **header)  # RFC 7523 §3: good once
    assert replayed.status_code == 401
    assert "used before" in replayed.json()
    kinds = [entry.kind for entry in await sim.recorded()]
    assert kinds == ["access.evaluated", "request.refused"]


async def test_an_access_token_is_no_credential_here(sim):
    token = await sim.caller().token(REFUND)
    answer = await post(sim, asked(), Authorization=f"Bearer {token}")
    assert answer.status_code == 401


async def test_nothing_is_answered_that_is_not_recorded(sim):
    sim.worker.store.available = False
    answer = await post(sim, asked())
    assert answer.status_code == 503
    assert "decision" not in answer.text
