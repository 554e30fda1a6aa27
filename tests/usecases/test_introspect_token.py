import asyncio
from datetime import timedelta

import pytest

from fleeting.ports import Cutoff, CutoffKind, Write
from tests.simulator import PAYOUT, REFUND, claims_of, refused

INACTIVE = {"active": False}


async def test_a_live_token_is_told_to_the_resource_it_is_for(sim):
    token = await sim.caller().token(PAYOUT)
    told = (await sim.guard.introspect(token)).json()
    assert told == {
        **claims_of(token),
        "active": True,
        "token_type": "DPoP",
        "uses_left": 2,
    }


async def test_a_token_without_a_limit_has_none_left_to_tell(sim):
    token = await sim.caller("legacy").token(scope="payments:read")
    told = (await sim.guard.introspect(token)).json()
    assert told["token_type"] == "Bearer"
    assert "uses_left" not in told


async def test_introspecting_never_spends(sim):
    token = await sim.caller().token(REFUND)
    await asyncio.gather(*(sim.guard.introspect(token) for _ in range(5)))
    assert (await sim.guard.spend(token)).json()["use"] == 1


async def test_the_uses_left_go_down_to_inactive(sim):
    token = await sim.caller().token(PAYOUT)
    left = []
    for _ in range(2):
        left.append((await sim.guard.introspect(token)).json()["uses_left"])
        await sim.guard.spend(token)
    assert left == [2, 1]
    assert (await sim.guard.introspect(token)).json() == INACTIVE


async def test_of_a_dead_token_not_a_word_more(sim):
    bot = sim.caller()
    expired, revoked, forgotten = [await bot.token(REFUND) for _ in range(3)]
    await sim.guard.revoke(revoked)
    del sim.worker.store.tables.tokens[claims_of(forgotten)["jti"]]
    for token in (revoked, forgotten, "x", "a.b.c", expired + "A", sim.user_token()):
        assert (await sim.guard.introspect(token)).json() == INACTIVE
    sim.clock.wind(seconds=60)
    assert (await sim.guard.introspect(expired)).json() == INACTIVE


async def test_to_anyone_else_a_token_is_inactive(sim):
    token = await sim.caller().token(REFUND)
    for other in (sim.deployments_guard, sim.caller(), sim.caller("legacy")):
        assert (await other.introspect(token)).json() == INACTIVE


async def test_who_asks_must_authenticate_and_name_a_token(sim):
    response = await sim.guard.post("/introspect", {"token": "x"}, authorization=[])
    refused(response, "invalid_client", 401)
    refused(await sim.guard.post("/introspect"), "invalid_request")


async def test_a_hint_is_only_a_hint(sim):
    token = await sim.caller().token(REFUND)
    told = await sim.guard.introspect(token, token_type_hint="refresh_token")
    assert told.json()["active"] is True


async def test_an_assertion_introspects_once(sim):
    token = await sim.caller("release-bot").token(scope="deployments:read")
    guard = sim.deployments_guard
    credentials = guard.credentials()
    first = await guard.post("/introspect", {"token": token}, credentials=credentials)
    assert first.json()["active"] is True
    again = await guard.post("/introspect", {"token": token}, credentials=credentials)
    assert "used before" in refused(again, "invalid_client", 401)
    elsewhere = await guard.post("/revoke", {"token": token}, credentials=credentials)
    refused(elsewhere, "invalid_client", 401)


@pytest.mark.parametrize(
    ("kind", "value"),
    [(CutoffKind.CLIENT, "legacy"), (CutoffKind.SUBJECT, "legacy"), (CutoffKind.TOKEN, None)],
)
async def test_a_token_that_was_cut_off_is_inactive(sim, kind, value):
    token = await sim.caller("legacy").token(scope="payments:read")
    assert (await sim.guard.introspect(token)).json()["active"]
    until = sim.clock.now() + timedelta(hours=1)
    value = value or claims_of(token)["jti"]
    cutoff = Cutoff(kind, value, sim.clock.now(), until)
    await sim.worker.store.commit(Write(cutoffs=(cutoff,)))
    assert (await sim.guard.introspect(token)).json() == INACTIVE
