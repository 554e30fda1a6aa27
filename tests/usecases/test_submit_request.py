"""What was denied is put before people once, as it was denied, by whom it was denied to."""

import asyncio

import pytest

from fleeting.core.lifecycle import Status
from fleeting.ports import RecordKind
from tests.people import office
from tests.simulator import simulator, start
from tests.tasks import ALICE, LARGE, Enforcement, echo, problem, question


@pytest.fixture
def pep(sim):
    return Enforcement(sim)


@pytest.fixture
async def people(sim):
    return await office(sim)


async def body(pep, **more):
    return {**question(), "denial": await pep.denied(question()), **more}


async def requests(sim):
    return await sim.worker.store.records(RecordKind.REQUEST)


async def test_it_waits_for_the_people_whom_policy_names(sim, pep, people):
    reason = {"business_justification": "customer 7"}
    answer = await pep.submit(await body(pep, context=reason))
    assert answer.status_code == 202
    task = answer.json()["task"]
    assert answer.headers["location"] == task["status_endpoint"]
    assert answer.headers["retry-after"] == "5"
    record = await people.record(task["id"])
    assert (record.status, record.terms.stages[0].group) == (Status.PENDING, "payments-leads")
    assert record.request.subject.id == "alice"
    assert record.submitted.says == reason
    entry = (await sim.recorded("request.pending"))[0]
    assert entry.body["submitted"]["caller_says"] == reason
    assert entry.body["submitted"]["evaluation_id"] == record.submitted.evaluation_id
    assert entry.body["asked_by"] == "access_evaluation"


async def test_sent_again_it_is_the_same_task(sim, pep):
    sent = await body(pep)
    first = await pep.submit(sent, "key")
    for again in (
        await pep.submit(sent, "key"),
        await pep.submit(sent),
        await pep.submit(sent, "k2"),
    ):
        assert (again.status_code, again.json()) == (202, first.json())
    assert len(await requests(sim)) == 1
    assert len(await sim.recorded("request.pending")) == 1


async def test_a_retry_finds_it_however_late(sim, pep, people):
    sent = await body(pep)
    task = (await pep.submit(sent, "key")).json()["task"]
    sim.clock.wind(minutes=11)
    await people.approve(task["id"])
    again = await pep.submit(sent, "key")
    assert again.status_code == 201
    assert again.json()["result"]["approval"]["id"] == task["id"]
    problem(await pep.submit(sent), "expired_denial", 410)


async def test_a_key_is_free_again_in_the_end(sim, pep):
    await pep.submit(await body(pep), "key")
    sim.clock.wind(days=3)
    answer = await pep.submit(await body(pep), "key")
    assert answer.status_code == 202
    assert len(await requests(sim)) == 2


async def test_another_body_is_another_request(sim, pep):
    sent = await body(pep)
    await pep.submit(sent, "key")
    other = {**sent, "context": {"business_justification": "other"}}
    assert "another body" in problem(await pep.submit(other, "key"), "duplicate_request", 409)
    problem(await pep.submit(other), "duplicate_request", 409)
    problem(await pep.submit(await body(pep), "key"), "duplicate_request", 409)
    assert len(await requests(sim)) == 1


async def test_of_two_at_once_one_is_taken_in(sim, pep):
    sent = await body(pep)
    answers = await asyncio.gather(*(pep.submit(sent, "key") for _ in range(8)))
    assert len({answer.json()["task"]["id"] for answer in answers}) == 1
    assert len(await requests(sim)) == 1


async def test_a_bundle_is_as_many_requests_each_with_its_own_end(sim, pep, people):
    other = {**LARGE, "properties": {**LARGE["properties"], "payment_id": "43"}}
    asked = [question(), question(resource=other)]
    items = [
        {"resource": it["resource"], "action": it["action"], "denial": await pep.denied(it)}
        for it in asked
    ]
    answer = await pep.submit({"subject": ALICE, "items": items}, "key")
    task = answer.json()["task"]
    assert [it["status"] for it in task["items"]] == ["pending", "pending"]
    assert [it["resource"] for it in task["items"]] == [LARGE, other]
    await people.approve(f"{task['id']}.1")
    assert (await pep.look(task))["task"]["status"] == "pending"
    await people.deny(f"{task['id']}.2")
    told = (await pep.look(task))["task"]
    assert told["status"] == "partial"
    approval = told["items"][0]["result"]["approval"]
    assert (await pep.decide(asked[1], approval))["context"]["reason"] == "out_of_scope"
    assert (await pep.decide(asked[0], approval))["decision"] is True
    told = (await pep.look(task))["task"]
    assert [it["status"] for it in told["items"]] == ["expired", "denied"]


async def test_one_item_is_a_bundle_too(pep, people):
    item = {k: question()[k] for k in ("resource", "action")}
    denial = await pep.denied(question())
    answer = await pep.submit({"subject": ALICE, "items": [{**item, "denial": denial}]})
    task = answer.json()["task"]
    assert len(task["items"]) == 1
    await people.approve(f"{task['id']}.1")
    told = await pep.look(task)
    assert (told["task"]["status"], "result" in told) == ("approved", False)


async def test_one_denial_is_one_item(pep):
    item = {
        **{k: question()[k] for k in ("resource", "action")},
        "denial": await pep.denied(question()),
    }
    answer = await pep.submit({"subject": ALICE, "items": [item, item]})
    assert "twice" in problem(answer, "invalid_denial_binding", 400)


