import asyncio
import json

import pytest

from fleeting.core.evidence import EntryKind
from tests.simulator import DEPLOYMENT, PAYOUT, REFUND, claims_of, refused


async def test_a_use_is_given_as_often_as_the_token_says(sim):
    token = await sim.caller().token(PAYOUT)
    answers = [(await sim.guard.spend(token)).json() for _ in range(3)]
    assert answers == [
        {"active": True, "use": 1, "uses": 2},
        {"active": True, "use": 2, "uses": 2},
        {"active": False, "reason": "spent"},
    ]


async def test_a_token_without_a_limit_may_be_spent_too(sim):
    token = await sim.caller().token(scope="payments:read")
    answers = [(await sim.guard.spend(token)).json() for _ in range(2)]
    assert answers == [{"active": True, "use": 1}, {"active": True, "use": 2}]


async def test_asking_again_with_the_same_id_gives_the_same_answer(sim):
    token = await sim.caller().token(PAYOUT)
    first = await sim.guard.spend(token, use_id="call-1")
    await sim.guard.spend(token, use_id="call-2")
    again = await sim.guard.spend(token, use_id="call-1")
    assert again.json() == first.json() == {"active": True, "use": 1, "uses": 2}
    assert (await sim.guard.spend(token, use_id="call-3")).json()["reason"] == "spent"
    entries = await sim.recorded(EntryKind.TOKEN_SPENT)
    assert [entry.body["repeated"] for entry in entries] == [False, False, True]


async def test_an_answer_is_not_repeated_for_another_operation(sim):
    token = await sim.caller().token(REFUND)
    assert (await sim.guard.spend(token, use_id="call-1")).json()["active"] is True
    other = await sim.guard.spend(token, {**REFUND, "amount": 1}, use_id="call-1")
    assert other.json() == {"active": False, "reason": "spent"}
    reordered = dict(reversed(REFUND.items()))
    assert (await sim.guard.spend(token, reordered, use_id="call-1")).json()["use"] == 1


async def test_an_id_is_of_its_token_and_no_other(sim):
    bot = sim.caller()
    one, two = await bot.token(REFUND), await bot.token(REFUND)
    for token in (one, two):
        assert (await sim.guard.spend(token, use_id="same")).json()["use"] == 1


@pytest.mark.parametrize("database", ["memory://", "sqlite:///fleeting.db"])
async def test_of_many_racing_guards_exactly_one_wins(tmp_path, database):
    from tests.simulator import simulator

    async with simulator(tmp_path, database=database) as sim:
        bot = sim.caller()
        for _ in range(3):
            token = await bot.token(REFUND)
            answers = await asyncio.gather(*(sim.guard.spend(token) for _ in range(25)))
            won = [answer.json() for answer in answers if answer.json()["active"]]
            assert won == [{"active": True, "use": 1, "uses": 1}]
            assert all(a.json().get("reason") == "spent" for a in answers if a.json() != won[0])


async def test_of_many_racing_for_three_uses_exactly_three_win(sim):
    token = await sim.caller("release-bot").token(DEPLOYMENT)
    guard = sim.deployments_guard
    answers = await asyncio.gather(*(guard.spend(token) for _ in range(20)))
    uses = sorted(a.json()["use"] for a in answers if a.json()["active"])
    assert uses == [1, 2, 3]


async def test_racing_with_one_id_gives_one_use_to_all(sim):
    token = await sim.caller().token(REFUND)
    answers = await asyncio.gather(*(sim.guard.spend(token, use_id="same") for _ in range(20)))
    assert {a.text for a in answers} == {'{"active":true,"use":1,"uses":1}'}


async def test_a_token_is_not_spent_after_its_end(sim):
    token = await sim.caller().token(REFUND)
    sim.clock.wind(seconds=59.999)
    assert (await sim.guard.spend(token, use_id="call-1")).json()["active"] is True
    sim.clock.wind(seconds=0.001)
    assert (await sim.guard.spend(token, use_id="call-2")).json()["reason"] == "expired"
    assert (await sim.guard.spend(token, use_id="call-1")).json()["reason"] == "expired"


async def test_a_token_is_not_spent_once_it_is_revoked(sim):
    token = await sim.caller().token(REFUND)
    await sim.guard.revoke(token)
    assert (await sim.guard.spend(token)).json() == {"active": False, "reason": "revoked"}


async def test_a_guard_spends_tokens_of_its_own_resource_only(sim):
    token = await sim.caller().token(REFUND)
    for other in (sim.deployments_guard, sim.caller(), sim.caller("legacy")):
        answer = await other.spend(token)
        assert answer.json() == {"active": False, "reason": "audience"}
    assert (await sim.guard.spend(token)).json()["active"] is True
    kinds = [entry.body.get("reason") for entry in await sim.recorded(EntryKind.SPEND_REFUSED)]
    assert kinds == ["audience"] * 3


