"""Exhaustion: what strangers and clients can make us store, wait for, fetch or compute."""

import asyncio
import base64
import gzip
import json
import time
from types import SimpleNamespace

import httpx
import pytest

from fleeting.server import connections, party_keys
from fleeting.server.installing import http_client
from fleeting.server.settings import SettingsError
from tests.attacks.scene import Scene
from tests.simulator import IDP, REFUND, Installation, granted, new_key, simulator

ASK = {"grant_type": "client_credentials", "authorization_details": [REFUND]}


async def test_strangers_cannot_make_the_ledger_grow_without_end(scene):
    """ATTACKS 33: 200 refusals at once are recorded, then 20 a second; each of them small."""
    sim = scene.sim
    basic = base64.b64encode(b"\xc3\xa9" * 20_000 + b":" + b"y" * 9).decode()
    stranger = sim.caller("legacy", secret=None)
    for _ in range(220):
        response = await stranger.post("/token", ASK, authorization=[f"Basic {basic}"])
        assert response.status_code == 401
    entries = await sim.recorded()
    assert len(entries) == 200
    assert max(len(json.dumps(dict(entry.body))) for entry in entries) < 1000
    sim.clock.wind(seconds=1)
    for _ in range(40):
        await stranger.post("/token", ASK, authorization=["Basic eDp5"])
    assert len(await sim.recorded()) == 220
    sim.clock.wind(hours=-1)
    await stranger.post("/token", ASK, authorization=["Basic eDp5"])
    assert len(await sim.recorded()) == 220


async def test_what_was_seen_is_forgotten_once_it_is_over(scene):
    """ATTACKS 33: the memory of proofs and assertions has the length of their lives."""
    sim = scene.sim
    bot = sim.caller()
    for _ in range(20):
        await bot.token(REFUND)
    tables = sim.worker.store.tables
    assert len(tables.proofs) >= 40
    sim.clock.wind(minutes=12)
    await sim.worker.store.prune(sim.clock.now(), ledger_before=None, limit=1000)
    assert tables.proofs == {}
    sim.clock.wind(days=1)
    await sim.worker.store.prune(sim.clock.now(), ledger_before=None, limit=1000)
    assert tables.tokens == {}


async def test_a_nonce_costs_no_row(scene):
    """ATTACKS 33: asking for nonces fills nothing."""
    bot = scene.sim.caller()
    for _ in range(10):
        await scene.refuses(
            bot.post("/token", ASK, retry=False, proofs=[bot.proof(nonce=None)]),
            "use_dpop_nonce",
            recorded=False,
        )
    assert scene.sim.worker.store.tables.proofs == {}


async def test_a_token_too_long_to_be_read_again_is_not_issued(scene):
    """ATTACKS 33: many operations with long notes."""
    bot = scene.sim.caller()
    await bot.ask(scope="payments:read")
    many = [{**REFUND, "payment_id": str(n), "note": "n" * 1900} for n in range(8)]
    told = await scene.refuses(bot.ask(*many), "invalid_authorization_details")
    assert "fewer operations" in told
    granted(await bot.ask(*many[:4]))


async def test_a_guard_with_too_many_proofs_to_remember_refuses(sim, api):
    """ATTACKS 33: full of proofs that may still come again, it fails closed."""
    bot = sim.caller()
    token = await bot.token(REFUND)
    api.guard._checks.proofs._limit = 0
    answer = await api.call(api.headers(bot, token))
    assert (answer.status_code, api.served) == (503, [])


class Wire(asyncio.Transport):
    """What uvicorn writes to."""

    def __init__(self):
        super().__init__()
        self.written, self.closed = b"", False

    def write(self, data):
        self.written += data

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed

    def get_write_buffer_size(self):
        return 0


async def connection(monkeypatch, seconds=0.1):
    """Return the server's end of a connection, and where it writes."""
    import uvicorn
    from uvicorn.server import ServerState

    monkeypatch.setattr(connections, "REQUEST_SECONDS", seconds)

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    config = uvicorn.Config(app, lifespan="off", ws="none", log_config=None)
    protocol, wire = connections.BoundedProtocol(config, ServerState(), {}), Wire()
    protocol.connection_made(wire)
    return protocol, wire


