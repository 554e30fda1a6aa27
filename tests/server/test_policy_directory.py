import os
import pwd
import socket
from pathlib import Path

import pytest

from fleeting.server import policy_directory
from fleeting.server.policy_directory import Watch, fingerprint, origin, place_of, read_directory
from tests.simulator import Installation


@pytest.fixture
def settings(tmp_path):
    return Installation(tmp_path).write().load()


@pytest.fixture
def moment(monkeypatch):
    """A monotonic clock to wind."""
    at = [100.0]
    monkeypatch.setattr(policy_directory, "monotonic", lambda: at[0])

    def wind(seconds):
        at[0] += seconds

    return wind


def policies(settings) -> Path:
    return settings.policies / "all.cedar"


def test_what_changes_is_read_once_it_stands_still(settings, moment):
    watch = Watch(settings)
    assert not watch.changed()
    policies(settings).write_text("// half")
    assert not watch.changed()
    moment(0.1)
    policies(settings).write_text("// a whole save")
    assert not watch.changed()
    moment(0.1)
    assert not watch.changed()
    moment(0.06)
    assert watch.changed()
    assert watch.read().set_.sources[0].text == "// a whole save"
    assert not watch.changed()


def test_what_is_written_while_it_is_read_is_not_taken(settings, monkeypatch):
    watch = Watch(settings)
    real = policy_directory.read_directory

    def slow(of):
        reading = real(of)
        policies(settings).write_text("// meanwhile")
        return reading

    monkeypatch.setattr(policy_directory, "read_directory", slow)
    policies(settings).write_text("// before")
    assert watch.read() is None
    monkeypatch.setattr(policy_directory, "read_directory", real)
    assert watch.read().set_.sources[0].text == "// meanwhile"


def test_every_way_to_change_a_file_shows(settings, tmp_path):
    path = policies(settings)
    seen = {fingerprint(settings)}

    def sees(count):
        seen.add(fingerprint(settings))
        assert len(seen) == count

    path.write_text("// one")
    sees(2)
    status = path.stat()
    path.write_text("// two")  # as long, and its old time put back
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    sees(3)
    new = tmp_path / "new"
    new.write_text("// two")
    new.replace(path)
    sees(4)
    (settings.policies / "more.cedar").touch()
    sees(5)
    settings.file.write_text("")
    sees(6)
    settings.policies.rename(tmp_path / "gone")
    sees(7)
    settings.file.unlink()
    sees(8)


def test_a_link_that_leads_elsewhere_shows(settings, tmp_path):
    """As a mounted volume is swapped whole."""
    settings.policies.rename(tmp_path / "one")
    (tmp_path / "two").mkdir()
    settings.policies.symlink_to(tmp_path / "one")
    before = fingerprint(settings)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "two")
    link.replace(settings.policies)
    assert fingerprint(settings) != before
    assert read_directory(settings).set_.sources == ()


def test_what_no_policy_is_does_not_show(settings):
    (settings.policies / "notes.txt").write_text("nothing")
    before = fingerprint(settings)
    (settings.policies / "notes.txt").write_text("still nothing")
    assert fingerprint(settings)[2:] == before[2:]


def test_what_cannot_be_read_is_a_problem_with_a_name_of_its_own(settings):
    policies(settings).write_bytes(b"\xff")
    one = read_directory(settings)
    assert one.set_ is None
    assert "not UTF-8" in one.problem
    settings.file.write_text("[")
    other = read_directory(settings)
    assert "is not TOML" in other.problem
    assert one.key != other.key
    assert read_directory(settings) == other


def test_a_place_has_its_machine_in_its_name():
    assert place_of(Path("/etc/policies")) == f"{socket.gethostname()}:/etc/policies"


def test_who_acts_is_this_user_on_this_machine(monkeypatch):
    monkeypatch.delenv("SUDO_USER", raising=False)
    user = pwd.getpwuid(os.geteuid()).pw_name
    who = origin("how", "where")
    assert who.by == f"{user}@{socket.gethostname()}"
    assert (who.how, who.source, who.process) == ("how", "where", os.getpid())
    monkeypatch.setenv("SUDO_USER", "alice")
    assert origin("how", "where").by == f"alice as {user}@{socket.gethostname()}"


def test_a_user_without_a_name_is_a_number(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000_001)
    monkeypatch.delenv("SUDO_USER", raising=False)
    assert origin("", "").by.startswith("4000000001@")
