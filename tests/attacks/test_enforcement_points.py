"""Enforcement points that say what is not so, or ask what is not theirs (AuthZEN §11)."""

import json

import pytest

from fleeting.core.authzen import EVALUATION_PATH, EVALUATIONS_PATH, MAX_EVALUATIONS
from tests.simulator import REFUND, granted, refused

ALICE = {"type": "user", "id": "alice", "properties": {"groups": ["support"]}}
SUPPORT_BOT = {"type": "client", "id": "support-bot"}
PAYMENT = {
    "type": "payment_refund",
    "id": "any",
    "properties": {"payment_id": "42", "amount": 5000, "currency": "EUR"},
}


def asked(subject=ALICE, resource=PAYMENT, **more):
    return {"subject": subject, "action": {"name": "refund"}, "resource": resource, **more}


async def post(sim, body, path=EVALUATION_PATH, credentials=None):
    own = sim.guard.basic() if credentials is None else credentials
    return await sim.http.post(
        sim.installation.issuer + path,
        content=json.dumps(body).encode(),
        headers=[("Content-Type", "application/json"), *own],
    )


async def decide(sim, body):
    answer = await post(sim, body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_whom_an_enforcement_point_vouches_for_gets_no_token_by_it(sim):
    assert (await decide(sim, asked()))["decision"] is True
    vouched = {"type": "user", "id": "release-bot", "properties": {"groups": ["support"]}}
    assert (await decide(sim, asked(vouched)))["decision"] is True
    refused(await sim.caller("release-bot").ask(REFUND), "access_denied")
    assert [entry for entry in await sim.recorded() if entry.jti] == []


async def test_a_client_s_groups_are_declared_and_cannot_be_vouched_for(sim):
    claimed = {"type": "client", "id": "release-bot", "properties": {"groups": ["support"]}}
    assert (await decide(sim, asked(claimed)))["decision"] is False


async def test_a_remembered_answer_without_a_key_is_no_answer_for_a_token(sim):
    assert (await decide(sim, asked(SUPPORT_BOT)))["context"]["limits"]["bound"] == "none"
    assert granted(await sim.caller().ask(REFUND))["cnf"]
    assert (await decide(sim, asked(SUPPORT_BOT)))["context"]["limits"]["bound"] == "none"


@pytest.mark.parametrize(
    "escape",
    [
        {"__entity": {"type": "Group", "id": "support"}},
        {"__extn": {"fn": "decimal", "arg": "1.0"}},
    ],
)
async def test_cedar_s_escapes_are_plain_json_of_a_wrong_type(sim, escape):
    for subject in (
        {**ALICE, "properties": {"groups": [escape]}},
        {**ALICE, "properties": {"department": escape}},
    ):
        told = await decide(sim, asked(subject))
        assert (told["decision"], told["context"]["error"]["status"]) == (False, 400)
    bent = {**PAYMENT, "properties": {**PAYMENT["properties"], "amount": escape}}
    assert (await decide(sim, asked(resource=bent)))["decision"] is False


async def test_a_field_said_twice_is_not_read_as_the_one_that_is_permitted(sim):
    action = {"name": "refund", "properties": {"amount": 900_000}}
    told = await decide(sim, {**asked(), "action": action})
    assert (told["decision"], told["context"]["error"]["message"]) == (
        False,
        "amount is given twice, and not alike",
    )


async def test_another_resource_cannot_be_asked_about(sim):
    shop = {"type": "deployment", "id": "shop"}
    told = await decide(sim, {**asked(), "action": {"name": "start"}, "resource": shop})
    assert told["decision"] is False
    reading = {"action": {"name": "deployments:read"}, "resource": {"type": "scope", "id": "x"}}
    assert (await decide(sim, {**asked(), **reading}))["decision"] is False


async def test_a_stolen_assertion_asks_nothing_a_second_time(sim):
    stolen = [("Authorization", f"Bearer {sim.caller('deployments-api').assertion()}")]
    assert (await post(sim, asked(), credentials=stolen)).status_code == 200
    assert (await post(sim, asked(), credentials=stolen)).status_code == 401


async def test_many_questions_in_one_are_bounded(sim):
    many = {**asked(), "evaluations": [{}] * MAX_EVALUATIONS}
    answer = await post(sim, many, EVALUATIONS_PATH)
    assert len(answer.json()["evaluations"]) == MAX_EVALUATIONS
    many["evaluations"].append({})
    assert (await post(sim, many, EVALUATIONS_PATH)).status_code == 400


async def test_no_answer_tells_which_policies_there_are(sim):
    ids = sim.worker.policy.current().policies
    for amount in (1, 50_000, 900_000):
        for currency in ("EUR", "USD"):
            bent = {"payment_id": "42", "amount": amount, "currency": currency}
            answer = await post(sim, asked(resource={**PAYMENT, "properties": bent}))
            assert not any(id_ in answer.text for id_ in ids)
            assert "payments-leads" not in answer.text