async def test_a_bundle_is_taken_in_whole_or_not_at_all(sim, pep):
    good = {
        **{k: question()[k] for k in ("resource", "action")},
        "denial": await pep.denied(question()),
    }
    bad = {**good, "action": {"name": "other"}, "denial": await pep.denied(question())}
    problem(
        await pep.submit({"subject": ALICE, "items": [good, bad]}), "invalid_denial_binding", 400
    )
    assert await requests(sim) == []


async def test_how_many_may_wait_is_bounded(tmp_path):
    async with simulator(tmp_path, settings="open_requests_per_client = 1") as sim:
        pep = Enforcement(sim)
        await pep.ask_people()
        answer = await pep.submit(await body(pep))
        assert "wait already" in problem(answer, "", 400)


async def test_a_busy_ledger_is_no_loss(sim, pep):
    sent = await body(pep)
    read = sim.worker.store.record

    async def forgetful(kind, id_):
        return None if kind is RecordKind.IDEMPOTENCY else await read(kind, id_)

    await pep.submit(sent, "key")
    sim.worker.store.record = forgetful
    try:
        problem(await pep.submit(sent, "key"), "", 503)
    finally:
        del sim.worker.store.record
    assert len(await requests(sim)) == 1


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"expires_at": "2026-01-01T12:10:01Z"}, "expires_at"),
        ({"evaluation_id": "another"}, "another evaluation"),
        ({"binding_token": "made.up.token"}, "not one that this server"),
    ],
)
async def test_a_denial_is_echoed_as_it_was(pep, change, detail):
    sent = await body(pep)
    answer = await pep.submit({**sent, "denial": {**sent["denial"], **change}})
    assert detail in problem(answer, "invalid_denial_binding", 400)


async def test_a_denial_is_good_for_ten_minutes(sim, pep):
    sent = await body(pep)
    sim.clock.wind(minutes=10)
    assert "evaluate again" in problem(await pep.submit(sent), "expired_denial", 410)


async def test_what_policy_no_longer_puts_before_people_is_not_requestable(sim, pep, tmp_path):
    sent = await body(pep)
    file = sim.installation.directory / "policies" / "all.cedar"
    text = file.read_text()
    file.write_text(text.replace(' @approval("2 of payments-leads")', ""))
    sim.worker.reloading.wish()
    await sim.worker.reloading.poll()
    assert "permits this by now" in problem(await pep.submit(sent), "not_requestable", 400)
    file.write_text(text.replace("500000", "1"))
    sim.worker.reloading.wish()
    await sim.worker.reloading.poll()
    problem(await pep.submit(sent), "not_requestable", 400)


async def test_a_type_that_is_gone_is_not_requestable(tmp_path, sim, pep):
    sent = await body(pep)
    rules = sim.worker.policy.rules()
    types = rules.installation.catalogue.types
    gone = types["payment_refund"]
    types.pop("payment_refund")
    try:
        problem(await pep.submit(sent), "not_requestable", 400)
    finally:
        types["payment_refund"] = gone


async def test_what_is_wanted_until_a_time_that_is_over_is_refused(sim, pep):
    wanted = {"requested_until": "2026-01-01T12:00:00Z"}
    problem(await pep.submit(await body(pep, requested_access=wanted)), "", 400)
    soon = {"requested_until": "2026-01-01T12:03:00Z", "emergency": True}
    task = (await pep.submit(await body(pep, requested_access=soon))).json()["task"]
    assert task["expires_at"] == "2026-01-01T12:03:00Z"
    sim.clock.wind(minutes=3)
    assert (await pep.look(task))["task"]["status"] == "expired"


async def test_what_is_too_long_or_twice_is_refused(pep):
    sent = await body(pep)
    problem(await pep.submit(sent, "k" * 201), "", 400)
    answer = await pep.send(
        "POST",
        "/access/v1/requests",
        sent,
        ("Idempotency-Key", "a"),
        ("Idempotency-Key", "b"),
    )
    problem(answer, "", 400)


async def test_only_an_enforcement_point_submits(sim, pep):
    sent = await body(pep)
    pep.credentials = [("Authorization", f"Bearer {sim.caller().assertion()}")]
    problem(await pep.submit(sent), "", 403)
    pep.credentials = [("Authorization", "Basic bm9ib2R5Om5vdGhpbmc=")]
    answer = await pep.submit(sent)
    problem(answer, "", 401)
    assert answer.headers["www-authenticate"].startswith("Basic")


async def test_a_denial_outlives_the_worker_that_told_it(tmp_path):
    from contextlib import AsyncExitStack

    from tests.simulator import Installation, WoundClock

    installation = Installation(tmp_path, database="sqlite:///fleeting.db").write()
    clock = WoundClock()
    async with AsyncExitStack() as stack:
        one = await start(installation, stack, clock)
        two = await start(installation, stack, clock)
        sent = {**question(), "denial": echo(await Enforcement(one).decide(question()))}
        task = (await Enforcement(two).submit(sent)).json()["task"]
        people = await office(two)
        await people.approve(task["id"])
        approval = await Enforcement(one).approval(task)
        told = await Enforcement(one).decide(question(), approval)
        assert told["decision"] is True
        assert (await Enforcement(two).decide(question(), approval))["decision"] is False
