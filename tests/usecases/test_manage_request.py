"""What a client does about its own access requests, and nobody else about them."""

import asyncio

import pytest

from fleeting.core.evidence import EntryKind
from fleeting.core.lifecycle import Status
from tests.people import office
from tests.simulator import granted, new_key, refused
from tests.usecases.test_collect_token import LARGE, asked, refusal


@pytest.fixture
async def people(sim):
    return await office(sim)


async def manage(caller, id_, action=None, *, headers=(), **fields):
    form = {"access_request_id": id_, "action": action, **fields}
    return await caller.post("/access-request", form, proves=True, headers=headers)


async def collected(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    await people.approve(id_)
    token = (await caller.ask(LARGE, access_request_id=id_)).json()["access_token"]
    return caller, id_, token


async def test_it_is_told_where_its_request_stands(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    told = (await manage(caller, id_)).json()
    assert (told["status"], told["expires_in"], told["tokens"]) == ("pending", 900, 0)
    assert told["authorization_details"] == [LARGE]
    assert told["authorization_uri"].endswith(f"/requests/{id_}")
    await people.approve(id_)
    assert (await manage(caller, id_, "status")).json()["status"] == "approved"
    sim.clock.wind(minutes=15)
    told = (await manage(caller, id_, "status")).json()
    assert told["status"] == "expired"
    assert "expires_in" not in told


async def test_it_reads_what_people_ask_and_answers(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    await people.deeds.ask(people.who("lena"), id_, "which customer?")
    (question,) = (await manage(caller, id_)).json()["questions"]
    assert (question["kind"], question["text"]) == ("question", "which customer?")
    told = (await manage(caller, id_, "answer", text="the one of INC-7")).json()
    assert [each["kind"] for each in told["questions"]] == ["question", "answer"]
    (entry,) = await sim.recorded(EntryKind.REQUEST_ANSWERED)
    assert entry.body["by"] == "support-bot"
    refusal(await manage(caller, id_, "answer"), "invalid_request")


async def test_what_it_takes_back_is_over(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    assert (await manage(caller, id_, "cancel")).json()["status"] == "cancelled"
    refusal(await caller.ask(LARGE, access_request_id=id_), "access_denied")
    refusal(await manage(caller, id_, "cancel"), "conflict", 409)
    assert len(await sim.recorded(EntryKind.REQUEST_CANCELLED)) == 1


async def test_what_it_gives_back_is_good_for_nothing_more(sim, people):
    caller, id_, token = await collected(sim, people)
    told = (await manage(caller, id_, "return", reason="done")).json()
    assert (told["status"], told["reason"]) == ("returned", "done")
    assert (await sim.guard.spend(token)).json() == {"active": False, "reason": "revoked"}


async def test_a_grant_is_made_longer_by_the_people_who_gave_it(sim, people):
    caller, id_, _ = await collected(sim, people)
    response = await manage(caller, id_, "extend", duration="3m")
    told = response.json()
    assert (told["status"], told["extends"]) == ("pending", id_)
    await people.approve(told["access_request_id"])
    sim.clock.wind(minutes=4)
    claims = granted(await caller.ask(LARGE, access_request_id=id_))
    assert claims["exp"] - claims["iat"] == 180
    refusal(await caller.ask(LARGE, access_request_id=id_), "invalid_grant")
    refusal(await manage(caller, id_, "extend", duration="3 minutes"), "invalid_request")
    refusal(await manage(caller, id_, "extend", duration="1h"), "invalid_request")


async def test_nobody_else_manages_it(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    for other in (sim.caller("release-bot"), sim.caller(proof_key=new_key())):
        for action in ("status", "cancel", "return", "extend", "answer"):
            fields = {"duration": "5m", "text": "x"}
            refused(await manage(other, id_, action, **fields), "invalid_grant")
    assert (await people.record(id_)).status is Status.PENDING


async def test_what_is_no_action_or_no_id_is_said(sim):
    caller = sim.caller()
    refused(await manage(caller, "x", "approve"), "invalid_request")
    refused(await manage(caller, "no id!"), "invalid_request")
    refused(await manage(caller, None), "invalid_request")


async def test_a_held_status_comes_with_the_next_change(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    headers = [("Prefer", "wait=20")]
    waiting = asyncio.create_task(manage(caller, id_, headers=headers))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await people.approve(id_, "lena")
    async with asyncio.timeout(2):
        assert (await waiting).json()["status"] == "pending"


async def test_two_who_end_it_at_once_end_it_once(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    answers = await asyncio.gather(*(manage(caller, id_, "cancel") for _ in range(4)))
    assert sorted(each.status_code for each in answers) == [200, 409, 409, 409]
    assert len(await sim.recorded(EntryKind.REQUEST_CANCELLED)) == 1
