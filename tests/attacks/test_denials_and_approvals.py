"""Approvals of decisions, replayed, swapped and outlived (ATTACKS 28); callbacks (25)."""

import asyncio
import json
from dataclasses import replace

import pytest

from fleeting.core.errors import NotAllowed
from fleeting.core.model import AskedBy
from fleeting.policy import PolicySource, load_policies
from fleeting.server.installing import policy_world
from tests.people import office
from tests.simulator import DEPLOYMENTS, PAYMENTS, POLICIES, refused, simulator
from tests.tasks import ALICE, LARGE, REFUND, Enforcement, echo, problem, question

SHARED = {
    f'identifier = "{DEPLOYMENTS}"\ntypes = ["deployment"]': (
        f'identifier = "{DEPLOYMENTS}"\ntypes = ["deployment", "payment_refund"]'
    )
}


@pytest.fixture
async def sim(tmp_path):
    async with simulator(tmp_path, replace=SHARED) as running:
        yield running


@pytest.fixture
async def people(sim):
    return await office(sim)


@pytest.fixture
def pep(sim):
    return Enforcement(sim)


class Other(Enforcement):
    """Another enforcement point, which guards the same type."""

    async def send(self, *args, **more):
        assertion = self.sim.caller("deployments-api").assertion()
        self.credentials = [("Authorization", f"Bearer {assertion}")]
        return await super().send(*args, **more)


async def approved(pep, people, asked=None):
    task = await pep.ask_people(asked)
    await people.approve(task["id"])
    return await pep.approval(task)


def in_force(sim, text):
    rules = sim.worker.policy.rules()
    bundle = load_policies([PolicySource("new.cedar", text)], policy_world(sim.worker.settings))
    sim.worker.policy.swap(replace(rules, policy=bundle))


def other_payment(id_="43"):
    return {**LARGE, "properties": {**LARGE["properties"], "payment_id": id_}}


def why(told):
    assert told["decision"] is False
    return told["context"]["reason"]


async def test_the_approval_of_one_question_is_none_for_another(sim, pep, people):
    approval = await approved(pep, people)
    other = question(resource=other_payment())
    assert why(await pep.decide(other, approval)) == "out_of_scope"
    second = await approved(pep, people, other)
    assert why(await pep.decide(question(), second)) == "out_of_scope"
    swapped = {**second, "id": approval["id"]}
    assert why(await pep.decide(question(), swapped)) == "approval_unverifiable"
    assert (await pep.decide(question(), approval))["decision"] is True


async def test_another_enforcement_point_has_no_use_for_it(sim, pep, people):
    approval = await approved(pep, people)
    other = Other(sim)
    told = await other.decide(question(), approval)
    assert why(told) == "approval_unverifiable"
    assert (await people.record(approval["id"])).calls == 0


async def test_another_enforcement_point_cannot_submit_or_see_it(sim, pep):
    denial = await pep.denied(question())
    other = Other(sim)
    answer = await other.submit({**question(), "denial": denial})
    assert "another enforcement point" in problem(answer, "invalid_denial_binding", 400)
    task = await pep.ask_people()
    problem(await other.send("GET", task["status_endpoint"]), "unknown_task", 404)
    problem(await other.send("POST", task["status_endpoint"] + "/cancel"), "unknown_task", 404)


async def test_one_s_idempotency_key_is_not_another_s(sim, pep):
    task = (await pep.submit({**question(), "denial": await pep.denied(question())}, "k")).json()
    other = Other(sim)
    theirs = await other.submit({**question(), "denial": await other.denied(question())}, "k")
    assert theirs.status_code == 202
    assert theirs.json()["task"]["id"] != task["task"]["id"]


