"""The end is exact: at the issuer when it is committed, at offline guards within a second."""

import asyncio
import base64
import json
import socket
import time
from datetime import timedelta

import pytest

from fleeting.core.ledger_verification import verify_ledger
from fleeting.ports import Cutoff, CutoffKind, Write
from fleeting.resource import Following, WhenLost
from fleeting.resource import following as guard_side
from fleeting.server import connections
from tests.attacks.scene import make_api
from tests.attacks.test_single_use_and_races import PostgresServer
from tests.attacks.world import World, client
from tests.simulator import (
    PAYMENTS,
    REFUND,
    SECRETS,
    Installation,
    claims_of,
    eventually,
    free_port,
    listening,
    simulator,
)

LIST = "/payments"


@pytest.fixture
async def line(tmp_path):
    """A simulator whose issuer is served on real sockets."""
    issuer = f"http://127.0.0.1:{free_port()}"
    async with simulator(tmp_path, issuer=issuer) as sim, listening(sim) as server:
        sim.server = server
        yield sim


@pytest.fixture
async def offline(line):
    """A guarded API that follows its issuer over real HTTP, as it does by itself."""
    made = make_api(line, http=None)
    await made.guard.warm()
    await eventually(lambda: line.worker.pulse.listeners)
    yield made
    await made.aclose()


async def cut(sim, kind, value):
    """Commit a cut-off as the use cases do."""
    now = sim.clock.now()
    write = Write(cutoffs=(Cutoff(kind, value, now, now + timedelta(hours=1)),))
    await sim.worker.use_cases.revoke_token.guards.desk.ledger.commit(write)


async def reads(api, token):
    """Return what a call gets that is verified offline, with a bearer token."""
    headers = {"Authorization": f"Bearer {token}"}
    return await api.http.get(PAYMENTS + LIST, headers=headers)


async def seconds_until_refused(api, token):
    """Return how long a token is still good for."""
    before = time.monotonic()
    while (response := await reads(api, token)).status_code == 201:
        assert time.monotonic() - before < 5
        await asyncio.sleep(0.005)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_token")
    assert response.json()["error_description"] == "the access token was revoked"
    return time.monotonic() - before


@pytest.mark.parametrize("means", ["revoke", *CutoffKind])
async def test_a_revoked_token_is_not_good_until_some_cache_says_so(line, offline, means):
    """ATTACKS 31: revoked within a cache's time; the guard has seen and remembered the token."""
    bot = line.caller("legacy")
    token, other = [await bot.token(scope="payments:read") for _ in range(2)]
    assert (await reads(offline, token)).status_code == 201
    if means == "revoke":
        await bot.revoke(token)
    else:
        request = (await line.recorded("token.issued"))[0].request_id
        value = {CutoffKind.TOKEN: claims_of(token)["jti"], CutoffKind.REQUEST: request}
        await cut(line, means, value.get(means, "legacy"))
    assert (await line.guard.introspect(token)).json() == {"active": False}
    assert (await line.guard.spend(token)).json()["reason"] == "revoked"
    if means == CutoffKind.REQUEST:
        await cut(line, CutoffKind.TOKEN, claims_of(token)["jti"])  # as who ends a request does
    assert await seconds_until_refused(offline, token) < 1
    one_only = means in ("revoke", CutoffKind.TOKEN, CutoffKind.REQUEST)
    assert (await reads(offline, other)).status_code == (201 if one_only else 401)
    await offline.guard.aclose()
    [told, *_] = await line.recorded("call.refused")
    assert told.body["reason"] == "the access token was revoked"


async def test_what_was_issued_before_the_cut_is_dead_and_what_comes_after_it_is_not(line, offline):
    """ATTACKS 3, 31: everything of a client ends, and the client begins anew."""
    bot = line.caller("legacy")
    before = await bot.token(scope="payments:read")
    await cut(line, CutoffKind.CLIENT, "legacy")
    assert await seconds_until_refused(offline, before) < 1
    line.clock.wind(seconds=1)
    after = await bot.token(scope="payments:read")
    assert (await reads(offline, after)).status_code == 201
    assert (await line.guard.introspect(after)).json()["active"] is True


async def test_a_guard_that_starts_late_knows_what_was_revoked_before(line):
    """ATTACKS 31: restarting the resource server brings no token back to life."""
    bot = line.caller("legacy")
    token = await bot.token(scope="payments:read")
    await bot.revoke(token)
    api = make_api(line, http=None)
    assert (await reads(api, token)).status_code == 401
    await api.aclose()


async def test_a_guard_behind_what_lets_no_stream_through_is_told_as_well(sim):
    """ATTACKS 31: here the transport holds every answer back until it is complete."""
    bot = sim.caller("legacy")
    token, other = [await bot.token(scope="payments:read") for _ in range(2)]
    api = make_api(sim)
    await bot.revoke(token)
    assert (await reads(api, token)).status_code == 401
    assert (await reads(api, other)).status_code == 201
    await api.aclose()


async def test_a_line_that_is_cut_hides_nothing(line, offline):
    """ATTACKS 31: what was revoked while nobody listened is heard on reconnecting."""
    bot = line.caller("legacy")
    for _ in range(3):
        tokens = [await bot.token(scope="payments:read") for _ in range(3)]
        for connection in list(line.server.server_state.connections):
            connection.transport.abort()
        for token in tokens:
            await bot.revoke(token)
        for token in tokens:
            assert await seconds_until_refused(offline, token) < 1


