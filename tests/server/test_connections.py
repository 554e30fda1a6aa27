import asyncio
from contextlib import asynccontextmanager

import pytest
import uvicorn
from uvicorn.server import ServerState

from fleeting.server import connections
from fleeting.server.connections import MAX_HEAD_BYTES, BoundedProtocol


async def app(scope, receive, send):
    """Answer every request with the size of its body."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(len(body)).encode()})


@asynccontextmanager
async def connected(app=app):
    """A connection to a server that bounds heads."""
    config = uvicorn.Config(app, log_config=None, ws="none", lifespan="off")
    config.load()
    loop, state = asyncio.get_running_loop(), ServerState()

    def protocol():
        return BoundedProtocol(config=config, server_state=state, app_state={})

    server = await loop.create_server(protocol, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        yield reader, writer
        writer.close()


async def answer(reader):
    async with asyncio.timeout(5):
        return await reader.readuntil(b"\r\n\r\n")


async def test_an_honest_request_is_answered_and_the_next_one_too(monkeypatch):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.5)
    async with connected() as (reader, writer):
        for _ in range(3):
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
            assert (await answer(reader)).startswith(b"HTTP/1.1 200")
            await reader.readuntil(b"0\r\n\r\n")


async def test_a_body_does_not_count_as_head():
    size = MAX_HEAD_BYTES * 4
    async with connected() as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        writer.write(b"a" * size)
        assert (await answer(reader)).startswith(b"HTTP/1.1 200")


async def test_a_head_that_never_ends_is_cut_off():
    async with connected() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n")
        writer.write(b"X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * (MAX_HEAD_BYTES // 40))
        assert (await answer(reader)).startswith(b"HTTP/1.1 400")


async def test_who_sends_nothing_is_cut_off(monkeypatch):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.05)
    async with connected() as (reader, _writer):
        assert (await answer(reader)).startswith(b"HTTP/1.1 400")


async def test_who_sends_the_next_head_slowly_is_cut_off(monkeypatch):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.1)
    async with connected() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await answer(reader)).startswith(b"HTTP/1.1 200")
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(b"GET / HT")
        assert (await answer(reader)).startswith(b"HTTP/1.1 400")


async def test_who_goes_away_is_forgotten(monkeypatch):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.05)
    async with connected() as (_reader, writer):
        writer.write(b"GET / HT")
        writer.close()
        await asyncio.sleep(0.1)


async def test_a_body_that_trickles_is_given_up(monkeypatch):
    """Each byte in time is not enough: the whole request has its time."""
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.1)
    async with connected() as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        started = asyncio.get_running_loop().time()
        answering = asyncio.create_task(answer(reader))
        while not answering.done():
            writer.write(b"a")
            await asyncio.sleep(0.02)
        assert (await answering).startswith(b"HTTP/1.1 400")
        assert asyncio.get_running_loop().time() - started < 2


async def early(_scope, _receive, send):
    """Answer before the body is there."""
    await send({"type": "http.response.start", "status": 415, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def stuck(_scope, receive, _send):
    """Never answer."""
    await receive()
    await asyncio.Event().wait()


async def test_who_was_answered_already_gets_no_second_answer(monkeypatch):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.1)
    async with connected(early) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\na")
        assert (await reader.read()).count(b"HTTP/1.1") == 1


async def test_no_answer_overtakes_the_one_before_it(monkeypatch):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.1)
    async with connected(stuck) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(0.02)
        writer.write(b"GET / HT")
        assert await reader.read() == b""


@pytest.mark.parametrize(
    "start",
    [
        b"GET / HT",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\na",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
    ],
)
async def test_a_beginning_in_one_piece_with_a_whole_request_is_not_waited_for(monkeypatch, start):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.1)
    async with connected() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + start)
        async with asyncio.timeout(5):
            assert (await reader.read()).count(b"HTTP/1.1 200") == 1


async def test_who_never_reads_the_answers_is_cut_off(monkeypatch):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.1)
    gone = asyncio.Event()
    monkeypatch.setattr(BoundedProtocol, "connection_lost", _telling(gone))
    async with connected(endless) as (_reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(gone.wait(), 5)


async def endless(_scope, receive, send):
    """Answer with more than any buffer holds, to whoever is still there."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(200):
        await send({"type": "http.response.body", "body": b"a" * 100_000, "more_body": True})


def _telling(gone):
    before = BoundedProtocol.connection_lost

    def connection_lost(self, exc):
        before(self, exc)
        gone.set()

    return connection_lost
