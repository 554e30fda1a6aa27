import asyncio
import json
import os
import signal
import socket
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest

from fleeting.server.metrics import MULTIPROCESS_VARIABLE
from fleeting.server.serving import _prepare_workers, _shared_metrics
from fleeting.server.settings import SettingsError
from tests.simulator import (
    ISSUER,
    REFUND,
    Installation,
    claims_of,
    eventually,
    granted,
    refused,
    serve,
)


def test_a_store_of_one_process_cannot_have_several(tmp_path):
    installation = Installation(tmp_path, settings="workers = 2").write()
    with pytest.raises(SettingsError, match="memory:// is one process's own"):
        _prepare_workers(installation.config, installation.load())


def test_the_metrics_that_workers_share_are_gone_with_them(monkeypatch):
    monkeypatch.delenv(MULTIPROCESS_VARIABLE, raising=False)
    with _shared_metrics():
        directory = Path(os.environ[MULTIPROCESS_VARIABLE])
        assert directory.is_dir()
    assert not directory.exists()
    assert MULTIPROCESS_VARIABLE not in os.environ


def test_a_place_for_metrics_that_was_given_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv(MULTIPROCESS_VARIABLE, str(tmp_path))
    with _shared_metrics():
        assert os.environ[MULTIPROCESS_VARIABLE] == str(tmp_path)
    assert tmp_path.is_dir()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """Two workers on one SQLite file."""
    with serve(tmp_path_factory.mktemp("served"), workers=2) as served:
        yield served


def database(served):
    return sqlite3.connect(served.installation.directory / "fleeting.db")


def lines(served):
    return [json.loads(line) for line in served.log.read_text().splitlines()]


async def test_workers_share_everything_that_makes_one_server(running):
    async with running.parties() as parties:
        bot, guard = parties.caller(), parties.guard
        nonces = set()
        for _ in range(12):
            async with httpx.AsyncClient(trust_env=False) as fresh:  # any worker may answer
                bot.http = guard.http = fresh
                token = await bot.token(REFUND)
                nonces.add(bot.nonce)
                spent = await guard.spend(token)
                assert spent.json() == {"active": True, "use": 1, "uses": 1}
        assert len(nonces) <= 2
    assert [line["event"] for line in lines(running)].count("started") == 2


async def test_racing_across_workers_gives_one_use(running):
    async with running.parties() as parties:
        bot, guard = parties.caller(), parties.guard
        for _ in range(3):
            token = await bot.token(REFUND)
            answers = await asyncio.gather(*(guard.spend(token) for _ in range(30)))
            assert sum(answer.json()["active"] for answer in answers) == 1


async def test_metrics_add_up_all_workers(running):
    async with running.parties() as parties:
        await parties.caller().token(REFUND)
        text = (await parties.http.get(f"{running.url}/metrics")).text
        tokens = [line for line in text.splitlines() if 'endpoint="/token",outcome="ok"' in line]
        counted = float(tokens[0].rpartition(" ")[2])
    with closing(database(running)) as rows:
        counting = rows.execute("select count(*) from ledger where kind = 'token.issued'")
        (issued,) = counting.fetchone()
    assert counted == issued


def raw(served, data):
    """Send *data* as it is, and return what comes back until the server closes."""
    port = int(served.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
        connection.sendall(data)
        received = b""
        with suppress(TimeoutError, ConnectionError):
            while chunk := connection.recv(65536):
                received += chunk
        return received


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"NONSENSE\r\n\r\n",
        b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"POST /token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused(running, data):
    received = raw(running, data)
    assert not received or received.startswith(b"HTTP/1.1 4")


async def test_no_line_of_the_log_holds_a_token(running):
    async with running.parties() as parties:
        token = await parties.caller().token(REFUND)
        await parties.guard.spend(token)
        response = await parties.caller("legacy", secret="wrong-secret").ask(scope="payments:read")
        refused(response, "invalid_client", 401)
    text = running.log.read_text()
    assert token.split(".")[2] not in text
    assert "wrong-secret" not in text
    assert all(isinstance(line, dict) for line in lines(running))


async def test_one_worker_alone_stops_in_order_too(served):
    async with served.parties() as parties:
        token = await parties.caller().token(REFUND)
        served.terminate()
        code = await asyncio.to_thread(served.process.wait, 15)
    assert code in (0, -signal.SIGTERM)  # uvicorn passes the signal on once all is done
    with closing(database(served)) as rows:
        last = [kind for (kind,) in rows.execute("select kind from ledger order by sequence")]
    assert last[-2:] == ["server.stopped", "checkpoint"]
    assert claims_of(token)["iss"] == served.url != ISSUER


async def test_who_waits_for_people_is_sent_away_when_it_stops(served):
    large = {**REFUND, "amount": 50_000}
    async with served.parties() as parties:
        bot = parties.caller()
        asked = (await bot.ask(large)).json()
        form = {
            "grant_type": "client_credentials",
            "authorization_details": [large],
            "access_request_id": asked["access_request_id"],
        }
        held = asyncio.create_task(bot.post("/token", form, headers=[("Prefer", "wait=20")]))
        await asyncio.sleep(0.5)
        assert not held.done()
        started = time.monotonic()
        served.terminate()
        assert (await held).json()["error"] == "authorization_pending"
        await asyncio.to_thread(served.process.wait, 15)
    assert time.monotonic() - started < 8


async def test_told_to_stop_under_load_it_records_all_it_answered_and_exits_in_time(running):
    """The last of this file: it stops the server of the others."""
    answered = []

    async def load(parties):
        bot = parties.caller()
        with suppress(httpx.TransportError):
            while True:
                response = await bot.ask(REFUND)
                answered.append(granted(response)["jti"])

    async with running.parties() as parties:
        loads = [asyncio.create_task(load(parties)) for _ in range(16)]
        await eventually(lambda: len(answered) > 100, seconds=20)
        started = time.monotonic()
        running.terminate()
        code = await asyncio.to_thread(running.process.wait, 15)
        took = time.monotonic() - started
        await asyncio.wait(loads, timeout=10)
    assert code == 0, running.log.read_text()[-2000:]
    assert took < 12
    assert all(each.done() for each in loads)
    assert [each.exception() for each in loads] == [None] * 16
    with closing(database(running)) as rows:
        recorded = {jti for (jti,) in rows.execute("select jti from ledger where jti is not null")}
        tokens = {jti for (jti,) in rows.execute("select jti from tokens")}
        stopped = rows.execute("select count(*) from ledger where kind = 'server.stopped'")
        assert stopped.fetchone() == (2,)
    assert set(answered) <= recorded & tokens
