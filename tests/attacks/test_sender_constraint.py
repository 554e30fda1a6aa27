"""Who presents a token must hold its key: DPoP, attacked at the issuer and at the guard."""

import pytest

from fleeting.core.jose import encode_base64url
from tests.attacks.scene import REFUNDS
from tests.simulator import ISSUER, PAYMENTS, REFUND, jws, new_key, public_jwk

PROOF = "invalid_dpop_proof"


def private_jwk(key):
    return {name: str(value) for name, value in key.key.as_dict(private=True).items()}


@pytest.fixture
async def bot(sim):
    """A client that knows the issuer's nonce."""
    caller = sim.caller()
    assert (await caller.ask(scope="payments:read")).status_code == 200
    return caller


@pytest.mark.parametrize("ahead", [0, 10])
async def test_a_proof_is_good_once_for_as_long_as_it_is_accepted(scene, bot, ahead):
    """ATTACKS 8: also one from a clock that is ahead, at the very end of its window."""
    sim = scene.sim
    proof = bot.proof(iat=int(sim.clock.now().timestamp()) + ahead)
    form = {"grant_type": "client_credentials", "authorization_details": [REFUND]}

    async def replay():
        return await bot.post("/token", form, proofs=[proof])

    assert (await replay()).status_code == 200
    assert "used before" in await scene.refuses(replay(), PROOF)
    sim.clock.wind(seconds=60 + ahead)
    await sim.worker.store.prune(sim.clock.now(), ledger_before=None, limit=1000)
    assert "used before" in await scene.refuses(replay(), PROOF)
    sim.clock.wind(seconds=1)
    assert "iat" in await scene.refuses(replay(), PROOF)


async def test_a_proof_used_in_a_refused_request_is_used_up(scene, bot):
    """ATTACKS 8: else a refusal would hand an eavesdropper a fresh proof."""
    proof = bot.proof()
    bad = {"grant_type": "client_credentials", "scope": "no:such"}
    await scene.refuses(bot.post("/token", bad, proofs=[proof]), "invalid_scope")
    good = {"grant_type": "client_credentials", "authorization_details": [REFUND]}
    again = bot.post("/token", {**good}, proofs=[proof])
    assert "used before" in await scene.refuses(again, PROOF)


async def test_a_proof_for_one_endpoint_is_no_good_at_another(scene, bot):
    """ATTACKS 8, 11."""
    form = {"transaction_challenge": scene.sim.challenge()}
    attack = bot.post("/transaction-authorization", form, proofs=[bot.proof("/token")])
    assert "htu" in await scene.refuses(attack, PROOF)


def _proofs(bot):
    key, other = bot.proof_key, new_key()
    shown = {"alg": "ES256", "typ": "dpop+jwt", "jwk": public_jwk(key)}
    claims = {"jti": "x", "htm": "POST", "htu": f"{ISSUER}/token", "iat": 1767268800}
    return {
        "none": [],
        "two": [bot.proof(), bot.proof()],
        "two in one field": [f"{bot.proof()}, {bot.proof()}"],
        "private key": [bot.proof(header={"jwk": private_jwk(key)})],
        "symmetric key": [bot.proof(header={"jwk": {"kty": "oct", "k": "c2VjcmV0"}})],
        "symmetric member": [bot.proof(header={"jwk": {**public_jwk(key), "k": "c2VjcmV0"}})],
        "no key": [bot.proof(header={"jwk": None})],
        "key as text": [bot.proof(header={"jwk": "key"})],
        "another's key": [bot.proof(header={"jwk": public_jwk(other)})],
        "key by kid": [bot.proof(header={"jwk": None, "kid": key.kid})],
        "key for another alg": [bot.proof(header={"jwk": {**public_jwk(key), "alg": "PS256"}})],
        "encryption key": [bot.proof(header={"jwk": {**public_jwk(key), "use": "enc"}})],
        "a point off the curve": [
            bot.proof(header={"jwk": {**public_jwk(key), "y": public_jwk(key)["x"]}})
        ],
        "HS256": [jws({**shown, "alg": "HS256"}, claims, b"x" * 32)],
        "unsigned": [jws({**shown, "alg": "none"}, claims, b"")],
        "empty signature": [jws(shown, claims, b"")],
        "zero signature": [jws(shown, claims, bytes(64))],
        "typ": [bot.proof(typ="JWT")],
        "no typ": [bot.proof(header={"typ": None})],
        "method": [bot.proof(method="GET")],
        "method in lower case": [bot.proof(method="post")],
        "other host": [bot.proof(uri="https://evil.example/token")],
        "path below": [bot.proof(uri=f"{ISSUER}/token/")],
        "user info": [bot.proof(uri="http://127.0.0.1:8400@evil.example/token")],
        "user info in front": [bot.proof(uri="http://x@127.0.0.1:8400/token")],
        "https": [bot.proof(uri=f"{ISSUER}/token".replace("http:", "https:"))],
        "no jti": [bot.proof(jti=None)],
        "jti a number": [bot.proof(jti=7)],
        "huge jti": [bot.proof(jti="j" * 9000)],
        "no iat": [bot.proof(iat=None)],
        "iat as text": [bot.proof(iat="now")],
        "iat true": [bot.proof(iat=True)],
        "iat beyond time": [bot.proof(iat=10**400)],
        "old": [bot.proof(iat=1767268800 - 61)],
        "future": [bot.proof(iat=1767268800 + 11)],
        "not a JWS": ["a.b.c"],
        "JSON": ['{"payload":"e30","signatures":[]}'],
        "empty": [" "],
    }


