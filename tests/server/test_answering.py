import pytest

from fleeting.core.errors import InvalidRequest
from fleeting.server.answering import send_answer
from fleeting.server.metrics import Metrics
from fleeting.server.rendering import render_error


class Echo:
    """An endpoint without a route: it keeps what it sends."""

    name = "/echo"

    def __init__(self):
        self.metrics = Metrics()
        self.sent = []

    def refuse(self, error, request_id):
        return render_error(error, request_id)

    async def send(self, message):
        assert self.metrics.in_flight == 0
        self.sent.append(message)

    async def answer(self, answering, **told):
        await send_answer(self, "r1", answering, self.send, **told)
        start, body = self.sent
        return start["status"], dict(start["headers"]), body["body"]


@pytest.fixture
def echo():
    return Echo()


async def body(text):
    return text


async def raising(error):
    raise error


async def test_a_body_is_sent_whole_with_the_id_of_its_request(echo):
    status, headers, sent = await echo.answer(body(b'"hello"'))
    assert (status, sent) == (200, b'"hello"')
    assert (headers[b"content-length"], headers[b"x-request-id"]) == (b"7", b"r1")
    assert b"dpop-nonce" not in headers


async def test_a_caller_reads_its_own_id_and_the_nonce_of_the_moment(echo):
    _, headers, _ = await echo.answer(body(b""), told_id="mine", nonce=lambda: "n1")
    assert (headers[b"x-request-id"], headers[b"dpop-nonce"]) == (b"mine", b"n1")


async def test_a_refusal_is_the_answer_in_the_words_of_the_endpoint(echo, log):
    status, _, sent = await echo.answer(raising(InvalidRequest("no", detail="ours")))
    assert (status, sent) == (400, render_error(InvalidRequest("no"), "r1")[1])
    assert [(line["event"], line.get("detail")) for line in log] == [
        ("refused", "ours"),
        ("answered", None),
    ]


async def test_a_bug_is_logged_and_its_caller_reads_nothing_of_it(echo, log):
    status, _, sent = await echo.answer(raising(ValueError("our secret")))
    assert status == 500
    assert b"server_error" in sent
    assert b"secret" not in sent
    assert [line["event"] for line in log] == ["bug", "answered"]


async def test_whoever_ends_the_request_ends_its_count(echo):
    with pytest.raises(KeyboardInterrupt):
        await echo.answer(raising(KeyboardInterrupt()))
    assert echo.metrics.in_flight == 0
    assert echo.sent == []
