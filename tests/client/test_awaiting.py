"""The client waits as the issuer says, gives up when it should, and goes on from there."""

import asyncio
import threading
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from fleeting.client import (
    AccessDeniedError,
    ApprovalPending,
    AsyncTokenClient,
    IssuerUnavailableError,
    JustInTime,
    Pending,
    RequestRefusedError,
    TokenClient,
    UnexpectedAnswerError,
)
from fleeting.server.world import SystemClock
from tests.client.conftest import KEY
from tests.client.standins import json_answer, private_jwk
from tests.people import office
from tests.simulator import REFUND, start

LARGE = {**REFUND, "amount": 50_000}
WAITS = {
    "error": "authorization_pending",
    "access_request_id": "r-1",
    "interval": 0,
    "expires_in": 60,
    "authorization_uri": "http://127.0.0.1/requests/r-1",
}
TOKEN = {"access_token": "t", "token_type": "DPoP", "expires_in": 9}


def answers(issuer, *bodies, path="/token"):
    """Let the issuer give these answers, one after the other."""
    left = list(bodies)
    issuer.require_nonce = False

    def answer(_):
        body = left.pop(0)
        if isinstance(body, int):
            return json_answer({}, status=body)
        return json_answer(body, status=400 if "error" in body else 200)

    issuer.instead[path] = answer
    return left


def test_it_polls_until_people_have_decided_and_tells_who_asks(issuer, tokens):
    answers(issuer, WAITS, WAITS, WAITS, TOKEN)
    told = []
    token = tokens.obtain(scope="a", context={"ticket": "INC-7"}, on_pending=told.append)
    assert token.value == "t"
    assert [each.id for each in told] == ["r-1"] * 3
    assert told[0].authorization_uri == "http://127.0.0.1/requests/r-1"
    asked, *polls = issuer.at("/token")
    assert "access_request_id" not in asked.form
    for poll in polls:
        assert poll.form["access_request_id"] == "r-1"
        assert poll.form["request_context"] == '{"ticket": "INC-7"}'
        assert poll.headers["prefer"].startswith("wait=")
    assert len({poll.headers["dpop"] for poll in polls}) == 3


def test_it_waits_longer_where_it_is_told_to_slow_down(issuer, tokens):
    answers(issuer, WAITS, {**WAITS, "error": "slow_down", "interval": 0}, TOKEN)
    told = []
    with pytest.raises(ApprovalPending):
        tokens.obtain(scope="a", on_pending=told.append, wait=0.2)
    assert told[-1].interval == timedelta(seconds=5)


def test_it_rests_as_long_as_it_is_told_to(issuer, tokens):
    answers(issuer, WAITS, {**WAITS, "interval": 0.3}, TOKEN)
    began = time.monotonic()
    tokens.obtain(scope="a")
    assert time.monotonic() - began >= 0.3


def test_without_patience_what_waits_is_raised_with_all_that_resuming_needs(issuer, tokens):
    left = answers(issuer, WAITS, TOKEN)
    with pytest.raises(ApprovalPending, match="requests/r-1") as caught:
        tokens.obtain(scope="a", subject_token="eyJ-alice", wait=0)
    assert left == [TOKEN]
    text = caught.value.pending.to_json()
    assert "eyJ-alice" not in text
    elsewhere = TokenClient(issuer.url, "support-bot", private_jwk(KEY))
    pending = Pending.from_json(text)
    assert pending == caught.value.pending
    with pytest.raises(ValueError, match="subject_token"):
        elsewhere.resume(pending)
    assert elsewhere.resume(pending, subject_token="eyJ-alice-again").value == "t"
    form = issuer.at("/token")[-1].form
    assert form["subject_token"] == "eyJ-alice-again"
    assert (form["access_request_id"], form["scope"]) == ("r-1", "a")


@pytest.mark.parametrize(
    ("error", "expected"),
    [("access_denied", AccessDeniedError), ("expired_token", RequestRefusedError)],
)
def test_the_end_of_waiting_is_an_exception_that_says_which(issuer, tokens, error, expected):
    answers(issuer, WAITS, {"error": error, "error_description": "not this one"})
    with pytest.raises(expected, match="not this one"):
        tokens.obtain(scope="a")


