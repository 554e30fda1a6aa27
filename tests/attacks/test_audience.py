"""Who a message is for: assertions, subject tokens, challenges and access tokens sent elsewhere."""

import pytest

from tests.simulator import DEPLOYMENT, DEPLOYMENTS, IDP, ISSUER, PAYMENTS, REFUND

ASK = {"grant_type": "client_credentials", "authorization_details": [REFUND]}
AUDIENCES = {
    "token endpoint": f"{ISSUER}/token",
    "an array": [ISSUER],
    "an array with another": [ISSUER, "https://evil.example"],
    "another array": ["https://evil.example", ISSUER],
    "trailing slash": f"{ISSUER}/",
    "case": ISSUER.upper(),
    "localhost": ISSUER.replace("127.0.0.1", "localhost"),
    "prefix": f"{ISSUER}.evil.example",
    "another issuer": "https://evil.example",
    "nobody": None,
    "empty": "",
    "number": 7,
    "object": {"iss": ISSUER},
    "PAR endpoint": f"{ISSUER}/par",
    "client": "support-bot",
}


async def test_an_assertion_is_for_the_issuer_and_nobody_else(scene):
    """ATTACKS 24: audience injection (RFC 10070): a string, the issuer, at every endpoint."""
    bot = scene.sim.caller()
    token = await bot.token(REFUND)
    for name, audience in AUDIENCES.items():
        scene.at = name
        for path, form in (
            ("/token", ASK),
            ("/introspect", {"token": token}),
            ("/revoke", {"token": token}),
            ("/spend", {"token": token, "use_id": "x", "operation": REFUND}),
            ("/report", {"token": token, "outcome": "served"}),
            ("/transaction-authorization", {"transaction_challenge": scene.sim.challenge()}),
        ):
            attack = bot.post(path, form, credentials=bot.credentials(aud=audience))
            told = await scene.refuses(attack, "invalid_client", 401)
            assert "aud" in told


async def test_a_subject_token_is_for_us(scene):
    """ATTACKS 24, 29: a token that the user gave to another application."""
    bot = scene.sim.caller()
    await bot.ask(scope="payments:read")
    for audience in ("portal", ["portal", "other"], [], "", None, 7, [7], "Fleeting", "fleeting "):
        token = scene.sim.user_token(aud=audience)
        assert "aud" in await scene.refuses(bot.exchange(token, REFUND), "invalid_request")


async def test_a_challenge_is_for_this_issuer_by_the_resource_that_says_so(scene):
    """ATTACKS 24: neither for another issuer, nor in another resource's name."""
    sim, error = scene.sim, "invalid_transaction_challenge"
    bot = sim.caller("release-bot")
    await bot.ask(scope="deployments:read")
    keys = sim.installation.keys
    attacks = [
        *(sim.challenge(aud=audience) for audience in AUDIENCES.values()),
        sim.challenge(iss=DEPLOYMENTS),
        sim.challenge(iss="https://evil.example"),
        sim.challenge(iss=IDP, key=keys["idp"]),
        sim.challenge(iss=None),
        sim.challenge(resource=DEPLOYMENTS, key=keys["payments-api"]),
        sim.challenge(key=keys["release-bot"]),
        sim.challenge(key=sim.worker.signing_keys._active),
    ]
    for challenge in attacks:
        await scene.refuses(bot.authorize(challenge), error)
    # A resource that signs for an operation of another one gets none for it.
    stray = sim.challenge(DEPLOYMENT)
    await scene.refuses(bot.authorize(stray), "invalid_authorization_details")


@pytest.mark.parametrize(
    ("resources", "error"),
    [
        ([PAYMENTS, DEPLOYMENTS], "invalid_target"),
        ([DEPLOYMENTS], "invalid_authorization_details"),
        ([f"{PAYMENTS}/"], "invalid_target"),
        ([PAYMENTS.upper()], "invalid_target"),
        ([f"{PAYMENTS}#x"], "invalid_target"),
        (["payments"], "invalid_target"),
        ([f"{PAYMENTS}?x"], "invalid_target"),
        (["http://[evil"], "invalid_target"),
        ([ISSUER], "invalid_target"),
        (["https://evil.example"], "invalid_target"),
    ],
)
async def test_a_token_is_for_one_declared_resource_by_its_exact_name(scene, resources, error):
    """ATTACKS 24, 29: RFC 8707, also where it is called audience or locations."""
    bot = scene.sim.caller("release-bot")
    await bot.ask(scope="deployments:read")
    form = [*ASK.items(), *(("resource", resource) for resource in resources)]
    await scene.refuses(bot.post("/token", form), error)
    located = {**REFUND, "locations": resources}
    await scene.refuses(bot.ask(located), "invalid_authorization_details")


async def test_a_token_is_worth_nothing_at_another_resource(scene, api):
    """ATTACKS 31: not introspected, spent, revoked, reported or served elsewhere."""
    sim = scene.sim
    release, other = sim.caller("release-bot"), sim.deployments_guard
    abroad = await release.token(DEPLOYMENT)
    here = await sim.caller().token(REFUND)
    assert "another resource" in await api.refuses(api.headers(release, abroad), "invalid_token")
    for guard, token in ((sim.guard, abroad), (other, here)):
        assert (await guard.introspect(token)).json() == {"active": False}
        await scene.inactive(guard.spend(token), "audience")
        await scene.refuses(guard.revoke(token), "unauthorized_client")
        await scene.refuses(guard.report(token), "invalid_request")


async def test_only_a_resource_server_learns_about_tokens(scene):
    """ATTACKS 31: token scanning by a client, a thief, or the token's own client."""
    sim = scene.sim
    bot, thief = sim.caller(), sim.caller("release-bot")
    token = await bot.token(REFUND)
    for client in (bot, thief, sim.caller("legacy")):
        assert (await client.introspect(token)).json() == {"active": False}
        await scene.inactive(client.spend(token), "audience")
        await scene.refuses(client.report(token), "unauthorized_client")
    await scene.refuses(thief.revoke(token), "unauthorized_client")
    await scene.refuses(sim.caller("legacy").revoke(token), "unauthorized_client")
    unknown = token[:-8] + "AAAAAAAA"
    assert (await sim.guard.introspect(unknown)).json() == {"active": False}
