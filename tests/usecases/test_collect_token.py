"""What people approve is the token: asked for, waited for, collected once."""

import asyncio
from datetime import timedelta

import pytest

from fleeting.core.durations import parse_duration
from fleeting.core.evidence import EntryKind
from fleeting.core.lifecycle import Status
from fleeting.core.offers import Narrowing
from tests.people import office
from tests.simulator import REFUND, claims_of, granted, new_key

LARGE = {**REFUND, "amount": 50_000}


@pytest.fixture
async def people(sim):
    return await office(sim)


def pending(response, error="authorization_pending"):
    """Check that *response* says to come again, and return what it says."""
    body = response.json()
    assert (response.status_code, body["error"]) == (400, error), response.text
    assert response.headers["cache-control"] == "no-store"
    return body


def refusal(response, error, status=400):
    body = response.json()
    assert (response.status_code, body["error"]) == (status, error), response.text
    return body["error_description"]


async def asked(caller, *details, **fields):
    return pending(await caller.ask(*(details or (LARGE,)), **fields))["access_request_id"]


async def test_a_request_that_people_decide_is_recorded_and_told_where_it_stands(sim, people):
    caller = sim.caller()
    body = pending(await caller.ask(LARGE, request_context={"ticket": "INC-7"}))
    id_ = body["access_request_id"]
    assert (body["interval"], body["expires_in"]) == (5, 900)
    assert body["authorization_uri"] == f"{sim.installation.issuer}/requests/{id_}"
    assert body["request_id"] == id_
    (entry,) = await sim.recorded()
    assert (entry.kind, entry.request_id) == (EntryKind.REQUEST_PENDING, id_)
    assert entry.body["approval"] == "2 of payments-leads"
    assert entry.body["offer"]["operations"] == [LARGE]
    assert entry.body["context"] == {"ticket": "INC-7"}
    record = await people.record(id_)
    assert record.status is Status.PENDING
    assert record.expires_at == sim.clock.now() + timedelta(minutes=15)