def test_trouble_of_the_issuer_does_not_end_the_waiting(issuer, tokens, monkeypatch):
    monkeypatch.setattr("fleeting.client.awaiting._AFTER_TROUBLE", timedelta(milliseconds=10))
    answers(issuer, WAITS, 503, TOKEN)
    assert tokens.obtain(scope="a").value == "t"
    answers(issuer, WAITS, 503, 503, 503)
    monkeypatch.setattr("fleeting.client.awaiting._AFTER_TROUBLE", timedelta(hours=1))
    with pytest.raises(IssuerUnavailableError):
        tokens.obtain(scope="a")


def test_a_challenge_waits_in_the_words_of_its_draft(issuer):
    told = []
    jit = JustInTime(issuer.url, "support-bot", private_jwk(KEY), on_pending=told.append)
    assert "JustInTime" in repr(jit)
    with pytest.raises(ValueError, match="from now on"):
        JustInTime(issuer.url, "support-bot", private_jwk(KEY), wait=-1)


@pytest.mark.parametrize(
    "members",
    [
        {"access_request_id": 3},
        {"access_request_id": "x" * 201},
        {"interval": "5"},
        {"expires_in": -1},
        {"expires_in": True},
    ],
)
def test_a_malformed_answer_is_no_waiting(issuer, tokens, members):
    answers(issuer, WAITS | members)
    with pytest.raises(UnexpectedAnswerError):
        tokens.obtain(scope="a")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"id": "x"}'])
def test_what_is_no_pending_request_is_not_resumed(text):
    with pytest.raises(ValueError, match="no pending"):
        Pending.from_json(text)


def test_a_pending_request_of_nobody_s_endpoint_is_not_resumed():
    pending = Pending("r-1", datetime.now(UTC))
    text = pending.to_json().replace("token_endpoint", "elsewhere")
    with pytest.raises(ValueError, match="no pending"):
        Pending.from_json(text)


# With a real server, and people.


@pytest.fixture
def sibling(served):
    """Return what runs a coroutine with the people of the served installation."""

    def run(deed):
        async def go():
            async with AsyncExitStack() as stack:
                sim = await start(served.installation, stack, SystemClock())
                return await deed(await office(sim))

        return asyncio.run(go())

    return run


def client_of(served, kind=TokenClient, **more):
    key = served.installation.keys["support-bot"].key.as_dict(private=True)
    return kind(served.url, "support-bot", key, **more)


def test_a_last_vote_in_another_process_brings_the_token_at_once(served, sibling):
    tokens = client_of(served)
    told = []
    waits = threading.Event()
    voted_at = []

    def on_pending(pending):
        told.append(pending)
        waits.set()

    def vote():
        waits.wait(10)

        async def approve(people):
            await asyncio.sleep(0.5)
            await people.approve(told[0].id, "lena")
            await asyncio.sleep(0.3)
            await people.approve(told[0].id, "luis")
            voted_at.append(time.monotonic())

        sibling(approve)

    thread = threading.Thread(target=vote)
    thread.start()
    token = tokens.obtain(authorization_details=[LARGE], on_pending=on_pending, wait=8)
    got_at = time.monotonic()
    thread.join()
    assert token.uses == 1
    assert got_at - voted_at[0] < 1
    assert told[0].authorization_uri == f"{served.url}/requests/{told[0].id}"
    assert tokens.status(told[0].id)["status"] == "granted"
    assert tokens.give_back(told[0].id)["status"] == "returned"
    answer = httpx.post(
        f"{served.url}/spend",
        data={"token": token.value, "use_id": "u-1", "operation": "{}"},
        trust_env=False,
    )
    assert answer.status_code in (400, 401)


async def test_tasks_wait_too_and_take_back_what_waits(served):
    tokens = client_of(served, AsyncTokenClient)
    with pytest.raises(ApprovalPending) as caught:
        await tokens.obtain(authorization_details=[LARGE], wait=0.1)
    pending = caught.value.pending
    assert (await tokens.status(pending.id))["status"] == "pending"
    waiting = asyncio.create_task(tokens.resume(pending, wait=timedelta(seconds=20)))
    await asyncio.sleep(0.3)
    assert (await tokens.cancel(pending.id))["status"] == "cancelled"
    with pytest.raises(AccessDeniedError, match="taken back"):
        await waiting


def test_an_answer_that_does_not_say_how_to_go_on_is_raised_at_once(issuer, tokens):
    issuer.instead["/token"] = lambda _: issuer.refuse("authorization_pending", "because")
    with pytest.raises(ApprovalPending) as caught:
        tokens.obtain(scope="a")
    assert caught.value.pending is None
