"""What is kept of logins on a person's machine."""

import stat

import pytest

from fleeting.cli.logins import Login, forget, keep, login_at, logins_directory, only_login
from fleeting.cli.terminal import CommandError
from fleeting.client.keys import generate_key

ISSUER, OTHER = "https://as.example.com", "https://other.example.com"


@pytest.fixture(autouse=True)
def kept_here(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def login(issuer: str = ISSUER) -> Login:
    return Login(issuer, "a-session-token", generate_key(), "alice")


def test_a_login_is_read_back_as_it_was_kept():
    kept = login()
    keep(kept)
    found = login_at(ISSUER)
    assert (found.issuer, found.token, found.person) == (ISSUER, "a-session-token", "alice")
    assert found.key.public_jwk() == kept.key.public_jwk()
    assert only_login().token == found.token


def test_its_owner_alone_can_read_it():
    path = keep(login())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_what_others_can_read_is_not_used():
    keep(login()).chmod(0o640)
    with pytest.raises(CommandError, match="can be read by others"):
        login_at(ISSUER)


def test_a_new_login_takes_the_place_of_the_last_one():
    keep(login())
    keep(Login(ISSUER, "another", generate_key(), "bea"))
    assert login_at(ISSUER).person == "bea"


def test_a_damaged_login_says_what_to_do():
    keep(login()).write_text('{"issuer": "x"}', encoding="utf-8")
    with pytest.raises(CommandError, match="delete it, then 'fleeting login'"):
        login_at(ISSUER)


def test_without_a_login_it_is_said_how_to_sign_in():
    with pytest.raises(CommandError, match="fleeting login --issuer"):
        login_at(ISSUER)
    with pytest.raises(CommandError, match="nobody is signed in"):
        only_login()


def test_of_several_issuers_one_must_be_named():
    keep(login())
    keep(login(OTHER))
    with pytest.raises(CommandError, match="which issuer"):
        only_login()
    assert login_at(OTHER).issuer == OTHER


def test_forgetting_leaves_nothing():
    keep(login())
    assert forget(ISSUER)
    assert not forget(ISSUER)
    assert not list(logins_directory().iterdir())


def test_a_representation_shows_neither_token_nor_key():
    assert "a-session-token" not in repr(login())
    assert "PrivateKey" not in repr(login())


def test_a_relative_configuration_directory_is_ignored(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert logins_directory() == tmp_path / ".config" / "fleeting" / "logins"