FLOODS = {
    "fields": [b"x-%d: y\r\n" % n for n in range(9000)],
    "one field": [b"x: ", *[b"y" * 1000] * 80],
    "the target": [b"y" * 1000] * 80,
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_head_that_does_not_end_is_cut_off(monkeypatch, flood):
    """ATTACKS 33: header floods: memory is bounded, and the answer is 400."""
    protocol, wire = await connection(monkeypatch)
    start = b"GET /" if flood == "the target" else b"GET / HTTP/1.1\r\nHost: x\r\n"
    protocol.data_received(start)
    for chunk in FLOODS[flood][:-1]:
        if not wire.closed:
            protocol.data_received(chunk)
    assert wire.closed
    assert b"400 Bad Request" in wire.written


@pytest.mark.parametrize("start", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_who_says_nothing_is_not_waited_for(monkeypatch, start):
    """ATTACKS 33: slow-loris in the head of a request."""
    protocol, wire = await connection(monkeypatch)
    if start:
        protocol.data_received(start)
    await asyncio.sleep(0.3)
    assert wire.closed


async def test_a_body_a_byte_at_a_time_is_not_waited_for(monkeypatch):
    """ATTACKS 33: slow-loris: the whole request has its time, not each byte."""
    protocol, wire = await connection(monkeypatch)
    protocol.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(50):
        if not wire.closed:
            protocol.data_received(b"a")
            await asyncio.sleep(0.01)
    assert wire.closed


async def test_requests_one_after_the_other_each_have_their_time(monkeypatch):
    """ATTACKS 33: and honest keep-alive and pipelining go on as before."""
    protocol, wire = await connection(monkeypatch)
    request = b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 30_000 + b"\r\n\r\n"
    for _ in range(4):
        protocol.data_received(request)
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.2)
    assert not wire.closed
    assert wire.written.count(b"200 OK") == 4
    protocol.data_received(b"GET / HTTP/1.1\r\n")
    await asyncio.sleep(0.3)
    assert wire.closed


# -------------------------------------------------------------- other parties' documents


class Provider(httpx.AsyncBaseTransport):
    """An identity provider that answers as it is told."""

    def __init__(self):
        self.answer, self.asked = None, []

    async def handle_async_request(self, request):
        self.asked.append(str(request.url))
        return await self.answer(request)


@pytest.fixture
async def hostile(tmp_path, log):
    """A scene whose identity provider publishes its keys at a URL."""
    provider = Provider()
    replace = {'jwks_file = "keys/idp.jwks.json"': f'jwks_uri = "{IDP}/jwks"'}
    http = httpx.AsyncClient(transport=provider)
    async with simulator(tmp_path, http=http, replace=replace) as sim:
        yield SimpleNamespace(scene=Scene(sim, log), sim=sim, provider=provider)


def jwks_of(sim):
    return json.dumps({"keys": [sim.keys["idp"].public().to_jwk()]}).encode()


async def redirecting(request):
    return httpx.Response(302, headers={"Location": "http://169.254.169.254/latest"})


async def huge(request):
    return httpx.Response(200, stream=Endless(b"x" * 65_536))


async def bomb(request):
    packed = gzip.compress(b" " * 50_000_000)
    return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=Once(packed))


async def gone(request):
    raise httpx.ConnectError("no route to host")


async def error(request):
    return httpx.Response(500, text="eyJhbGciOiJub25lIn0.secret")


async def nonsense(request):
    return httpx.Response(200, content=b"[" * 100_000)


async def no_set(request):
    return httpx.Response(200, content=b'{"keys": {"kty": "EC"}}')


class Endless(httpx.AsyncByteStream):
    def __init__(self, chunk):
        self.chunk, self.given = chunk, 0

    async def __aiter__(self):
        while True:
            self.given += len(self.chunk)
            assert self.given < 2_000_000, "read on and on"
            yield self.chunk


class Once(httpx.AsyncByteStream):
    def __init__(self, chunk):
        self.chunk = chunk

    async def __aiter__(self):
        yield self.chunk