async def test_the_token_is_collected_once_and_lives_from_then_on(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    await people.approve(id_)
    sim.clock.wind(minutes=10)
    response = await caller.ask(LARGE, access_request_id=id_)
    claims = granted(response)
    assert claims["authorization_details"] == [LARGE]
    assert claims["exp"] - claims["iat"] == 300
    assert claims["iat"] == int(sim.clock.now().timestamp())
    assert claims["uses"] == 1
    assert response.json()["access_request_id"] == id_
    told = refusal(await caller.ask(LARGE, access_request_id=id_), "invalid_grant")
    assert "collected already" in told
    kinds = [entry.kind for entry in await sim.recorded() if entry.request_id == id_]
    voted = [EntryKind.REQUEST_VOTED] * 2
    assert kinds == [
        EntryKind.REQUEST_PENDING,
        *voted,
        EntryKind.REQUEST_APPROVED,
        EntryKind.TOKEN_ISSUED,
    ]
    (issued,) = await sim.recorded(EntryKind.TOKEN_ISSUED)
    assert [vote["by"] for vote in issued.body["approval"]["votes"]] == ["lena", "luis"]


async def test_a_collected_token_is_served_like_any_other(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    await people.approve(id_)
    token = (await caller.ask(LARGE, access_request_id=id_)).json()["access_token"]
    assert (await sim.guard.spend(token)).json()["active"] is True
    await people.deeds.revoke(people.who("lena"), id_, "a mistake")
    assert (await sim.guard.spend(token)).json()["reason"] in ("revoked", "spent")


async def test_one_yes_of_two_is_still_pending(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    await people.approve(id_, "lena")
    sim.clock.wind(seconds=6)
    assert pending(await caller.ask(LARGE, access_request_id=id_))["access_request_id"] == id_


async def test_who_asks_too_often_is_told_to_slow_down_and_the_interval_grows(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    assert pending(await caller.ask(LARGE, access_request_id=id_))["interval"] == 5
    assert pending(await caller.ask(LARGE, access_request_id=id_), "slow_down")["interval"] == 10
    sim.clock.wind(seconds=6)
    assert pending(await caller.ask(LARGE, access_request_id=id_), "slow_down")["interval"] == 15
    sim.clock.wind(seconds=15)
    assert pending(await caller.ask(LARGE, access_request_id=id_))["interval"] == 15
    assert len(await sim.recorded()) == 1  # polls are not evidence


async def test_a_no_is_told_with_its_reason(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    await people.deny(id_, "this customer was refunded already")
    told = refusal(await caller.ask(LARGE, access_request_id=id_), "access_denied")
    assert told == "this customer was refunded already"


async def test_nobody_decides_in_time_and_it_is_expired_and_recorded(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    sim.clock.wind(minutes=15)
    refusal(await caller.ask(LARGE, access_request_id=id_), "expired_token")
    assert len(await sim.recorded(EntryKind.REQUEST_EXPIRED)) == 1
    refusal(await caller.ask(LARGE, access_request_id=id_), "expired_token")
    assert len(await sim.recorded(EntryKind.REQUEST_EXPIRED)) == 1


async def test_what_was_approved_and_not_collected_in_time_is_expired(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    await people.approve(id_)
    sim.clock.wind(minutes=15)
    refusal(await caller.ask(LARGE, access_request_id=id_), "expired_token")


async def test_what_an_approver_narrowed_is_what_the_token_says(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    record = await people.record(id_)
    (operation,) = record.offer.operations
    less = type(operation)(operation.type, operation.actions, {**operation.fields, "amount": 7000})
    narrowing = Narrowing((less,), parse_duration("2m"))
    await people.deeds.narrow(people.who("lena"), id_, narrowing)
    await people.approve(id_)
    claims = granted(await caller.ask(LARGE, access_request_id=id_))
    assert claims["authorization_details"] == [{**LARGE, "amount": 7000}]
    assert claims["exp"] - claims["iat"] == 120


async def test_the_same_request_asked_again_while_it_waits_is_the_same(sim, people):
    caller = sim.caller()
    ids = {await asked(caller) for _ in range(2)}
    assert len(ids) == 1
    assert await asked(caller, {**LARGE, "payment_id": "43"}) not in ids
    assert await asked(sim.caller()) not in ids  # another key
    await people.deny(*ids)
    assert await asked(caller) not in ids


async def test_asked_at_once_it_is_still_one_request(sim, people):
    caller = sim.caller()
    await caller.ask(REFUND)  # for the nonce
    ids = await asyncio.gather(*(asked(caller) for _ in range(5)))
    assert len(set(ids)) == 1


async def test_another_client_key_or_request_gets_nothing(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    await people.approve(id_)
    other_key = sim.caller(proof_key=new_key())
    told = refusal(await other_key.ask(LARGE, access_request_id=id_), "invalid_grant")
    assert "another key" in told
    other = sim.caller("release-bot")
    mine = refusal(await other.ask(LARGE, access_request_id=id_), "invalid_grant")
    nobodys = refusal(await other.ask(LARGE, access_request_id="nobodys"), "invalid_grant")
    assert mine == nobodys
    for changed in (
        [{**LARGE, "amount": 50_001}],
        [{**LARGE, "amount": 49_999}],
        [LARGE, REFUND],
    ):
        told = refusal(await caller.ask(*changed, access_request_id=id_), "invalid_grant")
        assert "another request" in told
    for fields in ({"request_context": {"ticket": "INC-8"}}, {"scope": "payments:read"}):
        response = await caller.ask(LARGE, access_request_id=id_, **fields)
        refusal(response, "invalid_grant")
    token = sim.user_token(sub="mallory")
    refusal(await caller.exchange(token, LARGE, access_request_id=id_), "invalid_grant")
    granted(await caller.ask(LARGE, access_request_id=id_))


async def test_of_two_who_collect_at_once_one_gets_the_token(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    await people.approve(id_)
    answers = await asyncio.gather(*(caller.ask(LARGE, access_request_id=id_) for _ in range(6)))
    assert sorted(each.status_code for each in answers) == [200] + [400] * 5
    assert {each.json()["error"] for each in answers if each.status_code == 400} == {
        "invalid_grant"
    }
    assert len(await sim.recorded(EntryKind.TOKEN_ISSUED)) == 1


async def test_a_bearer_client_collects_without_a_key(sim, people):
    caller = sim.caller("legacy")
    id_ = await asked(caller)
    await people.approve(id_)
    response = await caller.ask(LARGE, access_request_id=id_)
    assert "cnf" not in granted(response)
    assert response.json()["token_type"] == "Bearer"


async def test_a_user_s_request_is_collected_with_a_fresh_token_of_the_same_user(sim, people):
    caller = sim.caller()
    first = pending(await caller.exchange(sim.user_token(), LARGE))["access_request_id"]
    await people.approve(first)
    sim.clock.wind(minutes=5)
    response = await caller.exchange(sim.user_token(), LARGE, access_request_id=first)
    assert granted(response)["sub"] == "alice"
    assert response.json()["issued_token_type"].endswith("access_token")


async def test_what_policy_denies_is_left_out_of_the_offer_and_told_at_collection(sim, people):
    caller = sim.caller()
    both = (LARGE, {**LARGE, "payment_id": "43", "currency": "USD"})
    id_ = await asked(caller, *both)
    assert len((await people.record(id_)).offer.operations) == 1
    await people.approve(id_)
    response = await caller.ask(*both, access_request_id=id_)
    assert granted(response)["authorization_details"] == [LARGE]
    (refused,) = response.json()["refused"]
    assert refused["operation"] == 1


async def test_a_replayed_proof_polls_nothing(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    proof = caller.proof()
    form = {
        "grant_type": "client_credentials",
        "authorization_details": [LARGE],
        "access_request_id": id_,
    }
    pending(await caller.post("/token", form, proofs=[proof]))
    refusal(await caller.post("/token", form, proofs=[proof]), "invalid_dpop_proof")


# Long polling.


async def test_a_held_answer_comes_with_the_last_vote(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    wait = asyncio.create_task(
        caller.post(
            "/token",
            {
                "grant_type": "client_credentials",
                "authorization_details": [LARGE],
                "access_request_id": id_,
            },
            headers=[("Prefer", "wait=20")],
        )
    )
    await asyncio.sleep(0.1)
    assert not wait.done()
    assert len(sim.worker.asking.counter.waiting) == 1
    await people.approve(id_)
    async with asyncio.timeout(2):
        granted(await wait)
    assert len(sim.worker.asking.counter.waiting) == 0


async def test_a_held_answer_says_pending_in_the_end_and_never_slow_down(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    for _ in range(2):
        response = await caller.post(
            "/token",
            {
                "grant_type": "client_credentials",
                "authorization_details": [LARGE],
                "access_request_id": id_,
            },
            headers=[("Prefer", "wait=1")],
        )
        assert pending(response)["interval"] == 5


async def test_what_another_worker_commits_wakes_as_well(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    store = sim.worker.store
    people.deeds = type(people.deeds)(
        type(people.deeds.desk)(
            store, sim.clock, sim.worker.policy, people.deeds.desk.people, people.deeds.desk.roles
        ),
        people.deeds.ids,
    )
    wait = asyncio.create_task(
        caller.post(
            "/token",
            {
                "grant_type": "client_credentials",
                "authorization_details": [LARGE],
                "access_request_id": id_,
            },
            headers=[("Prefer", "wait=20")],
        )
    )
    await asyncio.sleep(0.1)
    await people.approve(id_)
    async with asyncio.timeout(3):
        assert claims_of((await wait).json()["access_token"])["authorization_details"] == [LARGE]
