import json
import os
import pty
import stat
import subprocess
import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from fleeting.core.jose import UnverifiedJwt
from fleeting.server.settings import load_settings
from fleeting.server.signing_keys import create_key
from tests.cli.processes import PROGRAM, serving


def listed(fleeting, config):
    return json.loads(fleeting("keys", "list", "-c", config, "--json").stdout)["keys"]


def test_a_new_installation_has_one_active_key(fleeting, config):
    (key,) = listed(fleeting, config)
    assert key["state"] == "active"
    assert key["until"] is None
    assert fleeting("keys", "list", "-c", config).stdout.startswith("key ")


def test_a_key_id_is_shown_whole_in_eighty_columns(fleeting, config):
    fleeting("keys", "rotate", "-c", config, "--activate-in", "5m")
    directory = config.parent / "keys" / "signing"
    create_key(directory, datetime.now(UTC) - timedelta(minutes=1))
    keys = listed(fleeting, config)
    shown = keys_on_a_terminal(config)
    assert max(map(len, shown)) <= 80
    for key, line in zip(keys, shown[1:], strict=True):
        assert line.startswith(f"{key['kid']}  {key['state']} ")
    words = {line.split()[1]: line.split()[2] for line in shown[1:]}
    assert words == {"coming": "from", "active": "since", "retiring": "until"}


def keys_on_a_terminal(config):
    ours, theirs = pty.openpty()
    command = [PROGRAM, "keys", "list", "-c", config]
    subprocess.run(command, stdout=theirs, check=True, env={**os.environ, "TERM": "dumb"})
    os.close(theirs)
    return [line.rstrip() for line in os.read(ours, 10_000).decode().splitlines()]


def test_a_client_s_key_pair_is_made_and_its_declaration_fits_the_settings(fleeting, config):
    done = fleeting("keys", "make", "deploy-bot", "-c", config)
    assert done.exit_code == 0, done.stderr
    private = config.parent / "keys" / "deploy-bot.jwk.json"
    public = config.parent / "keys" / "deploy-bot.jwks.json"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    (key,) = json.loads(public.read_text())["keys"]
    assert "d" not in key
    assert json.loads(private.read_text())["kid"] == key["kid"]
    config.write_text(config.read_text() + done.stdout)
    (client,) = (c for c in load_settings(config, {}).clients if c.client.client_id == "deploy-bot")
    assert client.jwks_file == "keys/deploy-bot.jwks.json"
    assert fleeting("policy", "check", "-c", config).exit_code == 0


@pytest.mark.parametrize("name", ["support-bot", "../bot", "a/b", ""])
def test_no_key_is_written_over_or_outside_of_its_directory(fleeting, config, name):
    files = {path: path.read_bytes() for path in config.parent.rglob("*.json")}
    done = fleeting("keys", "make", name, "-c", config)
    assert done.exit_code == 1
    assert "is there already" in done.stderr or "is not a name" in done.stderr
    assert files == {path: path.read_bytes() for path in config.parent.rglob("*.json")}


def test_keys_are_made_beside_settings_alone(fleeting, tmp_path):
    done = fleeting("keys", "make", "bot", "-c", tmp_path / "fleeting.toml")
    assert done.exit_code == 1
    assert "fleeting init" in done.stderr


def test_rotating_makes_a_coming_key_and_says_until_when_the_old_one_counts(fleeting, config):
    (old,) = listed(fleeting, config)
    done = fleeting("keys", "rotate", "-c", config, "--activate-in", "5m", "--json")
    made = json.loads(done.stdout)
    assert made["retired"] == []
    assert [key["state"] for key in made["keys"]] == ["coming", "active"]
    assert made["keys"][0]["kid"] == made["created"]
    assert made["keys"][1]["kid"] == old["kid"]
    ends = datetime.fromisoformat(made["keys"][1]["until"])
    assert ends - datetime.fromisoformat(made["keys"][0]["since"]) == timedelta(minutes=61)


def test_keys_whose_tokens_are_all_over_are_retired(fleeting, config):
    now = datetime.now(UTC)
    directory = config.parent / "keys" / "signing"
    for path in directory.glob("*.json"):
        path.unlink()
    old = create_key(directory, now - timedelta(days=2))
    create_key(directory, now - timedelta(days=1))
    done = fleeting("keys", "rotate", "-c", config)
    assert f"{old.kid} is retired" in done.stdout
    assert "d" not in json.loads((directory / "retired" / f"{old.kid}.json").read_text())
    assert {key["kid"]: key["state"] for key in listed(fleeting, config)}[old.kid] == "retired"


def test_a_time_that_is_none_is_a_usage_error_and_makes_no_key(fleeting, config):
    done = fleeting("keys", "rotate", "-c", config, "--activate-in", "soon")
    assert done.exit_code == 2
    assert "'5m'" in done.stderr
    assert len(listed(fleeting, config)) == 1


def test_a_running_server_takes_the_new_key_and_keeps_tokens_of_the_old_one_alive(fleeting, config):
    with serving(config) as (server, _):
        before = server.token()
        made = json.loads(
            fleeting("keys", "rotate", "-c", config, "--activate-in", "2s", "--json").stdout
        )["created"]
        until = time.monotonic() + 30
        while kid(after := server.token()) != made and time.monotonic() < until:
            time.sleep(0.2)
        assert kid(after) == made
        jwks = httpx.get(f"{server.issuer}/jwks", trust_env=False).json()
        assert {key["kid"] for key in jwks["keys"]} == {kid(before), made}
        assert server.spend(before, "one")["active"] is True
        assert server.spend(after, "two")["active"] is True
    verified = fleeting("audit", "verify", "-c", config)
    assert verified.exit_code == 0, verified.stderr


def kid(token):
    return UnverifiedJwt.parse(token.value).header["kid"]