@pytest.mark.parametrize(
    "swap",
    [
        {"subject": {**ALICE, "id": "mallory"}},
        {"subject": {"type": "client", "id": "support-bot"}},
        {"resource": other_payment()},
        {"resource": {**LARGE, "properties": {**LARGE["properties"], "amount": 499_999}}},
        {"action": {"name": "refund", "properties": {"note": "other"}}},
        {"context": {"ticket": "A-1"}},
    ],
)
async def test_what_was_not_denied_is_put_before_nobody(sim, pep, swap):
    denial = await pep.denied(question())
    answer = await pep.submit({**question(**swap), "denial": denial})
    problem(answer, "invalid_denial_binding", 400)
    assert await sim.recorded("request.pending") == []


async def test_a_denial_that_was_made_up_or_is_old_is_nothing(sim, pep):
    told = await pep.decide(question())
    denial = echo(told)
    head, payload, _ = denial["binding_token"].split(".")
    for token in (f"{head}.{payload}.", f"{head}.{payload}.AAAA", "a.b.c", ""):
        answer = await pep.submit({**question(), "denial": {**denial, "binding_token": token}})
        problem(answer, "invalid_denial_binding", 400)
    without = {k: v for k, v in denial.items() if k != "binding_token"}
    problem(await pep.submit({**question(), "denial": without}), "invalid_denial_binding", 400)
    sim.clock.wind(minutes=10)
    late = {**denial, "expires_at": "2027-01-01T00:00:00Z"}
    problem(await pep.submit({**question(), "denial": late}), "expired_denial", 410)


async def test_a_denial_cannot_be_made_many_requests_of(sim, pep):
    body = {**question(), "denial": await pep.denied(question())}
    for key in ("", "a", "b"):
        await pep.submit(body, key)
    for key in ("", "a", "c"):
        changed = {**body, "context": {"business_justification": f"again {key}"}}
        problem(await pep.submit(changed, key), "duplicate_request", 409)
    assert len(await sim.recorded("request.pending")) == 1


async def test_an_actor_that_nobody_vouched_for_is_refused(pep):
    body = {**question(), "denial": await pep.denied(question())}
    client = {"id": "payments-api", "actor": {"id": "ceo", "type": "user"}}
    assert "actor" in problem(await pep.submit({**body, "client": client}), "", 400)


async def test_the_presence_of_a_way_to_ask_is_no_permit(sim, pep, people):
    task = await pep.ask_people()
    for _ in range(3):
        assert (await pep.decide(question()))["decision"] is False
    for presented in ({"id": task["id"]}, {"id": task["id"], "status": "approved"}):
        assert why(await pep.decide(question(), presented)) == "approval_unverifiable"


async def test_policy_of_the_moment_decides(sim, pep, people):
    approval = await approved(pep, people)
    in_force(sim, POLICIES.replace("2 of payments-leads", "3 of payments-leads"))
    assert why(await pep.decide(question(), approval)) == "approval_expired"
    in_force(sim, POLICIES.replace("2 of payments-leads", "2 of finance"))
    assert why(await pep.decide(question(), approval)) == "approval_expired"
    in_force(sim, POLICIES.replace("<= 500000", "<= 40000"))
    told = await pep.decide(question(), approval)
    assert why(told) == "policy_denied"
    assert told["context"]["next_action"] == "none"
    assert "access_request" not in told["context"]
    in_force(sim, POLICIES)
    assert (await pep.decide(question(), approval))["decision"] is True


async def test_revoked_it_is_over_at_once_and_for_good(sim, pep, people):
    approval = await approved(pep, people)
    await people.deeds.revoke(people.who("luis"), approval["id"], "found out")
    assert why(await pep.decide(question(), approval)) == "approval_expired"
    answer = await pep.send("GET", f"/access/v1/requests/{approval['id']}")
    assert "found out" in problem(answer, "task_expired", 410)


async def test_all_of_a_subject_ends(sim, pep, people):
    approval = await approved(pep, people)
    await people.deeds.revoke_all(people.who("luis"), "subject", "alice", "left")
    assert why(await pep.decide(question(), approval)) == "approval_expired"


async def test_nobody_approves_for_themselves(sim, pep, people):
    await people.know("alice")
    task = await pep.ask_people()
    for act in (
        people.approve(task["id"], "alice"),
        people.deeds.deny(people.who("alice"), task["id"], "x"),
    ):
        with pytest.raises(Exception, match="stand behind"):
            await act
    record = await people.record(task["id"])
    assert record.votes == ()


