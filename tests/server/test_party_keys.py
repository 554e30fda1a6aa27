import asyncio
import json
from contextlib import asynccontextmanager
from time import monotonic

import httpx
import pytest

from fleeting.core.jose import KeySet
from fleeting.server import party_keys
from fleeting.server.party_keys import (
    CachedPartyKeys,
    from_file,
    from_resource_metadata,
    from_uri,
    get_json,
)
from fleeting.usecases.parties import KeysUnavailableError
from tests.simulator import REFUND, granted, new_key, refused, simulator

KEY = new_key()
JWKS = {"keys": [KEY.public().to_jwk()]}


@asynccontextmanager
async def provider(*answers, hang=None):
    """A party on loopback that gives *answers* in turn, the last one for ever, and its address.

    hang: an event to wait for before each answer.
    """
    asked = []

    async def serve(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        asked.append(path)
        if hang is not None:
            await hang.wait()
        answer = answers[min(len(asked), len(answers)) - 1]
        answer = answer(path) if callable(answer) else answer
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        extra = "Location: http://127.0.0.1:1/\r\n" if status == 302 else ""
        writer.write(f"HTTP/1.1 {status} X\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode())
        writer.write(body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield f"http://127.0.0.1:{port}", asked


@pytest.fixture
async def http():
    async with httpx.AsyncClient(verify=False, trust_env=False, timeout=5) as client:
        yield client


async def test_keys_are_fetched_once_and_kept(http):
    async with provider(JWKS) as (url, asked):
        source = CachedPartyKeys({"idp": from_uri(http, f"{url}/jwks")})
        together = await asyncio.gather(*(source.keys("idp") for _ in range(10)))
        later = await source.keys("idp")
    assert asked == ["/jwks"]
    assert {keys.keys[0].kid for keys in (*together, later)} == {KEY.kid}


async def test_newer_keys_are_asked_for_at_a_bounded_rate(http):
    async with provider(JWKS) as (url, asked):
        source = CachedPartyKeys({"idp": from_uri(http, url)})
        for _ in range(50):
            await source.keys("idp", newest=True)
    assert len(asked) == 5


async def test_the_rate_recovers(http, monkeypatch):
    now = [monotonic()]
    monkeypatch.setattr(party_keys, "monotonic", lambda: now[0])
    async with provider(JWKS) as (url, asked):
        source = CachedPartyKeys({"idp": from_uri(http, url)})
        for _ in range(20):
            await source.keys("idp", newest=True)
        now[0] += 25
        for _ in range(20):
            await source.keys("idp", newest=True)
    assert len(asked) == 7


async def test_old_keys_serve_while_new_ones_are_fetched(http, monkeypatch):
    now = [monotonic()]
    monkeypatch.setattr(party_keys, "monotonic", lambda: now[0])
    newer = new_key()
    async with provider(JWKS, {"keys": [newer.public().to_jwk()]}) as (url, asked):
        source = CachedPartyKeys({"idp": from_uri(http, url)})
        await source.keys("idp")
        now[0] += party_keys.FRESH_SECONDS + 1
        stale = await source.keys("idp")
        await source._parties["idp"].under_way
        fresh = await source.keys("idp")
    assert (stale.keys[0].kid, fresh.keys[0].kid) == (KEY.kid, newer.kid)
    assert len(asked) == 2


async def test_keys_that_cannot_be_fetched_again_count_for_a_day_and_no_longer(http, monkeypatch):
    now = [monotonic()]
    monkeypatch.setattr(party_keys, "monotonic", lambda: now[0])
    async with provider(JWKS, (500, b"")) as (url, _asked):
        source = CachedPartyKeys({"idp": from_uri(http, url)})
        await source.keys("idp")
        now[0] += 3600
        assert (await source.keys("idp")).keys[0].kid == KEY.kid
        now[0] += party_keys.GOOD_FOR_SECONDS
        with pytest.raises(KeysUnavailableError):
            await source.keys("idp")


async def test_an_unknown_key_of_a_party_that_does_not_answer_is_no_fault_of_the_caller(http):
    async with provider(JWKS, (500, b"")) as (url, _asked):
        source = CachedPartyKeys({"idp": from_uri(http, url)})
        await source.keys("idp")
        for _ in range(10):  # also once it is not asked any more for a while
            with pytest.raises(KeysUnavailableError):
                await source.keys("idp", newest=True)
        assert (await source.keys("idp")).keys[0].kid == KEY.kid


async def test_a_party_that_failed_is_asked_again_and_not_too_often(http):
    async with provider((500, b""), JWKS) as (url, asked):
        source = CachedPartyKeys({"idp": from_uri(http, url)})
        with pytest.raises(KeysUnavailableError, match="answers 500"):
            await source.keys("idp")
        assert (await source.keys("idp")).keys[0].kid == KEY.kid
        assert len(asked) == 2
    async with provider((500, b"")) as (url, asked):
        source = CachedPartyKeys({"idp": from_uri(http, url)})
        for _ in range(10):
            with pytest.raises(KeysUnavailableError):
                await source.keys("idp")
        assert len(asked) == 5


async def test_one_who_goes_away_takes_nothing_from_the_others(http):
    gate = asyncio.Event()
    async with provider(JWKS, hang=gate) as (url, asked):
        source = CachedPartyKeys({"idp": from_uri(http, url)})
        impatient = asyncio.create_task(source.keys("idp"))
        patient = asyncio.create_task(source.keys("idp"))
        await asyncio.sleep(0.02)
        impatient.cancel()
        gate.set()
        assert (await patient).keys[0].kid == KEY.kid
        assert asked == ["/"]


@pytest.mark.parametrize(
    "answer",
    [
        (404, b""),
        (302, b""),
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        {"keys": "x"},
        b'{"keys": [' + b" " * 300_000 + b"]}",
    ],
)
async def test_what_is_no_key_set_is_unavailable(http, answer):
    async with provider(answer) as (url, _asked):
        with pytest.raises(KeysUnavailableError):
            await from_uri(http, url)()


@pytest.mark.parametrize(
    "url",
    [
        "http://idp.example.com/jwks",
        "http://127.0.0.1.evil.example/jwks",
        "http://user@127.0.0.1/jwks",
        "ftp://127.0.0.1/jwks",
        "file:///etc/passwd",
        "http://[/",
        "https://",
        "",
    ],
)
async def test_only_https_or_loopback_is_asked(http, url):
    with pytest.raises(KeysUnavailableError):
        await get_json(http, url)


async def test_nobody_there_is_unavailable(http):
    with pytest.raises(KeysUnavailableError, match="ConnectError"):
        await get_json(http, "http://127.0.0.1:1/jwks")


# Files.


async def test_a_file_is_read_anew(tmp_path):
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(JWKS))
    assert (await from_file(path)()).keys[0].kid == KEY.kid
    newer = new_key()
    path.write_text(json.dumps({"keys": [newer.public().to_jwk()]}))
    assert (await from_file(path)()).keys[0].kid == newer.kid


@pytest.mark.parametrize("content", [None, b"", b"[]", b"\xff", b"[" * 100_000])
async def test_a_file_that_is_no_key_set_is_unavailable(tmp_path, content):
    path = tmp_path / "jwks.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(KeysUnavailableError, match=str(path)):
        await from_file(path)()


# Metadata of resource servers.


async def test_a_resource_publishes_the_keys_of_its_challenges(http):
    def answer(path):
        if path != "/.well-known/oauth-protected-resource/api":
            return JWKS
        return {"resource": f"{base[0]}/api", "jwks_uri": f"{base[0]}/keys"}

    base = []
    async with provider(answer) as (url, asked):
        base.append(url)
        keys = await from_resource_metadata(http, f"{url}/api")()
    assert isinstance(keys, KeySet)
    assert asked == ["/.well-known/oauth-protected-resource/api", "/keys"]


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"resource": "https://other.example"},
        {"resource": "BASE"},
        {"resource": "BASE", "jwks_uri": 7},
        {"resource": "BASE", "jwks_uri": "https://evil.example/jwks"},
        {"resource": "BASE", "jwks_uri": "http://["},
        {"resource": "BASE", "jwks_uri": "BASE/\x00\x7f"},
        {"resource": "BASE", "jwks_uri": "BASE" + "/" * 70_000},
    ],
)
async def test_metadata_of_another_or_that_lead_elsewhere_are_not_believed(http, metadata):
    base = []

    def answer(_path):
        text = json.dumps(metadata).replace("BASE", base[0])
        return text.encode()

    async with provider(answer) as (url, _asked):
        base.append(url)
        with pytest.raises(KeysUnavailableError):
            await from_resource_metadata(http, url)()