async def test_silence_is_not_taken_for_peace(line, monkeypatch):
    """ATTACKS 31: the store cannot be read, so nobody says that nothing was revoked."""
    monkeypatch.setattr(guard_side, "_SILENCE_SECONDS", 0.5)
    lost_after = timedelta(seconds=2)
    everything = Following(contact_lost_after=lost_after, when_lost=WhenLost.EVERYTHING)
    api = make_api(line, http=None, revocations=everything)
    token = await line.caller("legacy").token(scope="payments:read")
    assert (await reads(api, token)).status_code == 201
    line.worker.store.available = False
    await asyncio.sleep(2.5)
    response = await reads(api, token)
    assert (response.status_code, response.json()["error"]) == (503, "temporarily_unavailable")
    line.worker.store.available = True
    before = time.monotonic()
    while (await reads(api, token)).status_code != 201:
        assert time.monotonic() - before < 5
        await asyncio.sleep(0.05)
    await api.aclose()


async def test_no_guard_hears_which_tokens_another_resource_has(line):
    """ATTACKS 31: a resource server that is not the audience learns nothing of a token."""
    bot = line.caller("legacy")
    token = await bot.token(scope="payments:read")
    await bot.revoke(token)
    bearer = line.deployments_guard.assertion()
    headers = {"Authorization": f"Bearer {bearer}", "Accept": "application/json"}
    url = f"{line.installation.issuer}/revocations"
    answer = await line.http.get(url, headers=headers, params={"after": "0"})
    assert answer.status_code == 200
    assert claims_of(token)["jti"] not in answer.text


async def test_who_does_not_read_is_cut_off(line, monkeypatch):
    """ATTACKS 33: a stream that nobody reads holds nothing for long."""
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.3)
    basic = base64.b64encode(f"payments-api:{SECRETS['payments-api']}".encode()).decode()
    port = int(line.installation.issuer.rpartition(":")[2])
    with socket.socket() as idle:
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        idle.setblocking(False)
        await asyncio.get_running_loop().sock_connect(idle, ("127.0.0.1", port))
        ask = f"GET /revocations HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {basic}\r\n\r\n"
        await asyncio.get_running_loop().sock_sendall(idle, ask.encode())
        await eventually(lambda: line.worker.pulse.listeners)
        now = line.clock.now()
        until = now + timedelta(hours=1)
        long = "x" * 4000
        cutoffs = (Cutoff(CutoffKind.CLIENT, f"{long}{n}", now, until) for n in range(2000))
        await line.worker.store.commit(Write(cutoffs=tuple(cutoffs)))
        await eventually(lambda: not line.worker.pulse.listeners)


@pytest.mark.parametrize("kind", [CutoffKind.CLIENT, CutoffKind.SUBJECT, CutoffKind.TOKEN])
@pytest.mark.parametrize("database", ["memory://", "sqlite:///fleeting.db"])
async def test_a_ledger_with_cut_offs_is_whole(tmp_path, database, kind):
    """ATTACKS 35: what a cut-off ends is no fault of the books, nor is what is ended after it."""
    async with simulator(tmp_path, database=database) as sim:
        bot = sim.caller()
        spent, fresh, revoked = [await bot.token(REFUND) for _ in range(3)]
        assert (await sim.guard.spend(spent)).json()["active"] is True
        await bot.revoke(revoked)
        value = claims_of(fresh)["jti"] if kind is CutoffKind.TOKEN else "support-bot"
        await cut(sim, kind, value)
        for token in (fresh, revoked):
            assert (await sim.guard.spend(token)).json()["reason"] == "revoked"
            assert (await bot.revoke(token)).status_code == 200
        verification = await sim.worker.store.examine(verify_ledger)
        assert verification.findings == ()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def world(request, tmp_path):
    """Two workers on one database."""
    url = "sqlite:///fleeting.db"
    if request.param == "postgres":
        url = PostgresServer(request.getfixturevalue("cluster")).url
    issuer = f"http://127.0.0.1:{free_port()}"
    made = World(Installation(tmp_path, issuer=issuer, database=url).write())
    made.start()
    yield made
    made.stop()


async def test_a_guard_outlives_its_issuer_s_restart(world):
    """ATTACKS 3, 31: two workers are replaced; what is revoked then is heard as soon."""
    async with client() as http:
        parties = world.parties(http)
        bot = parties.caller("legacy")
        tokens = [await bot.token(scope="payments:read") for _ in range(6)]
        api = make_api(parties, http=None)
        assert (await reads(api, tokens[0])).status_code == 201
        for token in tokens[:3]:  # by either worker
            async with client() as bot.http:
                await bot.revoke(token)
            assert await seconds_until_refused(api, token) < 1
        stopping = time.monotonic()
        await asyncio.to_thread(world.stop)
        assert time.monotonic() - stopping < 8
        assert (await reads(api, tokens[3])).status_code == 201
        await asyncio.to_thread(world.start)
        for token, patience in ((tokens[3], 3), (tokens[4], 1)):  # its pause may be 2 seconds
            async with client() as bot.http:
                await bot.revoke(token)
            assert await seconds_until_refused(api, token) < patience
        assert (await reads(api, tokens[5])).status_code == 201
        await api.aclose()
    for line in world.said().splitlines():
        assert "Traceback" not in line
        json.loads(line)
