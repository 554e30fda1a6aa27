"""What people send, read strictly."""

from datetime import UTC, datetime

import pytest
from starlette.requests import Request

from fleeting.core.errors import InvalidRequest, RequestTooLarge
from fleeting.server.console.bodies import MAX_BODY_BYTES, Members, read_form, read_object

FORM, JSON = "application/x-www-form-urlencoded", "application/json"


def posted(body: bytes, *media_types: str) -> Request:
    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", each.encode()) for each in media_types]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


async def test_a_form_is_read_with_empty_fields_and_plain_line_ends():
    form = await read_form(posted(b"a=1&b=&c=x%0D%0Ay+z", f"{FORM}; charset=utf-8"))
    assert form == {"a": "1", "b": "", "c": "x\ny z"}


async def test_an_empty_form_has_no_fields():
    assert await read_form(posted(b"", FORM)) == {}


@pytest.mark.parametrize(
    ("body", "media_types"),
    [
        (b"a=1&a=2", [FORM]),
        (b"a", [FORM]),
        (b"a=%ff", [FORM]),
        (b"a=\xc3\xa9", [FORM]),
        (b"&".join(b"f%d=" % n for n in range(1001)), [FORM]),
        (b"a=1", [JSON]),
        (b"a=1", ["text/plain"]),
        (b"a=1", []),
        (b"a=1", [FORM, FORM]),
    ],
)
async def test_what_is_no_plain_form_is_refused(body, media_types):
    with pytest.raises(InvalidRequest):
        await read_form(posted(body, *media_types))


@pytest.mark.parametrize(
    ("body", "media_types"),
    [
        (b'{"a": 1, "a": 2}', [JSON]),
        (b"[]", [JSON]),
        (b"{", [JSON]),
        (b'{"a": NaN}', [JSON]),
        (b"{}", [FORM]),
        (b"{}", ["text/plain"]),
        (b"{}", []),
    ],
)
async def test_what_is_no_plain_json_object_is_refused(body, media_types):
    with pytest.raises(InvalidRequest):
        await read_object(posted(body, *media_types))


async def test_a_json_object_is_read():
    assert await read_object(posted(b'{"reason": "no"}', JSON)) == {"reason": "no"}


@pytest.mark.parametrize("read", [read_form, read_object])
async def test_a_body_is_bounded(read):
    media_type = FORM if read is read_form else JSON
    with pytest.raises(RequestTooLarge):
        await read(posted(b"a" * (MAX_BODY_BYTES + 1), media_type))


def test_a_member_that_means_nothing_is_refused_by_name():
    with pytest.raises(InvalidRequest, match="unknown member 'resaon'; known are reason"):
        Members({"resaon": "x"}).allow_only(("reason",))
    with pytest.raises(InvalidRequest, match="it takes none"):
        Members({"x": "x"}).allow_only(())


def test_a_text_is_trimmed_and_needed_unless_there_is_a_default():
    assert Members({"reason": "  too much \n"}).text("reason") == "too much"
    assert Members({}).text("comment", "") == ""
    for values in ({}, {"reason": "   "}, {"reason": None}):
        with pytest.raises(InvalidRequest, match="'reason' is missing"):
            Members(values).text("reason")


@pytest.mark.parametrize("value", [7, True, ["x"], {}, "x" * 2001])
def test_a_text_that_is_none_or_endless_is_refused(value):
    with pytest.raises(InvalidRequest):
        Members({"reason": value}).text("reason")


def test_an_instant_is_in_utc_where_it_does_not_say():
    at = Members({"until": "2026-01-02T12:00"}).instant("until")
    assert at == datetime(2026, 1, 2, 12, tzinfo=UTC)
    with pytest.raises(InvalidRequest, match="such as 2026"):
        Members({"until": "tomorrow"}).instant("until")
