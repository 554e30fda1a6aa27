"""``GET /revocations`` on real sockets, and by polls in the simulator."""

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest

from fleeting.core.event_stream import BEAT, EventReader
from fleeting.ports import Cutoff, CutoffKind, Write
from fleeting.server.revocation_endpoint import MOST_STREAMS
from tests.simulator import (
    SECRETS,
    claims_of,
    eventually,
    free_port,
    listening,
    refused,
    serve,
    simulator,
)

BASIC = httpx.BasicAuth("payments-api", SECRETS["payments-api"])
AS_JSON = {"Accept": "application/json"}


@pytest.fixture
async def line(tmp_path):
    """A simulator that is served on real sockets."""
    issuer = f"http://127.0.0.1:{free_port()}"
    async with simulator(tmp_path, issuer=issuer) as sim, listening(sim) as server:
        sim.server = server
        yield sim


class Listener:
    """Reads one stream; heard: its events so far, without the beats."""

    def __init__(self, url, **headers):
        self.url, self.headers = url + "/revocations", headers
        self.heard, self.beats, self.status, self.ended = [], 0, 0, False

    async def run(self, auth=BASIC):
        async with (
            httpx.AsyncClient(trust_env=False) as http,
            http.stream("GET", self.url, auth=auth, headers=self.headers) as response,
        ):
            self.status, reader = response.status_code, EventReader()
            self.type = response.headers["content-type"]
            async for piece in response.aiter_raw():
                for event in reader.feed(piece):
                    self.beats += event.name == BEAT
                    self.heard += [event] if event.name != BEAT else []
        self.ended = True


@asynccontextmanager
async def following(url, auth=BASIC, **headers):
    listener = Listener(url, **headers)
    task = asyncio.create_task(listener.run(auth))
    await eventually(lambda: listener.beats or task.done())
    try:
        yield listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def cut(sim, value, kind=CutoffKind.CLIENT):
    until = sim.clock.now() + timedelta(hours=1)
    cutoff = Cutoff(kind, value, sim.clock.now(), until)
    await sim.worker.use_cases.revoke_token.guards.desk.ledger.commit(Write(cutoffs=(cutoff,)))


async def poll(sim, auth=BASIC, **query):
    url = sim.installation.issuer + "/revocations"
    return await sim.http.get(url, auth=auth, headers=AS_JSON, params=query)


async def test_a_revocation_is_heard_at_once(line):
    bot = line.caller("legacy")
    token = await bot.token(scope="payments:read")
    async with following(line.installation.issuer) as listener:
        assert (listener.status, listener.type) == (200, "text/event-stream")
        await bot.revoke(token)
        before = time.monotonic()
        await eventually(lambda: listener.heard)
        assert time.monotonic() - before < 0.5
        [event] = listener.heard
        assert event.name == "revoked"
        assert claims_of(token)["jti"] in event.data


async def test_it_resumes_without_a_gap_and_without_repeating(line):
    url = line.installation.issuer
    for name in ("a", "b"):
        await cut(line, name)
    async with following(url) as listener:
        assert [event.id[:2] for event in listener.heard] == ["1-", "2-"]
    seen = listener.heard[0].id
    await cut(line, "c")
    async with following(url, **{"Last-Event-ID": seen}) as listener:
        assert [event.id[:2] for event in listener.heard] == ["2-", "3-"]
    async with following(url, **{"Last-Event-ID": "9-0123456789ab"}) as listener:
        assert [event.name for event in listener.heard] == ["reset", *["revoked"] * 3]


async def test_a_guard_with_a_key_sends_its_assertion_as_a_bearer_credential(line):
    guard = line.deployments_guard
    bearer = guard.assertion()

    def auth(request):
        request.headers["Authorization"] = f"Bearer {bearer}"
        return request

    async with following(line.installation.issuer, auth) as listener:
        assert listener.status == 200
    again = await poll(line, auth)
    assert "used before" in refused(again, "invalid_client", 401)


async def test_a_guard_hears_of_no_other_s_tokens(line):
    bot = line.caller("legacy")
    token = await bot.token(scope="payments:read")
    await bot.revoke(token)

    def auth(request):
        request.headers["Authorization"] = f"Bearer {line.deployments_guard.assertion()}"
        return request

    assert (await poll(line, auth)).json()["revoked"] == []
    assert len((await poll(line)).json()["revoked"]) == 1


