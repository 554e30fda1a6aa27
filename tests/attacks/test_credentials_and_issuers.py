"""Credentials: replayed, doubled, sent to the wrong issuer; and resource servers that lie."""

import asyncio

import httpx
import pytest

from fleeting.client import FleetingError, IssuerMismatchError, JustInTime
from tests.simulator import ISSUER, PAYMENTS, REFUND, SECRETS, granted, new_key

ASK = {"grant_type": "client_credentials", "authorization_details": [REFUND]}


@pytest.fixture
async def bot(sim):
    caller = sim.caller()
    await caller.ask(scope="payments:read")
    return caller


async def test_an_assertion_is_good_once_at_whatever_endpoint(scene, bot):
    """ATTACKS 6: CVE-2020-5300, CVE-2020-15222: also after a refusal, also beside another proof."""
    sim = scene.sim
    token = await bot.token(REFUND)
    forms = {
        "/token": ASK,
        "/transaction-authorization": {"transaction_challenge": sim.challenge()},
        "/introspect": {"token": token},
        "/revoke": {"token": "unknown"},
        "/spend": {"token": "unknown", "use_id": "x"},
    }
    for first, form in forms.items():
        assertion = bot.credentials()
        if "transaction_challenge" in form:
            form["transaction_challenge"] = sim.challenge()
        answer = await bot.post(first, form, credentials=assertion)
        assert answer.status_code == 200, answer.text
        for second, again in forms.items():
            attack = bot.post(second, again, credentials=assertion)
            assert "used before" in await scene.refuses(attack, "invalid_client", 401)
    refused_once = bot.credentials()
    bad = bot.post("/token", {**ASK, "grant_type": "password"}, credentials=refused_once)
    await scene.refuses(bad, "unsupported_grant_type")
    attack = bot.post("/token", ASK, credentials=refused_once)
    await scene.refuses(attack, "invalid_client", 401)


async def test_of_racing_replays_one_succeeds(sim, bot):
    """ATTACKS 6: within one batch of the store."""
    assertion = bot.credentials()
    answers = await asyncio.gather(
        *(bot.post("/token", ASK, credentials=assertion) for _ in range(20))
    )
    assert sorted(it.status_code for it in answers) == [200, *[401] * 19]


async def test_a_client_has_one_method_and_uses_one(scene, bot):
    """ATTACKS 6, 36: RFC 6749 §2.3."""
    sim = scene.sim
    secret = SECRETS["legacy"]
    [(_, basic)] = sim.caller("legacy").basic()
    for credentials, authorization, error in (
        (bot.credentials(), [basic], "invalid_request"),
        ({}, [basic, basic], "invalid_request"),
        ({}, [f"{basic}x"], "invalid_client"),
        ({}, ["Basic"], "invalid_client"),
        ({}, ["Basic ====" ], "invalid_client"),
        ({}, ["Basic bGVnYWN5"], "invalid_client"),
        ({}, ["Basic bGVnYWN5Og=="], "invalid_client"),
        ({}, ["Basic c3VwcG9ydC1ib3Q6eA=="], "invalid_client"),
        ({}, [], "invalid_client"),
        ({"client_id": "legacy"}, [], "invalid_client"),
        ({"client_id": "legacy", "client_secret": secret}, [], "invalid_client"),
        ({"client_id": "support-bot"}, [basic], "invalid_client"),
        ({**bot.credentials(), "client_id": "release-bot"}, [], "invalid_client"),
        ({**bot.credentials(), "client_assertion_type": "x"}, [], "invalid_request"),
        ({"client_assertion": "x"}, [], "invalid_request"),
        (bot.credentials(sub="release-bot"), [], "invalid_client"),
        (bot.credentials(iss="release-bot"), [], "invalid_client"),
        (bot.credentials(iss=["support-bot"], sub=["support-bot"]), [], "invalid_client"),
        (bot.credentials(sub="legacy", iss="legacy"), [], "invalid_client"),
        (bot.credentials(jti=None), [], "invalid_client"),
        (bot.credentials(jti=""), [], "invalid_client"),
        (bot.credentials(jti=7), [], "invalid_client"),
        (bot.credentials(key=new_key()), [], "invalid_client"),
    ):  # fmt: skip
        scene.at = f"{[*credentials]} {authorization}"
        status = 401 if error == "invalid_client" else 400
        attack = bot.post("/token", ASK, credentials=credentials, authorization=authorization)
        await scene.refuses(attack, error, status)


async def test_a_client_learns_no_more_about_others_than_about_nobody(sim, bot):
    """ATTACKS 36: the answer to an unknown client is that to a wrong key or secret."""
    told = set()
    for client_id in ("support-bot", "legacy", "nobody"):
        wrong = bot.credentials(key=new_key(), iss=client_id, sub=client_id)
        told.add((await bot.post("/token", ASK, credentials=wrong)).json()["error_description"])
    assert len(told) == 1
    secrets = set()
    for client_id in ("support-bot", "legacy", "nobody"):
        header = httpx.BasicAuth(client_id, "wrong")._auth_header
        answer = await bot.post("/token", ASK, credentials={}, authorization=[header])
        secrets.add(answer.json()["error_description"])
    assert len(secrets) == 1


