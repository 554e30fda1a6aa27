"""Token exchange: other people's tokens, borrowed names, chains, and providers that lie."""

import pytest

from fleeting.server.settings import SettingsError
from tests.attacks.scene import Scene
from tests.simulator import (
    JWT_TYPE,
    REFUND,
    Installation,
    claims_of,
    granted,
    new_key,
    sign,
    simulator,
)

IDP2, IDP3 = "https://idp2.example.com", "https://idp3.example.com"
PROVIDERS = f"""
[[identity_providers]]
issuer = "{IDP2}"
jwks_file = "keys/release-bot.jwks.json"
audience = "fleeting"
[identity_providers.claims]
groups = "groups"

[[identity_providers]]
issuer = "{IDP3}"
jwks_file = "keys/payments-api.jwks.json"
audience = "fleeting"
subject_prefix = "three:"
"""
REFUSED = "invalid_request"


@pytest.fixture
async def bot(sim):
    caller = sim.caller()
    await caller.ask(scope="payments:read")
    return caller


def acting(token):
    return {"actor_token": token, "actor_token_type": JWT_TYPE}


async def test_a_subject_token_of_another_issuer_or_key_is_refused(scene, bot):
    """ATTACKS 29: CVE-2026-56668."""
    sim = scene.sim
    for token in (
        sim.user_token(iss="https://evil.example"),
        sim.user_token(iss="https://idp.example.com/"),
        sim.user_token(iss=None),
        sim.user_token(iss=["https://idp.example.com"]),
        sim.user_token(key=new_key()),
        sim.user_token(key=bot.key),
        sim.user_token(sub=None),
        sim.user_token(sub=""),
        sim.user_token(sub=7),
        sim.user_token(exp=None),
        sim.user_token(exp="later"),
        sim.user_token(exp=int(sim.clock.now().timestamp()) - 10),
        sim.user_token(nbf=int(sim.clock.now().timestamp()) + 11),
        sim.user_token(iat=int(sim.clock.now().timestamp()) + 11),
        await bot.token(REFUND),
    ):
        assert "subject_token" in await scene.refuses(bot.exchange(token, REFUND), REFUSED)


async def test_nothing_of_an_exchange_is_dropped_in_silence(scene, bot):
    """ATTACKS 29: CVE-2026-9704: what is not understood is refused, never ignored."""
    user = scene.sim.user_token()
    ask = {"authorization_details": [REFUND]}
    for form in (
        {"grant_type": "client_credentials", "subject_token": user, "subject_token_type": JWT_TYPE},
        {"grant_type": "client_credentials", **acting(user)},
        {"grant_type": "client_credentials", "audience": "http://127.0.0.1:8401"},
        {"grant_type": "client_credentials", "requested_token_type": JWT_TYPE},
    ):
        await scene.refuses(bot.post("/token", {**form, **ask}), REFUSED)
    for more in (
        {"subject_token": ""},
        {"subject_token_type": None},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"actor_token": user},
        {"actor_token_type": JWT_TYPE},
        {"actor_token": "", "actor_token_type": JWT_TYPE},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:txn_token"},
    ):
        form = {"subject_token": user, "subject_token_type": JWT_TYPE, **more, **ask}
        exchange = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", **form}
        await scene.refuses(bot.post("/token", exchange), REFUSED)
    huge = scene.sim.user_token(padding="x" * 20_000)
    await scene.refuses(bot.exchange(huge, REFUND), REFUSED)
    padded = bot.exchange(huge, REFUND, request_context='{"purpose":"' + "x" * 60_000 + '"}')
    await scene.refuses(padded, REFUSED, 413, recorded=False)


async def test_the_grant_is_not_every_clients(scene):
    """ATTACKS 29, 30."""
    legacy, guard = scene.sim.caller("legacy"), scene.sim.guard
    user = scene.sim.user_token()
    for client in (legacy, guard):
        proved = client if client.proof_key else scene.sim.caller(client.client_id,
                                                                  proof_key=new_key())  # fmt: skip
        await proved.ask(scope="payments:read")
        await scene.refuses(proved.exchange(user, REFUND), "unauthorized_client")
    await scene.refuses(proved.ask(REFUND), "unauthorized_client")


