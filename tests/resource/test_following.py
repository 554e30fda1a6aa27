"""A guard follows revocations: streamed, polled, cut off, out of contact."""

import asyncio
import time
from datetime import timedelta

import pytest

from fleeting.core.operations import parse_operation
from fleeting.resource import Following, GuardMiddleware, WhenLost, operation, protect, scope
from fleeting.resource import following as module
from fleeting.resource.declarations import read_types
from tests.resource.stand_in import TYPES, new_key, private_jwk
from tests.simulator import eventually

READ = "/payments/42"
SENSITIVE = {"payout": {"description": "Pay out", "actions": ["send"], "sensitive": True}}
PAYOUT = {"type": "payout", "actions": ["send"]}
STREAM = "text/event-stream"
POLL = "application/json"
AT_ONCE = timedelta(seconds=0.3)


async def served(scope_, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Shorten what the guard waits for; the proportions stay."""
    monkeypatch.setattr(module, "_FIRST_BEAT_SECONDS", 0.3)
    monkeypatch.setattr(module, "_SILENCE_SECONDS", 0.3)
    monkeypatch.setattr(module, "_POLL_SECONDS", 0.05)


@pytest.fixture
def call(issuer, caller, client_of):
    async def call(guard, token, path=READ):
        rules = [protect("GET", "/payments/{payment_id}", scope("payments:read"))]
        if "payout" in guard.types:
            rules.append(protect("GET", "/payout", operation("payout")))
        client = client_of(GuardMiddleware(served, guard, rules))
        return await client.get(path, headers=caller.headers(guard, "GET", path, token))

    return call


@pytest.fixture
def token(issuer, caller):
    def token(**changes):
        return issuer.token("payments:read", key=caller.bound, **changes)

    return token


def ended(**named):
    return {"until": int(time.time()) + 300, **named}


def streams(issuer):
    return [last for accept, last in issuer.followers if accept == STREAM]


async def until_refused(call, guard, token):
    for _ in range(300):
        response = await call(guard, token)
        if response.status_code != 200:
            return response
        await asyncio.sleep(0.01)
    raise AssertionError("it was never refused")


async def until_served(call, guard, payout):
    for _ in range(100):
        if (await call(guard, payout(), "/payout")).status_code == 200:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it was never served again")


@pytest.mark.parametrize("party", [{"client_id": "support-bot"}, {"sub": "support-bot"}, {}])
async def test_a_revoked_token_is_refused_within_a_second_and_reported(
    guard, issuer, call, token, party
):
    text = token(jti="t1")
    assert (await call(guard, text)).status_code == 200
    now = int(time.time()) + 1
    issuer.ended.append(ended(**party, issued_until=now) if party else ended(jti="t1"))
    before = time.monotonic()
    response = await until_refused(call, guard, text)
    assert time.monotonic() - before < 1
    assert (response.status_code, response.json()["error"]) == (401, "invalid_token")
    assert response.json()["error_description"] == "the access token was revoked"
    await guard.aclose()
    assert (issuer.reports[0]["outcome"], issuer.reports[0]["token"]) == ("refused", text)
    assert issuer.reports[0]["reason"] == "the access token was revoked"


async def test_what_was_revoked_before_the_start_is_known_to_the_first_call(
    guard, issuer, call, token
):
    issuer.ended += [ended(jti=f"t{number}") for number in range(7)]  # more than one page
    assert (await call(guard, token(jti="t6"))).status_code == 401
    assert (await call(guard, token(jti="t7"))).status_code == 200


async def test_it_starts_with_the_application_where_that_has_a_lifespan(guard, issuer):
    async with guard:
        assert issuer.followers[0] == (POLL, "")
        await eventually(lambda: streams(issuer))
    count = len(issuer.followers)
    issuer.cuts += 1
    await asyncio.sleep(0.3)
    assert len(issuer.followers) == count  # it ended with it


async def test_no_token_that_is_spent_at_the_issuer_begins_it(guard, issuer, call, caller):
    text = issuer.token("payments:read", key=caller.bound, uses=1)
    assert (await call(guard, text)).status_code == 200
    assert issuer.followers == []


async def test_who_opts_out_hears_nothing(make_guard, issuer, call, token):
    guard = make_guard(revocations=None)
    issuer.ended.append(ended(jti="t1"))
    async with guard:
        assert (await call(guard, token(jti="t1"))).status_code == 200
    assert issuer.followers == []


async def test_a_stream_that_is_cut_is_taken_up_where_it_broke_off(guard, issuer, call, token):
    issuer.ended.append(ended(jti="t0"))
    async with guard:
        await eventually(lambda: streams(issuer) == ["1"])
        issuer.ended.append(ended(jti="t1"))
        await until_refused(call, guard, token(jti="t1"))
        issuer.cuts += 1
        issuer.ended.append(ended(jti="t2"))
        await until_refused(call, guard, token(jti="t2"))
        assert streams(issuer) == ["1", "2"]


@pytest.mark.parametrize("follows", ["is busy", "answers", "holds back"])
async def test_where_nothing_can_be_pushed_it_polls(guard, issuer, call, token, follows):
    issuer.follows = follows
    async with guard:
        await eventually(lambda: streams(issuer))
        issuer.ended.append(ended(jti="t1"))
        assert (await until_refused(call, guard, token(jti="t1"))).status_code == 401
        polls = [last for accept, last in issuer.followers if accept == POLL]
        assert len(polls) > 1
        assert len(streams(issuer)) == 1


async def test_a_stream_that_falls_silent_is_left(guard, issuer):
    async with guard:
        await eventually(lambda: len(streams(issuer)) == 1)
        await asyncio.sleep(0.1)
        issuer.beats = False
        await eventually(lambda: len(streams(issuer)) > 1)


@pytest.fixture
def payout(issuer, caller):
    def payout():
        operations = (parse_operation(PAYOUT, read_types(SENSITIVE)),)
        return issuer.token(key=caller.bound, operations=operations)

    return payout


@pytest.mark.parametrize(
    ("when_lost", "answers"),
    [
        (WhenLost.SENSITIVE, (200, 503)),
        (WhenLost.EVERYTHING, (503, 503)),
        (WhenLost.NOTHING, (200, 200)),
    ],
)
async def test_out_of_contact_what_was_chosen_is_refused_until_it_is_back(
    make_guard, issuer, call, token, payout, when_lost, answers
):
    read, pay_out = answers
    following = Following(contact_lost_after=AT_ONCE, when_lost=when_lost)
    guard = make_guard(types={**TYPES, **SENSITIVE}, revocations=following)
    async with guard:
        assert (await call(guard, token())).status_code == 200
        assert (await call(guard, payout(), "/payout")).status_code == 200
        issuer.down = True
        await asyncio.sleep(0.8)
        response = await call(guard, payout(), "/payout")
        assert response.status_code == pay_out
        if pay_out == 503:
            assert response.json()["error"] == "temporarily_unavailable"
        assert (await call(guard, token())).status_code == read
        issuer.down = False
        await until_served(call, guard, payout)


async def test_a_guard_that_never_had_contact_refuses_what_is_sensitive_and_does_not_hang(
    make_guard, issuer, call, token, payout
):
    issuer.follows = "refuses"
    guard = make_guard(types={**TYPES, **SENSITIVE})
    assert (await call(guard, payout(), "/payout")).status_code == 503
    assert (await call(guard, token())).status_code == 200


async def test_an_issuer_that_hangs_holds_up_the_first_call_only_and_for_a_moment(
    make_guard, issuer, call, token, monkeypatch
):
    monkeypatch.setattr(module, "_FIRST_CONTACT_SECONDS", 0.2)
    guard = make_guard()
    await guard._keys.current()

    async def hang(*_):
        await asyncio.sleep(60)

    monkeypatch.setattr(guard._issuer, "get", hang)
    took = []
    for _ in range(2):
        before = time.monotonic()
        assert (await call(guard, token())).status_code == 200
        took.append(time.monotonic() - before)
    assert took[0] < 1
    assert took[1] < 0.15


@pytest.mark.parametrize("told", [{"revoked": "all"}, {"request": "r1", "until": 1}, 7])
async def test_an_answer_that_it_cannot_read_is_no_contact(make_guard, issuer, call, payout, told):
    issuer.ended.append(told)
    guard = make_guard(types={**TYPES, **SENSITIVE})
    assert (await call(guard, payout(), "/payout")).status_code == 503
    issuer.ended.clear()
    await until_served(call, guard, payout)


async def test_an_answer_that_says_nothing_is_no_contact(make_guard, issuer, call, payout):
    issuer.follows = "is odd"
    guard = make_guard(types={**TYPES, **SENSITIVE})
    assert (await call(guard, payout(), "/payout")).status_code == 503


async def test_a_stream_that_ends_before_it_began_is_not_asked_for_in_a_loop(guard, issuer):
    issuer.follows = "ends"
    async with guard:
        await asyncio.sleep(1)
        assert 1 <= len(streams(issuer)) <= 6


async def test_more_than_it_can_remember_counts_as_lost(make_guard, issuer, call, token, payout):
    issuer.ended += [ended(jti=f"t{number}") for number in range(4)]
    guard = make_guard(types={**TYPES, **SENSITIVE}, revocations=Following(remembered=3))
    assert (await call(guard, payout(), "/payout")).status_code == 503
    assert (await call(guard, token(jti="t2"))).status_code == 401  # it keeps what it has


async def test_what_has_expired_leaves_room_for_what_is_new(make_guard, issuer, call, payout):
    long_ago = int(time.time()) - 300
    issuer.ended += [{"jti": f"t{number}", "until": long_ago} for number in range(5)]
    guard = make_guard(types={**TYPES, **SENSITIVE}, revocations=Following(remembered=3))
    assert (await call(guard, payout(), "/payout")).status_code == 200


async def test_troubles_are_told_once_and_so_is_their_end(guard, issuer, caplog):
    caplog.set_level("INFO", "fleeting.resource")
    async with guard:
        await eventually(lambda: streams(issuer))
        await asyncio.sleep(0.05)
        issuer.down = True
        await asyncio.sleep(1)
        issuer.down = False
        await eventually(lambda: "revocations are followed again" in caplog.text)
    told = [line.message for line in caplog.records if "not followed" in line.message]
    assert len(told) == len(set(told)) <= 2


async def test_a_guard_with_a_key_signs_a_new_assertion_for_each_connection(
    make_guard, issuer, call, token
):
    guard = make_guard(key=private_jwk(new_key()))
    assert (await call(guard, token())).status_code == 200
    await eventually(lambda: streams(issuer))
    schemes = {scheme for scheme, _, _ in (each.partition(" ") for each in issuer.authorizations)}
    assert schemes == {"Bearer"}
    assert len({*issuer.authorizations}) == len(issuer.authorizations) >= 2
