"""Time: every boundary, leaps backwards, and restarts."""

from contextlib import AsyncExitStack

import pytest

from tests.attacks.scene import Scene
from tests.simulator import REFUND, claims_of, granted, start

ASK = {"grant_type": "client_credentials", "authorization_details": [REFUND]}


@pytest.fixture
async def bot(sim):
    caller = sim.caller()
    await caller.ask(scope="payments:read")
    return caller


def now_of(sim):
    return int(sim.clock.now().timestamp())


async def test_a_token_ends_when_it_says(scene, api, bot):
    """ATTACKS 34: no grace at its end, at the guard, at spend and at introspection."""
    sim, token = scene.sim, await bot.token(REFUND)
    sim.clock.wind(seconds=59, milliseconds=999)
    assert (await sim.guard.introspect(token)).json()["active"] is True
    sim.clock.wind(milliseconds=1)
    assert (await sim.guard.introspect(token)).json() == {"active": False}
    await scene.inactive(sim.guard.spend(token), "expired")
    assert "expired" in await api.refuses(api.headers(bot, token), "invalid_token")
    sim.clock.wind(days=2)
    await sim.worker.store.prune(sim.clock.now(), ledger_before=None, limit=1000)
    await scene.inactive(sim.guard.spend(token), "unknown")


async def test_a_token_of_the_future_is_not_valid_yet(scene, api, bot):
    """ATTACKS 34: a guard whose clock is far behind its issuer's."""
    token = await bot.token(REFUND)
    scene.sim.clock.wind(seconds=-11)
    fresh = api.headers(bot, token)
    assert "not valid yet" in await api.refuses(fresh, "invalid_token")


async def test_a_leap_backwards_revives_nothing(scene, api, bot):
    """ATTACKS 34: what was spent, revoked or seen stays so."""
    sim = scene.sim
    spent, revoked = await bot.token(REFUND), await bot.token(REFUND)
    await sim.guard.spend(spent)
    await bot.revoke(revoked)
    assertion, proof = bot.credentials(), bot.proof()
    assert (await bot.post("/token", ASK, credentials=assertion, proofs=[proof])).status_code == 200
    for back in (1, 5, 30):
        sim.clock.wind(seconds=-back)
        await sim.worker.store.prune(sim.clock.now(), ledger_before=None, limit=1000)
        await scene.inactive(sim.guard.spend(spent), "spent")
        await scene.inactive(sim.guard.spend(revoked), "revoked")
        replay = bot.post("/token", ASK, credentials=assertion, proofs=[bot.proof()])
        await scene.refuses(replay, "invalid_client", 401)
    sim.clock.wind(seconds=36)
    replay = bot.post("/token", ASK, proofs=[proof])
    await scene.refuses(replay, "invalid_dpop_proof")


async def test_an_assertion_counts_within_its_own_time(scene, bot):
    """ATTACKS 34: ten seconds of skew, not more; never longer than ten minutes."""
    sim, now = scene.sim, now_of(scene.sim)
    for good in ({"exp": now - 9}, {"nbf": now + 10}, {"iat": now + 10}, {"exp": now + 600}):
        granted(await bot.post("/token", ASK, credentials=bot.credentials(**good)))
    for bad in (
        {"exp": now - 10}, {"exp": now + 601}, {"exp": None}, {"exp": str(now + 60)},
        {"exp": True}, {"exp": 10**30}, {"exp": 1e308}, {"exp": -1}, {"nbf": now + 11},
        {"iat": now + 11}, {"nbf": "now"}, {"iat": [now]}, {"exp": 10**400},
    ):  # fmt: skip
        attack = bot.post("/token", ASK, credentials=bot.credentials(**bad))
        await scene.refuses(attack, "invalid_client", 401)
    sim.clock.wind(seconds=60)


async def test_a_challenge_counts_within_its_own_time(scene, bot):
    """ATTACKS 34."""
    sim, now, error = scene.sim, now_of(scene.sim), "invalid_transaction_challenge"
    for bad in ({"exp": now - 10}, {"exp": now + 601}, {"exp": None}, {"iat": None},
                {"iat": now + 11}, {"nbf": now + 11}):  # fmt: skip
        await scene.refuses(bot.authorize(sim.challenge(**bad)), error)
    challenge = sim.challenge(exp=now + 600)
    granted(await bot.authorize(challenge))
    sim.clock.wind(seconds=609)
    await sim.worker.store.prune(sim.clock.now(), ledger_before=None, limit=1000)
    await bot.ask(scope="payments:read")
    assert "used before" in await scene.refuses(bot.authorize(challenge), error)


async def test_a_token_for_a_user_ends_with_the_users_own(scene, bot):
    """ATTACKS 34, 29."""
    sim = scene.sim
    token = sim.user_token(exp=now_of(sim) + 3)
    access = (await bot.exchange(token, REFUND)).json()["access_token"]
    assert claims_of(access)["exp"] == now_of(sim) + 3
    sim.clock.wind(seconds=3)
    await scene.inactive(sim.guard.spend(access), "expired")


async def test_a_restart_forgets_nothing(sqlite_sim, log):
    """ATTACKS 3, 6, 8, 34: neither uses nor revocations nor what was seen."""
    sim = sqlite_sim
    bot = sim.caller()
    await bot.ask(scope="payments:read")
    spent, revoked, left = [await bot.token(REFUND) for _ in range(3)]
    await sim.guard.spend(spent)
    await bot.revoke(revoked)
    assertion, proof, challenge = bot.credentials(), bot.proof(), sim.challenge()
    await bot.post("/token", ASK, credentials=assertion, proofs=[proof])
    await bot.authorize(challenge)
    async with AsyncExitStack() as stack:
        again = await start(sim.installation, stack, sim.clock)
        guard, bot.http = again.guard, again.http
        for token, reason in ((spent, "spent"), (revoked, "revoked")):
            assert (await guard.spend(token)).json() == {"active": False, "reason": reason}
        assert (await guard.spend(left)).json()["active"] is True
        replays = (
            await bot.post("/token", ASK, credentials=assertion, proofs=[bot.proof()]),
            await bot.post("/token", ASK, proofs=[proof]),
            await bot.authorize(challenge),
        )
        errors = [response.json()["error"] for response in replays]
        assert errors == ["invalid_client", "invalid_dpop_proof", "invalid_transaction_challenge"]
        Scene(again, log).check_silence([assertion["client_assertion"], proof, challenge])
