"""Put policy sets in force from the terminal, with no server and with one."""

import json
import re
import time

import httpx
import pytest

from fleeting.cli import policy_sets
from tests.cli.processes import serving

REFUNDS = "refunds.cedar"


@pytest.fixture
def policies(config):
    return config.parent / "policies"


@pytest.fixture
def prepared(config, fleeting):
    """An installation on its first set, without a server."""
    for words in (("db", "upgrade"), ("policy", "load")):
        assert fleeting(*words, "-c", config).exit_code == 0
    return config


@pytest.fixture
def candidate(policies, tmp_path):
    """Policies that differ from the installation's own in one lifetime."""
    directory = tmp_path / "candidate"
    directory.mkdir()
    for path in policies.glob("*.cedar"):
        text = path.read_text().replace('@lifetime("60s")', '@lifetime("30s")')
        (directory / path.name).write_text(text)
    return directory


@pytest.fixture
def policy(fleeting, config):
    """Run ``fleeting policy``, which must do well, and return what it prints."""

    def policy(*arguments, fails=0):
        done = fleeting("policy", *arguments, "-c", config)
        assert done.exit_code == fails, done.output
        return done.output

    return policy


def sets(policy):
    return json.loads(policy("sets", "--json"))


def live(policy):
    (found,) = [each["digest"] for each in sets(policy) if each["live"]]
    return found


def test_before_the_first_start_there_is_nothing_to_act_on(policy):
    for arguments in (("sets",), ("load",), ("promote",), ("rollback", "abc")):
        assert "'fleeting serve' makes it" in policy(*arguments, fails=1)


def test_what_was_loaded_when_by_whom_and_from_where_is_listed(prepared, policy, policies):
    (first,) = sets(policy)
    assert first["live"]
    assert not first["candidate"]
    assert first["from"] == str(policies)
    line = policy("sets")
    assert re.fullmatch(
        rf"{first['digest'][:12]}  live since 20\S+ \S+Z  stored 20\S+ \S+Z  \S+  {policies}\n",
        line,
    )


def test_a_set_that_comes_back_is_live_since_then(prepared, policy, candidate):
    (first,) = sets(policy)
    policy("load", candidate)
    policy("rollback", first["digest"])
    (again,) = [each for each in sets(policy) if each["live"]]
    assert again["stored_at"] == first["stored_at"] <= first["live_since"] < again["live_since"]
    newer, older = policy("sets").splitlines()
    assert newer.index("stored") == older.index("stored")
    assert "live since" in older
    assert "live" not in newer.split("stored")[0]


def test_load_makes_the_directory_live_and_says_instead_of_what(prepared, policy, policies):
    before = live(policy)
    path = policies / REFUNDS
    path.write_text(path.read_text().replace('@lifetime("60s")', '@lifetime("45s")'))
    said = policy("load")
    assert f"{live(policy)[:12]} is live, instead of {before[:12]}" in said
    assert "within a second" in said
    assert "holds another set" not in said
    assert "was live already" in policy("load")


def test_what_is_loaded_though_it_is_hardly_meant_is_warned_of(prepared, policies, fleeting):
    path = policies / REFUNDS
    path.write_text(path.read_text().replace('@lifetime("60s")', '@lifetime("60m")'))
    done = fleeting("policy", "load", "-c", prepared)
    assert done.exit_code == 0
    assert "is live, instead of" in done.stdout
    assert f"{REFUNDS}:11:1: warning: a lifetime of 1h is never granted" in done.stderr
    assert "  11 | @lifetime(" in done.stderr
    told = fleeting("policy", "load", "-c", prepared, "--json")
    assert (told.exit_code, told.stderr) == (0, "")


def test_a_large_set_is_loaded_without_a_long_look_at_it(policies, policy, prepared, monkeypatch):
    monkeypatch.setattr(policy_sets, "_MOST_REVIEWED", 3)
    path = policies / REFUNDS
    path.write_text(path.read_text().replace('@lifetime("60s")', '@lifetime("60m")'))
    said = policy("load")
    assert "'fleeting policy check' says" in said
    assert "warning" not in said