OTHERS = """
[[identity_providers]]
issuer = "https://partner.example"
jwks_file = "keys/idp.jwks.json"
audience = "fleeting"
subject_prefix = "partner:"
"""


@pytest.mark.parametrize("issuer", ["https://partner.example", "https://nobody.example", None])
async def test_nobody_approves_for_themselves_under_a_provider_s_prefix(tmp_path, issuer):
    async with simulator(tmp_path, tables=OTHERS) as sim:
        people, pep = await office(sim), Enforcement(sim)
        await people.know("partner:alice")
        named = {} if issuer is None else {"issuer": issuer}
        subject = {**ALICE, "properties": {**ALICE["properties"], **named}}
        task = await pep.ask_people(question(subject=subject))
        with pytest.raises(NotAllowed, match="stand behind"):
            await people.approve(task["id"], "partner:alice")
        assert (await people.record(task["id"])).votes == ()


async def test_one_use_is_one_permit_whoever_races(sim, pep, people):
    approval = await approved(pep, people)
    told = await asyncio.gather(*(pep.decide(question(), approval) for _ in range(12)))
    assert sum(each["decision"] for each in told) == 1


async def test_no_token_ever_comes_of_it(sim, pep, people):
    approval = await approved(pep, people)
    record = await people.record(approval["id"])
    assert record.request.asked_by is AskedBy.EVALUATION
    caller = sim.caller()
    own = {**LARGE["properties"], "type": "payment_refund", "actions": ["refund"]}
    answer = await caller.ask(own, access_request_id=approval["id"], resource=PAYMENTS)
    refused(answer, "invalid_grant")
    guard = sim.guard
    for path, form in (
        ("/access-request", {"access_request_id": approval["id"], "action": "return"}),
        ("/transaction-authorization", {"transaction_authorization_id": approval["id"]}),
    ):
        answer = await sim.http.post(
            sim.installation.issuer + path, data=form, headers=dict(guard.basic())
        )
        assert answer.status_code == 400, answer.text
    assert [entry for entry in await sim.recorded() if entry.jti] == []
    assert (await pep.decide(question(), approval))["decision"] is True


async def test_no_answer_tells_who_decides_or_by_which_policy(sim, pep, people):
    ids = sim.worker.policy.current().policies
    denied = await pep.decide(question())
    task = await pep.ask_people()
    texts = [json.dumps(denied), json.dumps(await pep.look(task))]
    await people.approve(task["id"])
    texts.append(json.dumps(await pep.look(task)))
    texts.append(json.dumps(await pep.decide(question(), await pep.approval(task))))
    for text in texts:
        assert not any(id_ in text for id_ in ids)
        for word in ("payments-leads", "lena", "Lena", "luis"):
            assert word not in text


async def test_a_reason_cannot_steer_who_reads_it(sim, pep):
    body = {**question(), "denial": await pep.denied(question())}
    for said in ("a\x1b[2Jb", "a\u202eb", "x" * 501, {"html": 1}):
        told = {**body, "context": {"business_justification": said}}
        problem(await pep.submit(told), "", 400)


@pytest.mark.parametrize(
    "uri",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:8400/revoke",
        "https://[::1]/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/",
        "//payments",
        "",
    ],
)
async def test_a_callback_nobody_declared_is_never_called(sim, pep, uri):
    body = {**question(), "denial": await pep.denied(question())}
    problem(await pep.submit({**body, "callback": {"endpoint": uri}}), "", 400)
    assert await sim.recorded("request.pending") == []


async def test_the_people_of_a_client_as_subject_do_not_decide_for_it(sim, pep, people):
    asked = question(subject={"type": "client", "id": "support-bot"}, action=REFUND)
    task = await pep.ask_people(asked)
    record = await people.record(task["id"])
    assert record.request.subject.id == "support-bot"
    assert {"support-bot", "payments-api"}.isdisjoint(record.behind)
