"""What passes for a JWT: every token that anybody may send us, forged in every known way."""

import hashlib
import hmac
import json
import zlib

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fleeting.core.jose import encode_base64url
from tests.simulator import (
    ISSUER,
    REFUND,
    claims_of,
    header_of,
    jws,
    new_key,
    public_jwk,
    sign,
)

PLACES = {
    "client assertion": ("invalid_client", 401),
    "subject token": ("invalid_request", 400),
    "actor token": ("invalid_request", 400),
    "transaction challenge": ("invalid_transaction_challenge", 400),
}


@pytest.fixture
async def bot(sim):
    """A client that knows the issuer's nonce."""
    caller = sim.caller()
    assert (await caller.ask(scope="payments:read")).status_code == 200
    return caller


def genuine(sim, bot, place):
    """Return a JWT that would do at *place*, and the key that it is checked with."""
    keys = sim.installation.keys
    if place == "client assertion":
        return bot.assertion(), bot.key
    if place == "transaction challenge":
        return sim.challenge(), keys["payments-api"]
    return sim.user_token(), keys["idp"]


async def present(sim, bot, place, token):
    """Send *token* where it is looked for, all else being honest."""
    if place == "client assertion":
        form = {"client_assertion_type": bot.credentials()["client_assertion_type"]}
        ask = {"grant_type": "client_credentials", "authorization_details": [REFUND]}
        return await bot.post("/token", ask, credentials={**form, "client_assertion": token})
    if place == "transaction challenge":
        return await bot.authorize(token)
    if place == "subject token":
        return await bot.exchange(token, REFUND)
    kind = "urn:ietf:params:oauth:token-type:jwt"
    return await bot.exchange(sim.user_token(), REFUND, actor_token=token, actor_token_type=kind)


def resigned(key, token, **header):
    """Return *token* with another header, honestly signed."""
    return sign(key, claims_of(token), typ=header_of(token)["typ"], header=header)


def with_hmac(token, secret, alg="HS256"):
    """Return *token* signed with what everybody knows."""
    header = {**header_of(token), "alg": alg}
    signed = jws(header, claims_of(token), b"").rpartition(".")[0]
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[alg]
    return f"{signed}.{encode_base64url(hmac.digest(secret, signed.encode(), digest)).decode()}"


def forgeries(token, key):
    """Yield every forgery of *token*, by name."""
    for forge in (by_algorithm, by_key, by_header, by_shape):
        yield from forge(token, key)


def by_algorithm(token, key):
    """Yield what another algorithm, or none, is said to have signed."""
    header, claims = header_of(token), claims_of(token)
    for alg in ("none", "None", "NONE", "nOnE", "", None, ["ES256"], "HS256", "ES256K", "RS1",
                "dir", "RSA1_5", "ES256\x00", " ES256"):  # fmt: skip
        for kept in (b"", b"x"):
            yield f"alg {alg!r}", jws({**header, "alg": alg}, claims, kept)
    public = key.key.public_key
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    jwk = json.dumps(public_jwk(key)).encode()
    for secret in (pem, pem.strip(), b"\n" + pem, b"ssh-rsa " + pem, der, jwk, b"", b"null"):
        for alg in ("HS256", "HS384", "HS512"):
            yield f"{alg} {secret[:8]!r}", with_hmac(token, secret, alg)


def by_key(token, key):
    """Yield what another's key signed."""
    header, claims, thief = header_of(token), claims_of(token), new_key()
    stranger = sign(thief, claims, typ=header["typ"], header={"kid": key.kid})
    yield "another's key under the right kid", stranger
    for name, value in (
        ("jwk", public_jwk(thief)),
        ("jku", "https://evil.example/jwks"),
        ("x5u", "https://evil.example/cert"),
        ("x5c", ["MIIB"]),
    ):
        yield name, sign(thief, claims, typ=header["typ"], header={name: value, "kid": None})
        yield (
            f"{name} and kid",
            sign(thief, claims, typ=header["typ"], header={name: value, "kid": key.kid}),
        )
    for kid in ("../../../../dev/null", "/proc/self/environ", "' OR '1'='1", "x\x00", "", 7,
                ["a"], {"a": 1}, "\u202e"):  # fmt: skip
        yield f"kid {kid!r}", sign(thief, claims, typ=header["typ"], header={"kid": kid})
        yield f"kid {kid!r}, right key", resigned(key, token, kid=kid)


def by_header(token, key):
    """Yield what the right key signed, under a header that means something else."""
    header = header_of(token)
    for crit in (["exp"], ["b64"], ["x"], [], "exp"):
        yield f"crit {crit!r}", resigned(key, token, crit=crit, x=1)
    yield "b64", resigned(key, token, b64=False)
    yield "zip", resigned(key, token, zip="DEF")
    yield "enc", resigned(key, token, enc="A256GCM")
    for typ in ("at+jwt", "logout+jwt", "txntoken+jwt", "oauth-id-jag+jwt", "secevent+jwt",
                "token-introspection+jwt", "dpop+jwt", "txn-authz-challenge+jwt",
                "fleeting-checkpoint+jwt", "JOSE", 7, ["JWT"]):  # fmt: skip
        if typ not in (header["typ"], "at+jwt"):
            yield f"typ {typ!r}", resigned(key, token, typ=typ)


