"""Bodies: read whole or not at all, in time, and played again as they were checked."""

import asyncio

import pytest

from fleeting.core.errors import InvalidRequest, RequestTooLarge
from fleeting.resource import BodyLimits
from fleeting.resource.bodies import CallerLeftError, read_body, replayed


def channel(*messages):
    waiting = list(messages)

    async def receive():
        if not waiting:
            await asyncio.Event().wait()  # as a server does until the caller leaves
        return waiting.pop(0)

    return receive


def part(body, *, more=False):
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_in_parts_is_one():
    receive = channel(part(b"a", more=True), part(b"b", more=True), part(b""))
    assert await read_body(receive, BodyLimits()) == b"ab"


async def test_a_body_that_never_ends_is_given_up_in_time():
    receive = channel(part(b"a", more=True))
    with pytest.raises(InvalidRequest, match="in time"):
        await read_body(receive, BodyLimits(seconds=0.01))


async def test_a_body_is_given_up_at_the_first_byte_too_many():
    receive = channel(part(b"abc", more=True))
    with pytest.raises(RequestTooLarge):
        await read_body(receive, BodyLimits(max_bytes=2))


async def test_a_caller_that_left_is_told_apart():
    receive = channel(part(b"a", more=True), {"type": "http.disconnect"})
    with pytest.raises(CallerLeftError):
        await read_body(receive, BodyLimits())


async def test_what_was_checked_is_played_once_and_then_the_rest():
    receive = replayed(b"checked", channel({"type": "http.disconnect"}))
    assert await receive() == part(b"checked")
    assert await receive() == {"type": "http.disconnect"}


async def test_what_was_not_read_is_left_where_it_is():
    receive = channel(part(b"a"))
    assert replayed(None, receive) is receive