async def test_a_user_cannot_have_the_name_of_a_client(scene, bot):
    """ATTACKS 32: RFC 9700 §4.15, as subject and as actor."""
    sim = scene.sim
    for name in ("support-bot", "release-bot", "payments-api", "legacy"):
        namesake = sim.user_token(sub=name)
        assert "name of a client" in await scene.refuses(bot.exchange(namesake, REFUND), REFUSED)
        attack = bot.exchange(sim.user_token(), REFUND, **acting(namesake))
        assert "name of a client" in await scene.refuses(attack, REFUSED)


async def test_a_provider_cannot_name_another_ones_users(tmp_path, log):
    """ATTACKS 29, 32: a malicious provider among several: whoever it speaks of is its own."""
    async with simulator(tmp_path, tables=PROVIDERS) as sim:
        scene, bot = Scene(sim, log), sim.caller()
        await bot.ask(scope="payments:read")
        for name in (f"{IDP2}#alice", f"{IDP2}#", "three:alice", "three:"):
            forged = sim.user_token(sub=name)
            await scene.refuses(bot.exchange(forged, REFUND), REFUSED)
            await scene.refuses(bot.exchange(sim.user_token(), REFUND, **acting(forged)), REFUSED)
        second = sim.user_token(iss=IDP2, key=sim.keys["release-bot"])
        claims = granted(await bot.exchange(second, REFUND))
        assert claims["sub"] == f"{IDP2}#alice"
        # One that signs in another's name, or with another's key, is nobody.
        for token in (
            sim.user_token(iss=IDP2),
            sim.user_token(key=sim.keys["release-bot"]),
            sim.user_token(iss=IDP3, key=sim.keys["release-bot"]),
        ):
            await scene.refuses(bot.exchange(token, REFUND), REFUSED)


def test_two_providers_cannot_share_a_name_space(tmp_path):
    """ATTACKS 32: else alice of the one is alice of the other."""
    shared = PROVIDERS.replace('subject_prefix = "three:"', 'subject_prefix = ""')
    with pytest.raises(SettingsError, match="subject_prefix"):
        Installation(tmp_path, tables=shared).write().load()


async def test_names_cannot_forge_what_people_read(scene, bot):
    """ATTACKS 35: no terminal escapes, line breaks or reordering in a subject, actor or login."""
    sim = scene.sim
    for evil in ("al\x1b[2Jice", "alice\r\nroot", "\u202eecila", "a\x00b", "a\x85b", "x" * 5000):
        for token in (
            sim.user_token(sub=evil),
            sim.user_token(acr=evil),
            sim.user_token(act={"sub": evil}),
            sim.user_token(act={"sub": "x", "act": {"sub": "y", "iss": evil}}),
            sim.user_token(groups=[evil]),
            sim.user_token(department=evil),
        ):
            told = await scene.refuses(bot.exchange(token, REFUND), REFUSED)
            assert evil not in told
        attack = bot.exchange(sim.user_token(), REFUND, **acting(sim.user_token(sub=evil)))
        await scene.refuses(attack, REFUSED)


async def test_a_bound_token_in_other_hands_is_a_stolen_one(scene, bot):
    """ATTACKS 29: as subject and as actor; with a key the request does not prove."""
    sim = scene.sim
    thumbprint = new_key().kid
    for cnf in ({"jkt": thumbprint}, {"x5t#S256": thumbprint}, {"jwk": {}}, {}, "x", 7,
                {"jkt": bot.proof_key.kid, "x5t#S256": thumbprint}):  # fmt: skip
        bound = sim.user_token(cnf=cnf)
        assert "cnf" in await scene.refuses(bot.exchange(bound, REFUND), REFUSED)
        attack = bot.exchange(sim.user_token(), REFUND, **acting(sim.user_token(cnf=cnf)))
        assert "cnf" in await scene.refuses(attack, REFUSED)
    own = sim.user_token(cnf={"jkt": bot.proof_key.kid})
    granted(await bot.exchange(own, REFUND))


