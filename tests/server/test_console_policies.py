import pytest

from fleeting.core.people import ConsoleAction, Person
from fleeting.policy import PolicyProblems
from fleeting.server.console_policies import load_roles
from fleeting.server.settings import SettingsError
from tests.simulator import Installation

ANYBODY = Person("zoe", "Zoe")
VIEWERS = 'permit (principal in Group::"viewers", action == Action::"view", resource);'


@pytest.fixture
def installation(tmp_path):
    return Installation(tmp_path).write()


def test_without_a_directory_the_built_in_roles_hold(installation):
    assert installation.load().console_policies is None
    assert load_roles(installation.load()).allows(ANYBODY, ConsoleAction.VIEW)


def test_a_directory_replaces_all_of_them(installation):
    directory = installation.directory / "console"
    directory.mkdir()
    (directory / "mine.cedar").write_text(VIEWERS)
    roles = load_roles(installation.load())
    assert not roles.allows(ANYBODY, ConsoleAction.VIEW)
    assert roles.allows(Person("v", "V", frozenset({"viewers"})), ConsoleAction.VIEW)


def test_a_directory_that_is_empty_or_named_and_missing_stops_the_start(tmp_path):
    installation = Installation(tmp_path, settings='console_policies = "roles"').write()
    with pytest.raises(SettingsError, match="is not a directory"):
        load_roles(installation.load())
    (tmp_path / "roles").mkdir()
    with pytest.raises(SettingsError, match="nobody could do anything"):
        load_roles(installation.load())


def test_roles_that_are_wrong_are_told_with_their_place(installation):
    directory = installation.directory / "console"
    directory.mkdir()
    (directory / "mine.cedar").write_text(VIEWERS.replace("view", "vieww", 1))
    (directory / "yours.cedar").write_text('permit (principal, action == Action::"no", resource);')
    with pytest.raises(PolicyProblems, match=r"yours\.cedar:1:38"):
        load_roles(installation.load())