def by_shape(token, key):
    """Yield what is put together wrongly."""
    header, claims = header_of(token), claims_of(token)
    head, payload, signature = token.split(".")
    for bad in (b"", b"\x00" * 64, b"\xff" * 64, b"x" * 63, b"x" * 65, b"x" * 4096):
        yield f"signature of {len(bad)}", jws(header, claims, bad)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    yield "signature 0, n", jws(header, claims, bytes(32) + order.to_bytes(32))
    yield "another payload", f"{head}.{encode_base64url(b'{}').decode()}.{signature}"
    yield "four parts", f"{token}.x"
    yield "five parts", f"{token}.x.y"
    yield "JWE", ".".join(encode_base64url(part).decode() for part in (
        b'{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,"zip":"DEF"}',
        b"x", b"x", zlib.compress(b"0" * 100_000), b"x"))  # fmt: skip
    yield "JSON", json.dumps({"payload": payload, "protected": head, "signature": signature})
    yield "JSON with dots", '{"payload":".","signatures":"."}'
    yield (
        "unprotected alg",
        json.dumps({"payload": payload, "header": {"alg": "none"}, "signature": ""}),
    )
    yield "padding", f"{head}==.{payload}.{signature}"
    yield "line break", f"{head}.{payload}\n.{signature}"
    yield "trailing space", f"{token} "
    yield (
        "duplicate alg",
        (
            encode_base64url(b'{"alg":"ES256","alg":"none","typ":"JWT"}').decode()
            + f".{payload}.{signature}"
        ),
    )
    yield "no object", f"{encode_base64url(b'[]').decode()}.{payload}.{signature}"
    yield "deep", f"{encode_base64url(b'[' * 9000).decode()}.{payload}.{signature}"
    yield "too long", f"{head}.{'A' * 20_000}.{signature}"
    yield "empty parts", ".."
    yield "not ASCII", f"{head}.{payload}.\u00e9"


@pytest.mark.parametrize("place", PLACES)
async def test_no_forgery_passes_for_the_real_thing(scene, bot, place):
    """ATTACKS 15, 16, 17, 18, 19, 20: refused alike wherever a JWT is read."""
    sim = scene.sim
    error, status = PLACES[place]
    token, key = genuine(sim, bot, place)
    for name, forgery in forgeries(token, key):
        scene.at = name
        await scene.refuses(present(sim, bot, place, forgery), error, status)
    assert (await present(sim, bot, place, token)).status_code == 200


async def test_no_forgery_passes_for_an_access_token(scene, api, bot):
    """ATTACKS 15 to 20: at the guard, and wherever a resource server shows us one."""
    token = await bot.token(REFUND)
    [key] = scene.sim.worker.signing_keys.keys().keys
    active = scene.sim.worker.signing_keys._active
    state = scene.state()
    for name, forgery in forgeries(token, active):
        scene.at = name
        for asked in (scene.sim.guard.introspect(forgery), scene.sim.guard.spend(forgery, REFUND)):
            assert (await asked).json()["active"] is False
        assert (await bot.revoke(forgery)).status_code == 200
        if forgery.isascii() and forgery.isprintable() and " " not in forgery:
            await api.refuses(api.headers(bot, forgery), "invalid_token")
        assert scene.state() == state
    assert active.kid == key.kid
    assert (await api.call(api.headers(bot, token))).status_code == 201


async def test_one_kind_of_jwt_never_passes_for_another(scene, api, bot):
    """ATTACKS 18: everything that is signed here and by others, wherever something is read."""
    sim = scene.sim
    access = await bot.token(REFUND)
    active = sim.worker.signing_keys._active
    checkpoint = active.sign("fleeting-checkpoint+jwt", claims_of(access))
    id_token = active.sign("JWT", claims_of(access))
    others = {
        "access token": access,
        "checkpoint": checkpoint,
        "ID token of our own": id_token,
        "assertion": bot.assertion(),
        "proof": bot.proof(),
        "challenge": sim.challenge(),
        "user's token": sim.user_token(),
    }
    home = {"assertion": "client assertion", "challenge": "transaction challenge"}
    for name, token in others.items():
        for place, (error, status) in PLACES.items():
            scene.at = f"{name} as {place}"
            at_home = home.get(name) == place or (name == "user's token" and "token" in place)
            if not at_home:
                await scene.refuses(present(sim, bot, place, token), error, status)
        if name != "access token":
            await api.refuses(api.headers(bot, token), "invalid_token")
            assert (await sim.guard.spend(token, REFUND)).json()["reason"] == "unknown"


async def test_a_logout_token_stands_for_nobody(scene, bot):
    """ATTACKS 18: many providers type them as any JWT."""
    event = {"http://schemas.openid.net/event/backchannel-logout": {}}
    for typ in ("JWT", None):
        token = scene.sim.user_token(events=event, header={"typ": typ})
        assert "events" in await scene.refuses(bot.exchange(token, REFUND), "invalid_request")


async def test_a_weak_key_of_a_client_is_no_key(scene, bot):
    """ATTACKS 20: what cannot be verified well is not verified at all."""
    weak = {"kty": "RSA", "n": encode_base64url(b"\xff" * 128).decode(), "e": "AQAB"}
    for alg in ("PS256", "RS256"):
        shown = {"alg": alg, "typ": "dpop+jwt", "jwk": weak}
        claims = {"jti": "x", "htm": "POST", "htu": f"{ISSUER}/token", "iat": 1767268800}
        proof = jws(shown, claims, b"x" * 128)
        form = {"grant_type": "client_credentials", "authorization_details": [REFUND]}
        await scene.refuses(bot.post("/token", form, proofs=[proof]), "invalid_dpop_proof")