# In the whole system.


def at(url):
    return {'jwks_file = "keys/idp.jwks.json"': f'jwks_uri = "{url}/jwks"'}


async def test_a_provider_that_hangs_costs_only_those_who_need_it(tmp_path, monkeypatch):
    monkeypatch.setattr(party_keys, "_TIMEOUT_SECONDS", 0.3)
    gate = asyncio.Event()
    async with (
        provider(JWKS, hang=gate) as (url, _asked),
        simulator(tmp_path, replace=at(url)) as sim,
    ):
        bot = sim.caller()
        await bot.token(REFUND)
        started = asyncio.get_running_loop().time()
        waiting = asyncio.create_task(bot.exchange(sim.user_token(), REFUND))
        await asyncio.sleep(0.05)
        granted(await bot.ask(REFUND))
        assert not waiting.done()
        response = await waiting
        assert asyncio.get_running_loop().time() - started < 2
        assert url not in refused(response, "temporarily_unavailable", 503)
        gate.set()


async def test_a_provider_may_rotate_its_keys(tmp_path):
    document = {"keys": []}
    async with (
        provider(lambda _path: document) as (url, asked),
        simulator(tmp_path, replace=at(url)) as sim,
    ):
        old, new = sim.keys["idp"], new_key()
        document["keys"] = [old.public().to_jwk()]
        granted(await sim.caller().exchange(sim.user_token(), REFUND))
        document["keys"] = [new.public().to_jwk()]
        granted(await sim.caller().exchange(sim.user_token(key=new), REFUND))
        refused(await sim.caller().exchange(sim.user_token(), REFUND), "invalid_request")
        assert len(asked) == 3
        for _ in range(20):
            forged = sim.user_token(key=new_key())
            refused(await sim.caller().exchange(forged, REFUND), "invalid_request")
        assert len(asked) == 5  # forgeries with fresh names cannot make us ask without end


async def test_what_is_small_until_it_is_unpacked_is_not_unpacked(http):
    def serve(request):
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=b"x")

    async with httpx.AsyncClient(transport=httpx.MockTransport(serve)) as packed:
        with pytest.raises(KeysUnavailableError, match="compressed"):
            await get_json(packed, "https://idp.example.com/jwks")