@pytest.mark.parametrize("answer", [redirecting, huge, bomb, gone, error, nonsense, no_set])
async def test_a_providers_bad_document_is_a_503_and_goes_no_further(hostile, answer):
    """ATTACKS 25: redirects, endless bodies, bombs: bounded, followed nowhere, nothing issued."""
    sim, provider = hostile.sim, hostile.provider
    bot = sim.caller()
    await bot.ask(scope="payments:read")
    provider.answer = answer
    user = sim.user_token()
    await hostile.scene.refuses(
        bot.exchange(user, REFUND), "temporarily_unavailable", 503, recorded=False
    )
    assert provider.asked == [f"{IDP}/jwks"]

    async def mended(request):
        return httpx.Response(200, content=jwks_of(sim))

    provider.answer = mended
    granted(await bot.exchange(user, REFUND))


async def test_a_hanging_provider_hinders_nobody_else(hostile, monkeypatch):
    """ATTACKS 25, 33: bounded time for its own users, none for others."""
    monkeypatch.setattr(party_keys, "_TIMEOUT_SECONDS", 0.5)
    sim = hostile.sim
    bot, other = sim.caller(), sim.caller()
    await bot.ask(scope="payments:read")
    await other.ask(scope="payments:read")

    async def hang(request):
        await asyncio.sleep(60)

    hostile.provider.answer = hang
    started = time.monotonic()
    waiting = [asyncio.create_task(bot.exchange(sim.user_token(), REFUND)) for _ in range(5)]
    await asyncio.sleep(0)
    for _ in range(5):
        granted(await other.ask(REFUND))
    assert not any(task.done() for task in waiting)
    for answer in await asyncio.gather(*waiting):
        assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert time.monotonic() - started < 5
    assert len(hostile.provider.asked) == 1


async def test_unknown_keys_do_not_make_us_ask_without_end(hostile):
    """ATTACKS 33: each token with a new kid; the provider hears from us a few times only."""
    sim = hostile.sim
    bot = sim.caller()
    await bot.ask(scope="payments:read")

    async def answer(request):
        return httpx.Response(200, content=jwks_of(sim))

    hostile.provider.answer = answer
    for _ in range(30):
        forged = sim.user_token(key=new_key())
        await hostile.scene.refuses(bot.exchange(forged, REFUND), "invalid_request")
    assert len(hostile.provider.asked) <= 6
    granted(await bot.exchange(sim.user_token(), REFUND))


async def test_keys_that_cannot_be_fetched_again_end_some_day(hostile, monkeypatch):
    """ATTACKS 30: who keeps us from hearing of a withdrawn key does not keep it alive for ever."""
    sim = hostile.sim
    bot = sim.caller()

    async def answer(request):
        return httpx.Response(200, content=jwks_of(sim))

    hostile.provider.answer = answer
    granted(await bot.exchange(sim.user_token(), REFUND))
    hostile.provider.answer = gone
    later = time.monotonic() + 86_401
    monkeypatch.setattr(party_keys, "monotonic", lambda: later)
    await hostile.scene.refuses(
        bot.exchange(sim.user_token(), REFUND), "temporarily_unavailable", 503, recorded=False
    )


@pytest.mark.parametrize(
    "uri",
    ["http://idp.example.com/jwks", "http://10.0.0.1/jwks", "file:///etc/passwd", "ftp://x/jwks",
     "http://localhost.evil.example/", "https://x@evil.example/", "http://127.0.0.1@evil.example/",
     "//idp.example.com/jwks", "jwks", "http://[::1", "http://0177.0.0.1/"],
)  # fmt: skip
def test_keys_are_fetched_over_https_or_loopback_only(tmp_path, uri):
    """ATTACKS 25: what cannot be trusted stops the start."""
    replace = {'jwks_file = "keys/idp.jwks.json"': f'jwks_uri = "{uri}"'}
    with pytest.raises(SettingsError, match="jwks_uri"):
        Installation(tmp_path, replace=replace).write().load()


async def test_other_parties_are_asked_without_proxies_or_credentials(monkeypatch):
    """ATTACKS 25: neither the environment nor a redirect says where we go."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.evil.example:1")
    monkeypatch.setenv("ALL_PROXY", "http://proxy.evil.example:1")
    async with http_client() as http:
        assert http._mounts == {}
        assert http.follow_redirects is False
