"""Who is at the other end, and whether it is they who ask."""

import pytest
from starlette.requests import Request

from fleeting.core.errors import InvalidDpopProof, InvalidToken
from fleeting.core.people import Person
from fleeting.core.people_deeds import SignInMethod
from fleeting.core.sender import Nonces, make_proof_claims
from fleeting.core.signing_in import SessionTerms
from fleeting.ports import Write
from fleeting.server.console.visitors import Door, ForgedRequest
from fleeting.server.people.cookies import Cookies
from fleeting.server.people.sessions import Sessions
from fleeting.stores.memory import MemoryStore
from fleeting.usecases.people import person_change
from tests.simulator import WoundClock, new_key, public_jwk, sign

ALICE = Person("alice", "Alice")
ISSUER = "https://as.example.com/tenant"
ORIGIN = "https://as.example.com"
NONCES = Nonces((b"n" * 32,))


@pytest.fixture
async def clock():
    return WoundClock()


@pytest.fixture
async def door(clock):
    store = MemoryStore(clock=clock)
    await store.commit(Write(changes=(person_change(ALICE, 0),)))
    sessions = Sessions(store, SessionTerms(), lambda: NONCES)
    return Door(ISSUER, Cookies(ISSUER), sessions, clock)


async def begin(door, **more):
    new = door.sessions.begin(ALICE, door.clock.now(), **more)
    entry = new.entry(ALICE, SignInMethod.PASSKEY)
    write = Write(changes=(new.change,), record=lambda _: (entry,))
    await door.sessions.store.commit(write)
    return new.token


def sent(method="GET", path="/tenant/api/whoami", **headers):
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": method, "path": path, "headers": fields})


async def test_a_cookie_says_who_looks(door):
    token = await begin(door)
    visitor = await door.visitor(sent(cookie=f"__Host-fleeting={token}"))
    assert visitor is not None
    assert visitor.who.person == ALICE
    assert token not in repr(visitor)


@pytest.mark.parametrize("cookie", ["", "__Host-fleeting=", "__Host-fleeting=x", "fleeting=x"])
async def test_without_a_session_nobody_looks(door, cookie):
    await begin(door)
    assert await door.visitor(sent(cookie=cookie)) is None


async def test_a_key_bound_session_is_no_cookie(door):
    token = await begin(door, jkt=new_key().kid)
    assert await door.visitor(sent(cookie=f"__Host-fleeting={token}")) is None


def proof(key, clock, token, uri=f"{ISSUER}/api/whoami"):
    claims = make_proof_claims(
        jti="one",
        method="GET",
        uri=uri,
        now=clock.now(),
        nonce=NONCES.make(clock.now()),
        access_token=token,
    )
    return sign(key, claims, typ="dpop+jwt", header={"jwk": public_jwk(key), "kid": None})


async def test_a_command_line_proves_its_key_once_per_call(door, clock):
    key = new_key()
    jkt = key.public().thumbprint()
    token = await begin(door, jkt=jkt)
    call = sent(authorization=f"DPoP {token}", dpop=proof(key, clock, token), host="evil.example")
    visitor = await door.caller(call)
    assert (visitor.who.person, visitor.token) == (ALICE, None)
    with pytest.raises(InvalidDpopProof):
        await door.caller(call)


async def test_a_key_bound_session_is_no_bearer_token(door):
    token = await begin(door, jkt="x")
    for authorization in (f"Bearer {token}", f"DPoP {token}"):
        with pytest.raises((InvalidToken, InvalidDpopProof)):
            await door.caller(sent(authorization=authorization))


async def test_nobody_is_told_how_to_sign_in(door):
    with pytest.raises(InvalidToken, match="fleeting login"):
        await door.caller(sent())


async def test_a_page_of_ours_may_post(door):
    token = await begin(door)
    visitor = await door.visitor(sent(cookie=f"__Host-fleeting={token}"))
    assert visitor is not None
    headers = {
        "cookie": f"__Host-fleeting={token}",
        "origin": ORIGIN,
        "x_csrf_token": door.csrf(visitor),
        "sec_fetch_site": "same-origin",
    }
    assert (await door.caller(sent("POST", **headers))).who.person == ALICE


@pytest.mark.parametrize(
    "changed",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": ISSUER},
        {"origin": "http://as.example.com"},
        {"origin": None},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"x_csrf_token": "another"},
        {"x_csrf_token": ""},
        {"x_csrf_token": None},
    ],
)
async def test_what_no_page_of_ours_sent_is_refused(door, changed):
    token = await begin(door)
    visitor = await door.visitor(sent(cookie=f"__Host-fleeting={token}"))
    assert visitor is not None
    headers = {
        "cookie": f"__Host-fleeting={token}",
        "origin": ORIGIN,
        "x_csrf_token": door.csrf(visitor),
        **changed,
    }
    call = sent("POST", **{name: value for name, value in headers.items() if value is not None})
    with pytest.raises(ForgedRequest):
        await door.caller(call)


async def test_the_token_of_another_session_is_refused(door):
    token, other = await begin(door), await begin(door)
    stranger = await door.visitor(sent(cookie=f"__Host-fleeting={other}"))
    assert stranger is not None
    headers = {"cookie": f"__Host-fleeting={token}", "origin": ORIGIN}
    with pytest.raises(ForgedRequest):
        await door.caller(sent("POST", **headers, x_csrf_token=door.csrf(stranger)))