async def test_a_token_that_we_never_made_is_unknown(sim):
    token = await sim.caller().token(REFUND)
    for text in ("x", "a.b.c", token[:-4] + "AAAA", sim.user_token()):
        answer = await sim.guard.spend(text, REFUND)
        assert answer.json() == {"active": False, "reason": "unknown"}


async def test_a_token_that_the_store_forgot_is_unknown(sim):
    token = await sim.caller().token(REFUND)
    sim.worker.store.tables.tokens.clear()
    assert (await sim.guard.spend(token)).json() == {"active": False, "reason": "unknown"}


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ({**REFUND, "amount": 5001}, "invalid_authorization_details"),
        ({**REFUND, "payment_id": "43"}, "invalid_authorization_details"),
        ({**REFUND, "currency": "USD"}, "invalid_authorization_details"),
        ({**REFUND, "x": 1}, "invalid_authorization_details"),
        ({"type": "scope", "actions": ["payments:read"]}, "invalid_authorization_details"),
        ({"type": "scope", "actions": []}, "invalid_authorization_details"),
        ({"type": "scope"}, "invalid_authorization_details"),
        ({"type": "unknown"}, "invalid_authorization_details"),
        ([], "invalid_authorization_details"),
        ("{", "invalid_request"),
        ('{"a":1,"a":1}', "invalid_request"),
    ],
)
async def test_an_operation_that_the_token_does_not_contain_spends_nothing(sim, operation, error):
    token = await sim.caller().token(REFUND)
    refused(await sim.guard.spend(token, operation), error)
    assert (await sim.worker.store.find(claims_of(token)["jti"])).used == 0


async def test_less_than_was_granted_may_be_served(sim):
    token = await sim.caller().token(REFUND)
    answer = await sim.guard.spend(token, {**REFUND, "amount": 1, "note": "a word"})
    assert answer.json()["active"] is True
    (entry,) = await sim.recorded(EntryKind.TOKEN_SPENT)
    assert entry.body["operation"]["amount"] == 1
    assert entry.body["guard"] == "payments-api"


@pytest.mark.parametrize("use_id", ["", "with space", "ü", "a\nb", "x" * 201])
async def test_an_id_is_visible_ascii(sim, use_id):
    token = await sim.caller().token(REFUND)
    form = {"token": token, "use_id": use_id, "operation": REFUND}
    refused(await sim.guard.post("/spend", form), "invalid_request")


@pytest.mark.parametrize("missing", ["token", "use_id", "operation"])
async def test_nothing_may_be_missing(sim, missing):
    form = {"token": await sim.caller().token(REFUND), "use_id": "1", "operation": REFUND}
    assert missing in refused(
        await sim.guard.post("/spend", {**form, missing: None}), "invalid_request"
    )


async def test_who_does_not_authenticate_spends_nothing(sim):
    token = await sim.caller().token(REFUND)
    form = {"token": token, "use_id": "1", "operation": json.dumps(REFUND)}
    response = await sim.guard.post("/spend", form, credentials={})
    refused(response, "invalid_client", 401)
    assert response.headers["www-authenticate"].startswith("Basic ")
    assert (await sim.worker.store.find(claims_of(token)["jti"])).used == 0


async def test_a_use_survives_a_restart(tmp_path):
    from contextlib import AsyncExitStack

    from tests.simulator import Installation, WoundClock, start

    installation, clock = Installation(tmp_path, database="sqlite:///f.db").write(), WoundClock()
    async with AsyncExitStack() as stack:
        sim = await start(installation, stack, clock)
        token = await sim.caller().token(REFUND)
        first = await sim.guard.spend(token, use_id="call-1")
    async with AsyncExitStack() as stack:
        sim = await start(installation, stack, clock)
        assert (await sim.guard.spend(token, use_id="call-1")).json() == first.json()
        assert (await sim.guard.spend(token, use_id="call-2")).json()["reason"] == "spent"


async def test_siblings_on_one_database_give_one_use_between_them(tmp_path):
    from contextlib import AsyncExitStack

    from tests.simulator import Installation, WoundClock, start

    installation, clock = Installation(tmp_path, database="sqlite:///f.db").write(), WoundClock()
    async with AsyncExitStack() as stack:
        siblings = [await start(installation, stack, clock) for _ in range(3)]
        token = await siblings[0].caller().token(REFUND)
        spends = [sibling.guard.spend(token) for sibling in siblings for _ in range(5)]
        answers = [answer.json() for answer in await asyncio.gather(*spends)]
        assert [answer for answer in answers if answer["active"]] == [
            {"active": True, "use": 1, "uses": 1}
        ]