async def test_a_duplicate_parameter_is_refused(scene, bot):
    """ATTACKS 23, 29: which of the two would count?"""
    user = scene.sim.user_token()
    for name, value in (
        ("grant_type", "client_credentials"),
        ("scope", "payments:read"),
        ("authorization_details", [REFUND]),
        ("client_id", "support-bot"),
        ("subject_token", user),
        ("x", "y"),
        ("grant_type", ""),
    ):
        form = [*ASK.items(), (name, value), (name, value)]
        response = await bot.post("/token", form)
        expected = 400 if value else 200
        assert response.status_code == expected, name
        assert value == "" or "more than once" in response.json()["error_description"]


async def test_parameters_in_the_address_count_for_nothing(scene, bot):
    """ATTACKS 37: neither credentials nor requests are read from a URL."""
    query = "?grant_type=client_credentials&scope=payments:read"
    attack = bot.post(f"/token{query}", {}, proofs=[bot.proof()])
    await scene.refuses(attack, "invalid_request")


async def test_a_resource_server_can_do_nothing_but_guard(scene):
    """ATTACKS 29, 31: a malicious one asks for tokens, of its own or of others."""
    sim = scene.sim
    evil = sim.caller("deployments-api")
    await evil.post("/token", ASK)
    for attack in (evil.ask(REFUND), evil.ask(scope="deployments:read"),
                   evil.exchange(sim.user_token(), REFUND),
                   evil.authorize(sim.challenge(resource="http://127.0.0.1:8402"))):  # fmt: skip
        response = await attack
        assert response.status_code == 400
        assert "access_token" not in response.text
    token = await sim.caller().token(REFUND)
    for use_id in ("", " ", "x" * 201, "a b", "\x00", "\u00e9", "x\n"):
        form = {"token": token, "use_id": use_id, "operation": REFUND}
        await scene.refuses(sim.guard.post("/spend", form), "invalid_request")
    assert (await sim.guard.spend(token)).json()["use"] == 1


async def test_a_revoked_token_is_over_everywhere_at_once(scene, api, bot):
    """ATTACKS 31, 7: for its guard too, which verified it before."""
    token = await bot.token(REFUND)
    await bot.revoke(token)
    assert (await scene.sim.guard.introspect(token)).json() == {"active": False}
    await scene.inactive(scene.sim.guard.spend(token), "revoked")
    assert "revoked" in await api.refuses(api.headers(bot, token), "invalid_token")
    assert (await bot.revoke(token)).status_code == 200


async def test_credentials_go_to_their_issuer_whatever_a_resource_says(sim):
    """ATTACKS 36: CVE-2026-104850, CVE-2026-115563: not one request goes anywhere else."""
    sent = []
    evil = "https://evil.example"
    challenge = sim.challenge(aud=evil)

    def answer(request):
        sent.append(str(request.url))
        said = (
            f'Bearer error="transaction_authorization_required", transaction_challenge='
            f'"{challenge}", resource_metadata="{evil}/m", authorization_uri="{evil}/a"'
        )
        return httpx.Response(401, headers={"WWW-Authenticate": said})

    key = dict(sim.keys["support-bot"].key.as_dict(private=True))
    auth = JustInTime(ISSUER, "support-bot", key)
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), auth=auth) as http:
        with pytest.raises(IssuerMismatchError) as caught:
            await http.post(f"{PAYMENTS}/payments/42/refunds", json={})
    assert sent == [f"{PAYMENTS}/payments/42/refunds"]
    assert isinstance(caught.value, FleetingError)
    assert challenge not in str(caught.value)


async def test_a_challenge_is_answered_once_and_only_as_it_stands(scene, bot):
    """ATTACKS 5, 27: nothing beside a challenge widens it, and another client cannot reuse it."""
    sim = scene.sim
    challenge = sim.challenge()
    for beside in ({"authorization_details": [{**REFUND, "amount": 1}]}, {"scope": "payments:list"},
                   {"resource": PAYMENTS}, {"audience": PAYMENTS},
                   {"grant_type": "client_credentials"}):  # fmt: skip
        await scene.refuses(bot.authorize(sim.challenge(), **beside), "invalid_request")
    claims = granted(await bot.authorize(challenge))
    assert claims["authorization_details"] == [REFUND]
    other = sim.caller(key=bot.key)
    await other.ask(scope="payments:read")
    attack = other.authorize(challenge)
    assert "used before" in await scene.refuses(attack, "invalid_transaction_challenge")
    for txn in ("short", "x" * 201, "with space", "\u00e9" * 9, "", None, 7, "line\nbreak"):
        attack = bot.authorize(sim.challenge(txn=txn))
        await scene.refuses(attack, "invalid_transaction_challenge")