def test_another_directory_can_be_loaded_and_the_own_one_is_told_of(
    prepared, policy, policies, candidate
):
    before = live(policy)
    said = policy("load", candidate)
    assert "is live, instead of" in said
    assert f"{policies} holds another set, {before[:12]}" in " ".join(said.split())


def test_a_set_that_is_wrong_is_not_loaded_and_its_place_is_told(prepared, policy, policies):
    before = live(policy)
    (policies / "bad.cedar").write_text("permit (principal, action, resource);")
    assert "bad.cedar:1:1: this policy has no @id" in policy("load", fails=1)
    assert live(policy) == before
    assert "is not a directory" in policy("load", "nowhere", fails=1)


def test_a_candidate_is_shadowed_promoted_and_rolled_back(prepared, policy, candidate):
    first = live(policy)
    said = policy("shadow", candidate)
    assert f"is compared with {first[:12]}, which alone counts" in said
    (new,) = [each["digest"] for each in sets(policy) if each["candidate"]]
    assert "is compared already" in policy("shadow", new[:8])
    assert f"{new[:12]} is live, instead of {first[:12]}" in policy("promote")
    assert "there is no candidate" in policy("promote", fails=1)
    report = json.loads(policy("rollback", first[:6].upper(), "--json"))
    assert report == {
        "changed": True,
        "live": first,
        "live_before": new,
        "candidate": None,
        "candidate_before": None,
    }
    assert "was live already" in policy("rollback", first)


def test_a_candidate_is_let_go(prepared, policy, candidate):
    policy("shadow", candidate)
    assert "is no longer compared" in policy("shadow", "--stop")
    assert not [each for each in sets(policy) if each["candidate"]]
    assert "there is no candidate" in policy("shadow", "--stop", fails=1)
    assert json.loads(policy("shadow", candidate, "--json"))["changed"]


def test_shadow_takes_one_thing(prepared, policy, candidate):
    assert "--stop" in policy("shadow", fails=2)
    assert "--stop" in policy("shadow", candidate, "--stop", fails=2)


def test_a_digest_that_names_no_set_or_several_is_told(prepared, policy, candidate):
    assert "'zzz' names no set: 'fleeting policy sets' lists them" in policy(
        "rollback", "zzz", fails=1
    )
    policy("load", candidate)
    assert "write more of it" in policy("rollback", "", fails=1)


def test_an_earlier_set_that_fits_no_longer_is_not_brought_back(prepared, policy, config, policies):
    (policies / "ticket.cedar").write_text(
        '@id("ticket") forbid (principal, action, resource) when { !(context.request has ticket) };'
    )
    policy("load")
    first = live(policy)
    (policies / "ticket.cedar").unlink()
    config.write_text(config.read_text().replace("\nticket  =", "\nincident ="))
    policy("load")
    said = policy("rollback", first, fails=1)
    assert f"{first[:12]} does not fit this installation any more, so nothing was changed" in said
    assert "ticket.cedar:1:" in said
    assert f"'fleeting policy export {first[:12]} DIR'" in said
    assert live(policy) != first


def test_what_is_live_is_no_candidate(prepared, policy, policies):
    assert "is live: there is nothing to compare it with" in policy("shadow", policies, fails=1)


def test_memory_cannot_be_reached(config, policy):
    config.write_text(config.read_text().replace("sqlite:///fleeting.db", "memory://"))
    assert "memory://" in policy("sets", fails=1)


def test_a_running_server_follows_and_the_ledger_tells_the_story(
    config, policy, candidate, fleeting
):
    with serving(config) as (server, _):
        policy("shadow", candidate)
        wait_for_policy(server, lambda told: told["candidate"])
        server.token()
        policy("promote")
        told = wait_for_policy(server, lambda told: not told["candidate"])
        assert told["live"] == live(policy)
        server.token()
    done = fleeting("audit", "tail", "-n", 50, "-c", config)
    assert "would permit this with other limits" in done.output
    assert "are promoted, instead of" in done.output


def wait_for_policy(server, condition):
    until = time.monotonic() + 10
    while True:
        told = httpx.get(f"{server.issuer}/readyz", trust_env=False).json()["policy"]
        if condition(told):
            return told
        assert time.monotonic() < until
        time.sleep(0.05)
