from fleeting.core.evidence import EntryKind
from tests.simulator import REFUND, claims_of, refused


async def test_the_client_ends_a_token_that_was_issued_to_it(sim):
    bot = sim.caller()
    token = await bot.token(REFUND)
    response = await bot.revoke(token)
    assert (response.status_code, response.content) == (200, b"")
    assert (await sim.guard.introspect(token)).json() == {"active": False}
    (entry,) = await sim.recorded(EntryKind.TOKEN_REVOKED)
    assert entry.body == {"client": "support-bot", "ended": True}
    assert entry.jti == claims_of(token)["jti"]


async def test_the_resource_ends_a_token_that_is_for_it(sim):
    token = await sim.caller().token(REFUND)
    await sim.guard.revoke(token)
    assert (await sim.guard.spend(token)).json()["reason"] == "revoked"


async def test_nobody_else_does(sim):
    token = await sim.caller().token(REFUND)
    for other in (sim.caller("release-bot"), sim.deployments_guard, sim.caller("legacy")):
        refused(await other.revoke(token), "unauthorized_client")
    assert (await sim.guard.introspect(token)).json()["active"] is True


async def test_ending_twice_is_no_error_and_told_apart_in_the_ledger(sim):
    bot = sim.caller()
    token = await bot.token(REFUND)
    for _ in range(2):
        assert (await bot.revoke(token)).status_code == 200
    entries = await sim.recorded(EntryKind.TOKEN_REVOKED)
    assert [entry.body["ended"] for entry in entries] == [True, False]


async def test_a_token_that_was_never_ours_is_no_error(sim):
    for text in ("x", "a.b.c", sim.user_token()):
        assert (await sim.caller().revoke(text)).status_code == 200
    assert await sim.recorded() == []


async def test_an_expired_token_stays_expired(sim):
    bot = sim.caller()
    token = await bot.token(REFUND)
    sim.clock.wind(minutes=2)
    assert (await bot.revoke(token, token_type_hint="access_token")).status_code == 200
    assert (await sim.guard.spend(token)).json()["reason"] == "expired"


async def test_a_token_is_named(sim):
    refused(await sim.caller().post("/revoke"), "invalid_request")


async def test_a_store_that_is_gone_ends_nothing_and_says_so(sim):
    bot = sim.caller()
    token = await bot.token(REFUND)
    sim.worker.store.available = False
    response = await bot.revoke(token)
    refused(response, "temporarily_unavailable", 503)
    sim.worker.store.available = True
    assert (await sim.guard.introspect(token)).json()["active"] is True
    assert (await bot.revoke(token)).status_code == 200
    assert (await sim.guard.introspect(token)).json()["active"] is False
