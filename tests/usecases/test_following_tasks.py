"""A task is its enforcement point's alone, to look at and to take back."""

import pytest

from fleeting.core.lifecycle import Status
from tests.people import office
from tests.tasks import ALICE, LARGE, Enforcement, problem, question


@pytest.fixture
def pep(sim):
    return Enforcement(sim)


@pytest.fixture
async def people(sim):
    return await office(sim)


def cancel(pep, task, body=None, method="POST"):
    return pep.send(method, task["status_endpoint"] + "/cancel", body)


async def test_looking_is_not_recorded_and_says_how_long_to_leave(sim, pep):
    task = await pep.ask_people()
    told = len(await sim.recorded())
    answer = await pep.send("GET", task["status_endpoint"])
    assert answer.headers["retry-after"] == "5"
    assert answer.headers["cache-control"] == "no-store"
    assert len(await sim.recorded()) == told


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_what_waits_can_be_taken_back(sim, pep, people, method):
    task = await pep.ask_people()
    body = {"reason": "r1", "comment": "not needed"} if method == "POST" else None
    answer = await cancel(pep, task, body, method)
    assert (answer.status_code, answer.json()["task"]["status"]) == (200, "cancelled")
    record = await people.record(task["id"])
    assert (record.status, record.ended_by) == (Status.CANCELLED, "payments-api")
    assert record.reason == (body or {}).get("comment", "")
    problem(await cancel(pep, task), "invalid_task_state", 409)
    assert len(await sim.recorded("request.cancelled")) == 1


async def test_what_was_approved_is_not_taken_back_that_way(pep, people):
    task = await pep.ask_people()
    await people.approve(task["id"])
    problem(await cancel(pep, task), "invalid_task_state", 409)
    assert (await pep.look(task))["task"]["status"] == "approved"


async def test_of_a_bundle_what_still_waits_is_taken_back(pep, people):
    other = {**LARGE, "properties": {**LARGE["properties"], "payment_id": "43"}}
    asked = [question(), question(resource=other)]
    items = [
        {"resource": it["resource"], "action": it["action"], "denial": await pep.denied(it)}
        for it in asked
    ]
    task = (await pep.submit({"subject": ALICE, "items": items})).json()["task"]
    await people.approve(f"{task['id']}.1")
    told = (await cancel(pep, task)).json()["task"]
    assert told["status"] == "partial"
    assert [it["status"] for it in told["items"]] == ["approved", "cancelled"]


@pytest.mark.parametrize("body", [{"comment": 7}, {"comment": "x\ny"}, []])
async def test_a_malformed_comment_is_refused(pep, body):
    task = await pep.ask_people()
    problem(await cancel(pep, task, body), "", 400)


async def test_nobody_decided_in_time(sim, pep):
    task = await pep.ask_people()
    sim.clock.wind(minutes=15)
    assert (await pep.look(task))["task"]["status"] == "expired"
    assert len(await sim.recorded("request.expired")) == 1


async def test_an_approval_that_is_over_is_gone_and_stays_unrecorded(sim, pep, people):
    task = await pep.ask_people()
    await people.approve(task["id"])
    sim.clock.wind(minutes=5)
    told = problem(await pep.send("GET", task["status_endpoint"]), "task_expired", 410)
    assert "ended" in told
    assert await sim.recorded("request.refused") == []


async def test_a_task_that_is_not_one_s_own_is_unknown(sim, pep, people):
    task = await pep.ask_people()
    other = Enforcement(
        sim, [("Authorization", f"Bearer {sim.caller('deployments-api').assertion()}")]
    )
    problem(await other.send("GET", task["status_endpoint"]), "unknown_task", 404)
    other.credentials = [("Authorization", f"Bearer {sim.caller('deployments-api').assertion()}")]
    problem(await cancel(other, task), "unknown_task", 404)
    problem(await pep.send("GET", "/access/v1/requests/made-up"), "unknown_task", 404)
    waiting = await sim.caller().ask(
        {**LARGE["properties"], "type": "payment_refund", "actions": ["refund"]}
    )
    id_ = waiting.json()["access_request_id"]
    problem(await pep.send("GET", f"/access/v1/requests/{id_}"), "unknown_task", 404)


async def test_an_assertion_looks_once(sim, pep):
    pep.credentials = [("Authorization", f"Bearer {sim.caller('deployments-api').assertion()}")]
    problem(await pep.send("GET", "/access/v1/requests/made-up"), "unknown_task", 404)
    problem(await pep.send("GET", "/access/v1/requests/made-up"), "", 401)


async def test_lost_races_are_run_again_and_end(sim, pep, people):
    task = await pep.ask_people()
    read, turns = sim.worker.store.record, []

    async def record(kind, id_):
        row = await read(kind, id_)
        if id_ == task["id"] and not turns:
            turns.append(1)
            await people.deny(task["id"])
        return row

    sim.worker.store.record = record
    try:
        problem(await cancel(pep, task), "invalid_task_state", 409)
    finally:
        del sim.worker.store.record
    assert (await people.record(task["id"])).status is Status.DENIED