async def test_who_guards_nothing_hears_nothing(sim):
    legacy = httpx.BasicAuth("legacy", SECRETS["legacy"])
    told = refused(await poll(sim, legacy), "unauthorized_client")
    assert "resource server" in told
    assert (await sim.recorded())[-1].kind == "request.refused"
    refused(await poll(sim, None), "invalid_client", 401)
    url = sim.installation.issuer + "/revocations"
    assert (await sim.http.post(url, auth=BASIC)).status_code == 405


async def test_polls_go_on_from_where_they_were(sim):
    first = (await poll(sim)).json()
    assert first == {"revoked": [], "last": "0", "more": False, "reset": False}
    await cut(sim, "a")
    second = (await poll(sim, after=first["last"])).json()
    until = int(sim.clock.now().timestamp())
    assert second["revoked"] == [{"client_id": "a", "issued_until": until, "until": until + 3600}]
    assert (await poll(sim, after=second["last"])).json()["revoked"] == []
    assert (await poll(sim, after="9-0123456789ab")).json()["reset"] is True


async def test_where_the_store_cannot_be_read_nothing_is_answered(sim):
    sim.worker.store.available = False
    refused(await poll(sim), "temporarily_unavailable", 503)


async def test_a_fault_of_ours_is_told_as_one(sim, monkeypatch):
    monkeypatch.setattr(sim.worker.pulse, "feed", None)
    refused(await poll(sim), "server_error", 500)


async def test_there_are_no_beats_while_the_store_cannot_be_read(line):
    async with following(line.installation.issuer) as listener:
        line.worker.store.available = False
        await asyncio.sleep(0.2)
        beats = listener.beats
        await asyncio.sleep(1.2)
        assert listener.beats == beats
        line.worker.store.available = True
        await eventually(lambda: listener.beats > beats)


async def test_of_one_resource_only_so_many_streams_are_open(line):
    url = line.installation.issuer
    [route] = [it for it in line.server.config.app.routes if it.path == "/revocations"]
    route.app.streams["http://127.0.0.1:8401"] = MOST_STREAMS - 1
    async with following(url) as first:
        assert first.status == 200
        async with following(url) as second:
            assert (second.status, second.beats) == (503, 0)
        assert (await poll(line)).status_code == 200
    await eventually(lambda: line.worker.pulse.listeners == 0, seconds=3)
    async with following(url) as third:
        assert third.status == 200


async def test_a_stream_ends_where_it_would_have_to_read_and_cannot(line):
    async with following(line.installation.issuer) as listener:
        feed = line.worker.pulse.feed
        feed.id, feed._from = "9-0123456789ab", 9  # as where thousands were revoked in a moment
        line.worker.store.available = False
        await eventually(lambda: listener.ended)
        assert listener.heard == []


async def test_streams_end_in_order_and_at_once_when_the_server_stops(line):
    async with following(line.installation.issuer) as listener:
        before = time.monotonic()
        line.server.should_exit = True
        await eventually(lambda: listener.ended)
        assert time.monotonic() - before < 2


async def test_streams_are_counted_as_long_as_they_are_open(line):
    async def streams():
        lines = (await line.get("/metrics")).text.splitlines()
        [found] = [it for it in lines if it.startswith("fleeting_revocation_streams ")]
        return float(found.split()[1])

    async with following(line.installation.issuer):
        assert await streams() == 1
        assert line.worker.metrics.in_flight == 0
    await eventually(lambda: line.worker.pulse.listeners == 0, seconds=3)
    assert await streams() == 0


async def test_another_worker_s_revocation_is_heard_within_a_second(tmp_path):
    with serve(tmp_path, workers=2) as served:
        async with served.parties() as parties:
            bot = parties.caller("legacy")
            listeners = [Listener(served.url) for _ in range(6)]  # any worker may answer
            tasks = [asyncio.create_task(each.run()) for each in listeners]
            await eventually(lambda: all(each.beats for each in listeners))
            for number in range(1, 4):
                token = await bot.token(scope="payments:read")
                await bot.revoke(token)
                before = time.monotonic()
                await eventually(lambda n=number: all(len(it.heard) == n for it in listeners))
                assert time.monotonic() - before < 1
            before = time.monotonic()
            served.terminate()
            served.process.wait(10)
            assert time.monotonic() - before < 5
            await asyncio.gather(*tasks)
            assert all(each.ended for each in listeners)