async def test_a_token_limited_in_uses_is_not_multiplied(scene, bot):
    """ATTACKS 3, 29: exchanged ten times, one use would be ten."""
    for uses in (1, 3, 0, None.__class__.__name__):
        limited = scene.sim.user_token(typ="at+jwt", uses=uses)
        assert "uses" in await scene.refuses(bot.exchange(limited, REFUND), REFUSED)


async def test_a_delegation_chain_is_neither_forged_nor_endless(scene, bot):
    """ATTACKS 29: act and may_act."""
    sim = scene.sim
    deep = None
    for number in range(9):
        deep = {"sub": f"actor-{number}", **({"act": deep} if deep else {})}
    for act in (deep, {}, {"sub": ""}, {"iss": "x"}, "alice", ["alice"], 7, True, {"sub": ["x"]}):
        await scene.refuses(bot.exchange(sim.user_token(act=act), REFUND), REFUSED)
    for may_act in (
        {"sub": "release-bot"},
        {"sub": "support-bot", "iss": "https://evil.example"},
        {},
        "support-bot",
        ["support-bot"],
        {"sub": ["support-bot"]},
        False,
    ):
        assert "may_act" in await scene.refuses(
            bot.exchange(sim.user_token(may_act=may_act), REFUND), REFUSED
        )
    two_faced = sim.user_token(sub="bob", act={"sub": "mallory"})
    await scene.refuses(bot.exchange(sim.user_token(), REFUND, **acting(two_faced)), REFUSED)
    kept = sim.user_token(act={"sub": "portal"}, may_act={"sub": "support-bot"})
    claims = granted(await bot.exchange(kept, REFUND))
    assert claims["act"] == {"sub": "support-bot", "act": {"sub": "portal"}}


async def test_a_challenge_cannot_choose_who_acts(scene, bot):
    """ATTACKS 29: a malicious resource server names a trusted agent; the asker stays the actor."""
    challenge = scene.sim.challenge(act={"sub": "trusted-agent"})
    claims = granted(await bot.authorize(challenge))
    assert claims["act"] == {"sub": "support-bot", "act": {"sub": "trusted-agent"}}
    for act in ({}, "x", {"sub": 7}, {"sub": "x\x1b[2J"}):
        attack = bot.authorize(scene.sim.challenge(act=act))
        await scene.refuses(attack, "invalid_transaction_challenge")


async def test_an_exchange_never_widens(scene, bot):
    """ATTACKS 27, 29: beyond the subject token's details, end or the client's own ceiling."""
    sim = scene.sim
    small = {**REFUND, "amount": 100}
    for bounds in ([small], [], [{"type": "payment_of_others"}], [{**REFUND, "payment_id": "43"}]):
        token = sim.user_token(authorization_details=bounds)
        await scene.refuses(bot.exchange(token, REFUND), "access_denied")
        await scene.refuses(bot.exchange(token, scope="payments:read"), "access_denied")
    for broken in ("all", {}, [7], [{**REFUND, "amount": "5000"}], [{"type": "payment_refund"}]):
        token = sim.user_token(authorization_details=broken)
        await scene.refuses(bot.exchange(token, REFUND), REFUSED)
    now = int(sim.clock.now().timestamp())
    claims = granted(await bot.exchange(sim.user_token(exp=now + 5), REFUND))
    assert claims["exp"] == now + 5
    for late in (now, now - 9):
        await scene.refuses(bot.exchange(sim.user_token(exp=late), REFUND), "invalid_grant")
    nobody = sim.user_token(groups=[])
    await scene.refuses(bot.exchange(nobody, REFUND), "access_denied")


async def test_the_users_groups_count_not_the_clients(scene, bot):
    """ATTACKS 29: impersonation: a client of support gets nothing for a user who is not."""
    outsider = sign(
        scene.sim.keys["idp"],
        {**claims_of(scene.sim.user_token()), "sub": "mallory", "groups": ["visitors"]},
    )
    await scene.refuses(bot.exchange(outsider, REFUND), "access_denied")
    for groups in ("support", {"support": True}, [["support"]], [7], True):
        liar = scene.sim.user_token(groups=groups)
        await scene.refuses(bot.exchange(liar, REFUND), REFUSED)
