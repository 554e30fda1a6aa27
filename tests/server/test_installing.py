import os

import pytest

from fleeting.policy import PolicyProblems
from fleeting.server import plain_files
from fleeting.server.installing import http_client, load_policy_set, policy_sources
from fleeting.server.settings import SettingsError
from fleeting.server.wiring import build_worker
from tests.simulator import Installation


@pytest.fixture
def installed(tmp_path):
    return Installation(tmp_path).write()


def test_an_installation_becomes_a_worker(installed):
    worker = build_worker(installed.load())
    assert worker.policy.current() is worker.policy.bundle


@pytest.mark.parametrize("content", [None, "", "[]", '{"keys": []}', '{"keys": [{"kty": "oct"}]}'])
def test_a_client_without_usable_keys_stops_the_start(installed, content):
    path = installed.directory / "keys" / "support-bot.jwks.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match="client support-bot"):
        build_worker(installed.load())


def test_a_bad_policy_stops_the_start_and_every_problem_is_told(installed):
    bad = 'permit (principal, action == Action::"payment_refnd:refund", resource);'
    (installed.directory / "policies" / "bad.cedar").write_text(bad)
    with pytest.raises(PolicyProblems) as caught:
        build_worker(installed.load())
    assert "bad.cedar" in str(caught.value)


def test_a_policy_about_a_resource_that_is_not_declared_stops_the_start(installed):
    bad = '@id("x") forbid (principal, action, resource == Resource::"https://nowhere");'
    (installed.directory / "policies" / "bad.cedar").write_text(bad)
    with pytest.raises(PolicyProblems, match="no resource is declared as `https://nowhere`"):
        load_policy_set(installed.load())


def test_policies_are_read_in_order_and_only_those(installed):
    directory = installed.directory / "policies"
    (directory / "a.cedar").write_text("")
    (directory / "notes.txt").write_text("no policy")
    assert [source.name.rpartition("/")[2] for source in policy_sources(directory)] == [
        "a.cedar",
        "all.cedar",
    ]


def test_policies_that_cannot_be_read_stop_the_start(installed):
    directory = installed.directory / "policies"
    (directory / "bad.cedar").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load_policy_set(installed.load())
    (directory / "bad.cedar").unlink()
    (directory / "dir.cedar").mkdir()
    with pytest.raises(SettingsError, match="cannot be read"):
        load_policy_set(installed.load())
    with pytest.raises(SettingsError, match="not a directory"):
        policy_sources(directory / "none")


def test_a_pipe_among_the_policies_is_not_waited_for(installed):
    """Who waits for it follows the store no more, and a rollback never comes."""
    os.mkfifo(installed.directory / "policies" / "pipe.cedar")
    with pytest.raises(SettingsError, match=r"pipe\.cedar: cannot be read: it is no plain file"):
        policy_sources(installed.directory / "policies")


def test_an_endless_file_among_the_policies_does_not_fill_our_memory(installed, monkeypatch):
    monkeypatch.setattr(plain_files, "MAX_BYTES", 100_000)
    (installed.directory / "policies" / "zero.cedar").symlink_to("/dev/zero")
    with pytest.raises(SettingsError, match=r"zero\.cedar: cannot be read: it is no plain file"):
        policy_sources(installed.directory / "policies")
    (installed.directory / "policies" / "zero.cedar").unlink()
    (installed.directory / "policies" / "long.cedar").write_text("/" * 100_001)
    with pytest.raises(SettingsError, match="cannot be read: it is larger than 100000 bytes"):
        policy_sources(installed.directory / "policies")


async def test_other_parties_are_asked_without_redirects_or_proxies():
    async with http_client() as client:
        assert client.follow_redirects is False
        assert client.trust_env is False
        assert client.timeout.read == 5
