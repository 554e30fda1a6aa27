"""The issuer's keys: rotation, withdrawal, an issuer that is down, strangers that hammer."""

import asyncio
from datetime import timedelta

import pytest

from fleeting.core.errors import TemporarilyUnavailable
from fleeting.resource import Freshness, GuardMiddleware, protect, scope
from fleeting.resource.issuer import Issuer, SecretCredentials
from fleeting.resource.issuer_keys import IssuerKeys
from tests.resource.stand_in import new_key

READ = "/payments/42"
NOW = timedelta(0)
LATER = timedelta(hours=1)


async def served(scope_, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})


@pytest.fixture
def status(issuer, caller, client_of):
    async def call(guard, **changes):
        token = changes.pop("token", None)
        token = token or issuer.token("payments:read", key=caller.bound, **changes)
        rules = [protect("GET", "/payments/{payment_id}", scope("payments:read"))]
        client = client_of(GuardMiddleware(served, guard, rules))
        headers = caller.headers(guard, "GET", READ, token)
        return (await client.get(READ, headers=headers)).status_code

    return call


@pytest.fixture
async def make_keys(issuer):
    made = []

    def make(freshness=None):
        line = Issuer(issuer.url, SecretCredentials("payments-api", "x"))
        made.append((IssuerKeys(line, freshness), line))
        return made[-1][0]

    yield make
    for keys, line in made:
        await keys.aclose()
        await line.aclose()


async def test_keys_are_asked_for_once(guard, issuer, status):
    for _ in range(3):
        assert await status(guard) == 200
    assert issuer.jwks_asked == 1


async def test_a_rotated_key_is_learned_from_its_first_token(make_guard, issuer, status):
    guard = make_guard(freshness=Freshness(at_most_every=NOW))
    assert await status(guard) == 200
    old = issuer.key
    issuer.key = new_key()
    issuer.published = [old, issuer.key]
    assert await status(guard) == 200
    assert await status(guard, signer=old) == 200


async def test_a_withdrawn_key_is_dropped_with_the_tokens_it_signed(
    make_guard, issuer, caller, status
):
    guard = make_guard(freshness=Freshness(at_most_every=NOW))
    token = issuer.token("payments:read", key=caller.bound)
    assert await status(guard, token=token) == 200
    issuer.key = new_key()
    issuer.published = [issuer.key]
    assert await status(guard) == 200  # this one's key is new: the keys are asked for again
    assert await status(guard, token=token) == 401


async def test_unknown_keys_are_asked_for_at_a_bounded_pace(make_guard, issuer, status):
    guard = make_guard(freshness=Freshness(at_most_every=LATER))
    for _ in range(5):
        assert await status(guard, signer=new_key()) == 401
    assert issuer.jwks_asked == 2  # the first keys, and one look for newer ones
    assert await status(guard) == 200


async def test_one_rotation_right_after_another_is_learned_at_once(make_guard, issuer, status):
    guard = make_guard(freshness=Freshness(at_most_every=LATER))
    for _ in range(4):
        assert await status(guard) == 200
        issuer.key = new_key()
        issuer.published = [*issuer.published, issuer.key]


async def test_stale_keys_are_used_while_newer_ones_are_fetched(make_keys, issuer):
    keys = make_keys(Freshness(refresh_after=NOW, at_most_every=NOW))
    first = await keys.current()
    issuer.published = [new_key()]
    assert await keys.current() is first
    await keys._refreshing
    assert [key.kid for key in (await keys.current()).keys] == [issuer.published[0].kid]


async def test_the_same_keys_are_the_same_object(make_keys):
    keys = make_keys(Freshness(refresh_after=NOW, at_most_every=NOW))
    first = await keys.current()
    await keys.newer_than(first)
    assert await keys.current() is first


async def test_stale_keys_are_used_while_the_issuer_is_down(make_guard, issuer, status):
    guard = make_guard(freshness=Freshness(refresh_after=NOW, at_most_every=NOW))
    assert await status(guard) == 200
    issuer.down = True
    for _ in range(3):
        assert await status(guard) == 200


async def test_keys_are_not_good_for_ever(make_keys, issuer):
    keys = make_keys(Freshness(good_for=NOW, at_most_every=NOW))
    await keys.current()
    await keys.current()
    issuer.down = True
    with pytest.raises(TemporarilyUnavailable):
        await keys.current()


async def test_without_any_keys_a_call_is_told_to_come_again(guard, issuer, status):
    issuer.down = True
    assert await status(guard) == 503


async def test_an_issuer_that_comes_back_is_heard(make_guard, issuer, status):
    guard = make_guard(freshness=Freshness(at_most_every=NOW))
    issuer.down = True
    assert await status(guard) == 503
    issuer.down = False
    assert await status(guard) == 200


async def test_calls_that_come_together_ask_once(make_keys, issuer):
    keys = make_keys()
    found = await asyncio.gather(*(keys.current() for _ in range(10)))
    assert len({id(one) for one in found}) == 1
    assert issuer.jwks_asked == 1


async def test_a_caller_that_leaves_does_not_end_the_refresh_of_others(make_keys, issuer):
    keys = make_keys()
    leaver, stayer = asyncio.create_task(keys.current()), asyncio.create_task(keys.current())
    await asyncio.sleep(0)
    leaver.cancel()
    assert (await stayer).keys


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("metadata_issuer", "http://127.0.0.1:1"),
        ("jwks_uri", "http://example.com/jwks"),
        ("jwks_uri", "file:///etc/passwd"),
        ("jwks_uri", 7),
    ],
)
async def test_metadata_that_leads_elsewhere_is_not_followed(
    guard, issuer, status, attribute, value
):
    setattr(issuer, attribute, value)
    assert await status(guard) == 503
    assert issuer.jwks_asked == 0


async def test_a_guard_starts_without_its_issuer_and_says_so(guard, issuer, caplog):
    issuer.down = True
    await guard.warm()
    assert "not ready yet" in caplog.text


async def test_a_call_right_after_a_failed_start_waits_for_the_issuer(guard, issuer, status):
    issuer.down = True
    await guard.warm()
    issuer.down = False
    assert await status(guard) == 200


async def test_a_key_rotated_right_after_the_start_is_learned_at_once(guard, issuer, status):
    assert await status(guard) == 200
    issuer.published = [issuer.key, new_key()]
    issuer.key = issuer.published[1]
    assert await status(guard) == 200
