import os
import subprocess

import pytest

from fleeting.cli import compared_sets
from fleeting.cli.compared_sets import load_named, named_set
from fleeting.cli.terminal import CommandError, complain
from fleeting.policy import PolicySource
from fleeting.server.settings import SettingsError, load_settings

RECORDED = [PolicySource("recorded.cedar", "")]


@pytest.fixture
def settings(config):
    return load_settings(config, {})


def test_a_digest_names_a_recorded_set(settings):
    known = {"0123456789abcdef": RECORDED}
    assert named_set("0123456789abcdef", settings, known.get) is RECORDED
    with pytest.raises(CommandError, match="no digest of a recorded set"):
        named_set("fedcba9876543210", settings, known.get)


def test_a_directory_is_looked_for_here_and_in_the_installation(settings, tmp_path):
    assert len(named_set("policies", settings).sources) == 2
    assert len(named_set("here/policies", settings).sources) == 2


def git(directory, *arguments):
    names = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    subprocess.run(["git", "-C", directory, *names, *arguments], check=True, capture_output=True)


def test_policies_outside_of_the_repository_need_a_directory(settings, tmp_path):
    from dataclasses import replace

    git(settings.directory, "init", "-q")
    git(settings.directory, "commit", "-q", "--allow-empty", "-m", "one")
    outside = replace(settings, policies=tmp_path)
    with pytest.raises(CommandError, match="is outside of the repository"):
        named_set("HEAD", outside)


def test_a_committed_file_that_is_no_text_is_told(settings):
    (settings.policies / "bad.cedar").write_bytes(b"\xff")
    git(settings.directory, "init", "-q")
    git(settings.directory, "add", ".")
    git(settings.directory, "commit", "-qm", "one")
    with pytest.raises(CommandError, match=r"HEAD:policies/bad.cedar cannot be read"):
        named_set("HEAD", settings)


def test_without_git_there_are_no_revisions(settings, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CommandError, match="no git revision"):
        named_set("HEAD", settings)


def test_a_git_that_does_not_answer_is_one_error(settings, tmp_path, monkeypatch):
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(compared_sets, "_TIMEOUT_SECONDS", 0.1)
    told = r"'git rev-parse' in .* did not answer within 0.1 seconds"
    with pytest.raises(CommandError, match=told):
        named_set("HEAD", settings)


def test_the_names_of_files_in_a_branch_steer_no_terminal(settings, capsys):
    name = "\x1b]0;pwn\x07\nproved: both sets decide alike.cedar"
    (settings.policies / name).write_text("permit (")
    git(settings.directory, "init", "-q")
    git(settings.directory, "add", ".")
    git(settings.directory, "commit", "-qm", "one")
    with pytest.raises(CommandError, match="cannot be loaded") as told:
        load_named("HEAD", settings)
    complain(str(told.value))
    said = capsys.readouterr().err
    assert "\x1b]" not in said
    assert "\x07" not in said
    assert "\nproved" not in said
    (settings.policies / "\x1b]0;pwn\x07.cedar").write_bytes(b"\xff")
    with pytest.raises(SettingsError) as unread:
        load_named("policies", settings)
    complain(str(unread.value))
    assert "\x1b]" not in capsys.readouterr().err