async def test_a_proof_that_is_not_right_gets_no_token(scene, bot):
    """ATTACKS 9, 10, 11: each of RFC 9449 §4.3's checks, missed by one."""
    form = {"grant_type": "client_credentials", "authorization_details": [REFUND]}
    private = private_jwk(bot.proof_key)["d"]
    for name, proofs in _proofs(bot).items():
        scene.at = name
        told = await scene.refuses(bot.post("/token", form, proofs=proofs), PROOF)
        scene.check_silence([private], told)


async def test_a_long_jti_costs_no_more_than_a_short_one(scene, bot):
    """ATTACKS 10, 33: only its hash is kept."""
    form = {"grant_type": "client_credentials", "authorization_details": [REFUND]}
    proof = bot.proof(jti="j" * 4000)
    answer = await bot.post("/token", form, proofs=[proof])
    assert answer.status_code == 200
    assert {len(digest) for _, digest in scene.sim.worker.store.tables.proofs} == {32}


async def test_a_proof_for_another_host_or_method_is_not_helped_by_headers(scene, bot):
    """ATTACKS 11: the server knows its own name."""
    form = {"grant_type": "client_credentials", "authorization_details": [REFUND]}
    spoofs = (
        [("Host", "evil.example")],
        [("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "https")],
        [("Forwarded", "host=evil.example;proto=https")],
        [("X-Original-URL", "/token"), ("X-Rewrite-URL", "/token")],
        [("X-HTTP-Method-Override", "GET"), ("X-Method-Override", "GET")],
    )
    for headers in spoofs:
        for uri in ("https://evil.example/token", "http://evil.example/token"):
            attack = bot.post("/token", form, proofs=[bot.proof(uri=uri)], headers=headers)
            assert "htu" in await scene.refuses(attack, PROOF)
        attack = bot.post("/token", form, proofs=[bot.proof(method="GET")], headers=headers)
        assert "htm" in await scene.refuses(attack, PROOF)


def _foreign_nonces(sim):
    aged = int(sim.clock.now().timestamp()) // 30
    return {
        "none": None,
        "made up": "never-given",
        "empty": "",
        "not ASCII": "\u00e9" * 8,
        "forged": encode_base64url(aged.to_bytes(8) + bytes(16)).decode(),
        "of the far future": encode_base64url(b"\xff" * 24).decode(),
        "short": encode_base64url(b"\x00").decode(),
    }


async def test_a_proof_needs_a_nonce_of_this_server(scene, bot):
    """ATTACKS 12: once a nonce was provided, none without one (RFC 9449 §11.3)."""
    form = {"grant_type": "client_credentials", "authorization_details": [REFUND]}
    for name, nonce in _foreign_nonces(scene.sim).items():
        scene.at = name
        attack = bot.post("/token", form, proofs=[bot.proof(nonce=nonce)], retry=False)
        malformed = name == "empty"
        error = PROOF if malformed else "use_dpop_nonce"
        await scene.refuses(attack, error, recorded=malformed)


async def test_proofs_cannot_be_made_ahead(scene, bot):
    """ATTACKS 12: a proof made for tomorrow lacks tomorrow's nonce."""
    tomorrow = int(scene.sim.clock.now().timestamp()) + 86_400
    proof = bot.proof(iat=tomorrow)
    scene.sim.clock.wind(days=1)
    form = {"grant_type": "client_credentials", "authorization_details": [REFUND]}
    attack = bot.post("/token", form, proofs=[proof], retry=False)
    await scene.refuses(attack, "use_dpop_nonce", recorded=False)


# ------------------------------------------------------------------------------ at the guard


@pytest.fixture
async def stolen(sim, bot):
    """A token in its holder's hands, and its holder."""
    return await bot.token(REFUND), bot


async def test_a_bound_token_is_no_bearer_token(scene, api, stolen):
    """ATTACKS 9: in any case, beside a proof or not, and in two fields at once."""
    token, bot = stolen
    state = scene.state()
    proof = ("DPoP", bot.proof(uri=PAYMENTS + REFUNDS, access_token=token, nonce=api.guard.nonce()))
    for scheme in ("Bearer", "bearer", "BEARER"):
        bare = [("Authorization", f"{scheme} {token}")]
        assert "bound to a key" in await api.refuses(bare, "invalid_token")
        assert "bound to a key" in await api.refuses([*bare, proof], "invalid_token")
    both = [("Authorization", f"DPoP {token}"), ("Authorization", f"Bearer {token}"), proof]
    assert "one Authorization" in await api.refuses(both, "invalid_token")
    assert scene.state() == state


async def test_the_scheme_may_be_in_lower_case(api, stolen):
    """ATTACKS 9: RFC 9110 §11.1."""
    token, bot = stolen
    _, proof = api.headers(bot, token)
    assert (await api.call([("Authorization", f"dpop {token}"), proof])).status_code == 201


async def test_a_stolen_token_is_worth_nothing_without_its_key(scene, api, stolen):
    """ATTACKS 11, 12: nothing served, nothing spent; the token still has its use."""
    token, bot = stolen
    state = scene.state()
    thefts = (
        ({"key": new_key()}, "invalid_token"),
        ({"access_token": "another.access.token"}, PROOF),
        ({"ath": None}, PROOF),
        ({"ath": ""}, PROOF),
        ({"method": "GET"}, PROOF),
        ({"uri": f"{PAYMENTS}/payments/43/refunds"}, PROOF),
        ({"uri": f"{PAYMENTS}/payments/42%2Frefunds"}, PROOF),
        ({"uri": f"{PAYMENTS}/payments/./42/refunds"}, PROOF),
        ({"uri": f"{ISSUER}{REFUNDS}"}, PROOF),
        ({"nonce": None}, "use_dpop_nonce"),
        ({"nonce": "made-up"}, "use_dpop_nonce"),
        ({"header": {"jwk": None}}, PROOF),
    )
    for proof, error in thefts:
        await api.refuses(api.headers(bot, token, **proof), error)
        assert scene.state() == state
    assert (await api.call(api.headers(bot, token))).status_code == 201


async def test_the_issuers_nonce_is_not_the_guards(scene, api, stolen):
    """ATTACKS 12: a proof is for one server's nonce."""
    token, bot = stolen
    await api.refuses(api.headers(bot, token, nonce=bot.nonce), "use_dpop_nonce")


async def test_a_served_proof_is_not_served_again(scene, api, sim):
    """ATTACKS 8: at the guard, with a token that has more uses."""
    bot = sim.caller("legacy", proof_key=new_key())
    token = (await bot.ask(scope="payments:read")).json()["access_token"]
    headers = api.headers(bot, token, uri=f"{PAYMENTS}/payments", method="GET")
    first = await api.http.get(f"{PAYMENTS}/payments", headers=headers)
    again = await api.http.get(f"{PAYMENTS}/payments", headers=headers)
    assert (first.status_code, again.status_code) == (201, 401)
    assert again.json()["error"] == PROOF


async def test_a_proof_does_not_cover_the_query_so_the_token_must(scene, api, stolen):
    """ATTACKS 11: htu has no query; the operation is what binds."""
    token, bot = stolen
    changed = {"json": {"amount": 5001, "currency": "EUR"}}
    headers = api.headers(bot, token)
    assert "5001 is more than 5000" in await api.refuses(
        headers, "insufficient_scope", 403, where=f"{REFUNDS}?amount=1", **changed
    )


async def test_a_certificate_in_a_header_proves_nothing(scene, api, stolen):
    """ATTACKS 14: no part of this system reads certificates from headers."""
    token, bot = stolen
    for name in ("X-SSL-Cert", "X-Client-Cert", "X-Forwarded-Client-Cert", "Client-Cert"):
        certificate = (name, "-----BEGIN CERTIFICATE-----MIIB")
        bare = ("Authorization", f"Bearer {token}")
        await api.refuses([certificate, bare], "invalid_token")
        form = {"grant_type": "client_credentials", "authorization_details": [REFUND]}
        attack = bot.post("/token", form, credentials={}, headers=[certificate])
        await scene.refuses(attack, "invalid_client", 401)
