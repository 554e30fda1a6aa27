import json
import stat
from datetime import timedelta

import pytest

from fleeting.server.signing_keys import (
    KeyState,
    SigningKeys,
    SigningKeysError,
    all_public_keys,
    create_key,
    load_key_ring,
    retire_keys,
)
from tests.simulator import REFUND, START, granted, header_of

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def ring_of(directory, *activations):
    for at in activations:
        create_key(directory, at)
    return load_key_ring(directory, HOUR)


def states(ring, now):
    return [ring.state(dated, now) for dated in ring.dated]


def test_a_key_is_coming_then_active_then_retiring_then_retired(tmp_path):
    second = START + HOUR
    ring = ring_of(tmp_path, START, second)
    assert states(ring, START) == [KeyState.COMING, KeyState.ACTIVE]
    assert states(ring, second) == [KeyState.ACTIVE, KeyState.RETIRING]
    last = second + HOUR + MINUTE
    assert states(ring, last) == [KeyState.ACTIVE, KeyState.RETIRING]
    assert states(ring, last + MINUTE) == [KeyState.ACTIVE, KeyState.RETIRED]


def test_a_coming_key_is_published_and_does_not_sign(tmp_path):
    ring = ring_of(tmp_path, START, START + HOUR)
    assert len(ring.published(START)) == 2
    assert ring.active(START).kid == ring.dated[1].key.kid
    assert ring.active(START + HOUR).kid == ring.dated[0].key.kid


def test_where_every_key_is_coming_the_oldest_signs(tmp_path):
    ring = ring_of(tmp_path, START + HOUR, START + 2 * HOUR)
    assert ring.active(START).kid == ring.dated[-1].key.kid
    assert states(ring, START) == [KeyState.COMING, KeyState.ACTIVE]


def test_of_a_retired_key_only_the_public_half_is_kept(tmp_path):
    ring = ring_of(tmp_path, START, START + HOUR)
    old = ring.dated[1].key
    late = START + 5 * HOUR
    assert retire_keys(tmp_path, ring, START + HOUR) == []
    assert retire_keys(tmp_path, ring, late) == [old.kid]
    assert not (tmp_path / f"{old.kid}.json").exists()
    kept = json.loads((tmp_path / "retired" / f"{old.kid}.json").read_text())
    assert "d" not in kept
    ring = load_key_ring(tmp_path, HOUR)
    assert [key.kid for key in all_public_keys(tmp_path, ring).keys] == [
        ring.dated[0].key.kid,
        old.kid,
    ]


def test_a_key_file_is_its_owners_alone(tmp_path):
    key = create_key(tmp_path / "new" / "keys", START)
    path = tmp_path / "new" / "keys" / f"{key.kid}.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path, mode):
    key = create_key(tmp_path, START)
    (tmp_path / f"{key.kid}.json").chmod(mode)
    with pytest.raises(SigningKeysError, match="chmod 600"):
        load_key_ring(tmp_path, HOUR)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"activates_at": "2026-01-01T00:00:00Z"}',
        '{"activates_at": 7}',
        '{"activates_at": "soon"}',
        "\udcff",
    ],
)
def test_what_is_no_key_of_ours_is_refused_by_name(tmp_path, content):
    path = tmp_path / "bad.json"
    path.touch(0o600)
    path.write_text(content, errors="surrogateescape")
    with pytest.raises(SigningKeysError, match=r"bad\.json is not a signing key"):
        load_key_ring(tmp_path, HOUR)


def test_an_activation_has_a_time_zone(tmp_path):
    create_key(tmp_path, START.replace(tzinfo=None))
    with pytest.raises(SigningKeysError, match="time zone"):
        load_key_ring(tmp_path, HOUR)


def test_without_a_key_the_message_says_how_to_make_one(tmp_path):
    with pytest.raises(SigningKeysError, match="fleeting init"):
        load_key_ring(tmp_path, HOUR)
    with pytest.raises(SigningKeysError):
        SigningKeys(tmp_path / "missing", HOUR, START)


def test_a_directory_that_cannot_be_written_is_said_to_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SigningKeysError, match="cannot write"):
        create_key(tmp_path / "file" / "keys", START)


def test_a_bad_change_leaves_the_keys_as_they_are(tmp_path):
    create_key(tmp_path, START)
    keys = SigningKeys(tmp_path, HOUR, START)
    kid = header_of(keys.sign("JWT", {}))["kid"]
    bad = tmp_path / "bad.json"
    bad.touch(0o600)
    keys.refresh(START)
    assert "bad.json" in keys.problem
    assert header_of(keys.sign("JWT", {}))["kid"] == kid
    bad.unlink()
    keys.refresh(START)
    assert keys.problem is None


# While serving.


async def rotate(sim, after):
    key = create_key(sim.worker.settings.signing_keys, sim.clock.now() + after)
    sim.worker.signing_keys.refresh(sim.clock.now())
    return key.kid


async def published(sim):
    return [key["kid"] for key in (await sim.get("/jwks")).json()["keys"]]


async def test_keys_rotate_while_serving_and_no_live_token_is_refused(sim):
    guard, bot = sim.deployments_guard, sim.caller("release-bot")
    (old,) = await published(sim)
    new = await rotate(sim, MINUTE)
    assert await published(sim) == [new, old]
    before = await bot.token(scope="deployments:read")
    assert header_of(before)["kid"] == old
    sim.clock.wind(minutes=1)
    sim.worker.signing_keys.refresh(sim.clock.now())
    after = await bot.token(scope="deployments:read")
    assert header_of(after)["kid"] == new
    for token in (before, after):
        assert (await guard.introspect(token)).json()["active"] is True
        assert (await guard.spend(token)).json()["active"] is True
    sim.clock.wind(minutes=61)
    sim.worker.signing_keys.refresh(sim.clock.now())
    assert await published(sim) == [new, old]
    sim.clock.wind(seconds=1)
    sim.worker.signing_keys.refresh(sim.clock.now())
    assert await published(sim) == [new]
    assert (await guard.introspect(before)).json() == {"active": False}


async def test_a_nonce_outlives_the_rotation_that_came_after_it(sim):
    bot = sim.caller()
    await bot.token(REFUND)
    await rotate(sim, timedelta(0))
    form = {"grant_type": "client_credentials", "scope": "payments:read"}
    granted(await bot.post("/token", form, retry=False))


async def test_a_worker_follows_the_directory_by_itself(sim):
    from tests.simulator import eventually

    create_key(sim.worker.settings.signing_keys, sim.clock.now())
    await eventually(lambda: len(sim.worker.signing_keys.keys().keys) == 2)


async def test_old_checkpoints_are_verified_with_every_key_there_ever_was(sim):
    assert len(sim.worker.signing_keys.everything().keys) == 1
