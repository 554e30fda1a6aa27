import json
import time
from datetime import UTC, datetime, timedelta

import httpx

from fleeting.core.jose import UnverifiedJwt
from fleeting.server.signing_keys import create_key
from tests.cli.processes import serving


def listed(fleeting, config):
    return json.loads(fleeting("keys", "list", "-c", config, "--json").stdout)["keys"]


def test_a_new_installation_has_one_active_key(fleeting, config):
    (key,) = listed(fleeting, config)
    assert key["state"] == "active"
    assert key["until"] is None
    assert fleeting("keys", "list", "-c", config).stdout.startswith("key ")


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
