import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.policy import Verify
from fleeting.server.declared_parties import _CLIENT_KEYS, _PROVIDER_KEYS, _RESOURCE_KEYS
from fleeting.server.settings import KEYS, SettingsError, config_path, load_settings
from tests.simulator import Installation

ISSUER = 'issuer = "http://127.0.0.1:8400"\n'
TYPE = """
[types.refund]
actions = ["do"]
"""
RESOURCE = """
[[resources]]
identifier = "http://127.0.0.1:8401"
scopes = ["read"]
"""
CLIENT = """
[[clients]]
client_id = "bot"
secret_sha256 = "{}"
""".format(hashlib.sha256(b"x" * 40).hexdigest())
PROVIDER = """
[[identity_providers]]
issuer = "https://idp.example.com"
jwks_uri = "https://idp.example.com/jwks"
audience = "fleeting"
"""


@pytest.fixture
def load(tmp_path):
    def read(text, environment=None):
        path = tmp_path / "fleeting.toml"
        path.write_text(text, encoding="utf-8")
        return load_settings(path, environment or {})

    return read


def test_the_contracts_file_is_a_complete_installation(tmp_path):
    settings = Installation(tmp_path).write().load()
    assert settings.directory == tmp_path
    assert settings.policies == tmp_path / "policies"
    assert settings.signing_keys == tmp_path / "keys" / "signing"
    assert settings.bind == ("127.0.0.1", 8400)
    assert [c.client.client_id for c in settings.clients][:2] == ["support-bot", "release-bot"]
    assert settings.clients[0].client.groups == {"support"}
    assert settings.resources[0].resource.max_lifetime == timedelta(minutes=5)
    assert settings.providers[0].claims == {"groups": "groups", "department": "department"}


def test_an_issuer_alone_is_enough_and_the_rest_has_defaults(load, tmp_path):
    settings = load(ISSUER)
    assert settings.database == f"sqlite:///{tmp_path}/fleeting.db"
    assert (settings.workers, settings.log_level, settings.log_format) == (1, "info", "json")
    assert settings.max_lifetime == timedelta(hours=1)
    assert settings.max_body_bytes == 65_536
    assert settings.ledger_keep_days is None
    assert settings.warnings == ()


@pytest.mark.parametrize("key", sorted(KEYS))
def test_a_misspelt_key_is_named_with_the_one_that_was_meant(load, key):
    with pytest.raises(SettingsError, match=f"unknown key '{key}x'; did you mean '{key}'"):
        load(f"{key}x = 1\n{ISSUER}")


@pytest.mark.parametrize(
    ("table", "keys"),
    [(RESOURCE, _RESOURCE_KEYS), (CLIENT, _CLIENT_KEYS), (PROVIDER, _PROVIDER_KEYS)],
)
def test_so_is_one_of_any_table(load, table, keys):
    name = table.split("]]")[0].strip("[\n")
    for key in keys:
        with pytest.raises(SettingsError) as caught:
            load(f"{ISSUER}{TYPE}{table}{key}z = 1\n")
        assert f"{name}[0]: unknown key '{key}z'; did you mean '{key}'?" in str(caught.value)


def test_a_key_like_none_is_told_all_that_there_are(load):
    with pytest.raises(SettingsError, match="known are"):
        load(f"qqqqqq = 1\n{ISSUER}")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "issuer: is missing"),
        ("issuer = 7", "must be a string"),
        ('issuer = "http://as.example.com"', "must be https"),
        ('issuer = "ftp://127.0.0.1"', "must be https"),
        ('issuer = "https://user@as.example.com"', "must be https"),
        ('issuer = "https://["', "is not a URL"),
        ('issuer = "https://a:port"', "is not a URL"),
        ('issuer = "https://as.example.com/"', "must not end in '/'"),
        ('issuer = "https://as.example.com?a=b"', "query"),
        ('issuer = "https://as.example.com#a"', "fragment"),
        (f'{ISSUER}database = "mysql://host/db"', "must be sqlite:///FILE"),
        (f'{ISSUER}bind = "8400"', "bind"),
        (f'{ISSUER}bind = "a:b"', "bind"),
        (f'{ISSUER}bind = "a:70000"', "bind"),
        (f'{ISSUER}log_level = "loud"', "must be one of debug"),
        (f'{ISSUER}log_format = "xml"', "must be one of json"),
        (f'{ISSUER}workers = "2"', "whole number"),
        (f"{ISSUER}workers = 0", "1 or more"),
        (f"{ISSUER}workers = true", "whole number"),
        (f"{ISSUER}max_body_bytes = -1", "1 or more"),
        (f'{ISSUER}max_lifetime = "soon"', "max_lifetime"),
        (f"{ISSUER}max_lifetime = 60", "string"),
        (f"{ISSUER}types = 1", "must be a table"),
        (f"{ISSUER}resources = 1", r"write \[\[resources\]\]"),
        (f"{ISSUER}[clients]\nclient_id = 'a'", r"write \[\[clients\]\]"),
        (f"{ISSUER}clients = [1]", r"write \[\[clients\]\]"),
        (f"{ISSUER}{RESOURCE}{RESOURCE}", "declared twice"),
        (f"{ISSUER}{CLIENT}{CLIENT}", "declared twice"),
        (f"{ISSUER}{PROVIDER}{PROVIDER}", "declared twice"),
        (f"{ISSUER}{RESOURCE}types = ['refund']", r"declare \[types.refund\]"),
        (f"{ISSUER}{CLIENT}types = ['refund']", r"declare \[types.refund\]"),
        (f'{ISSUER}[[resources]]\nidentifier = "http://127.0.0.1:1"', "name the operation types"),
        (f'{ISSUER}[[resources]]\nscopes = ["a"]', "identifier: is missing"),
        (f'{ISSUER}[[resources]]\nidentifier = "http://api.example.com"', "must be https"),
        (f'{ISSUER}[[resources]]\nidentifier = "https://a.example/#b"', "fragment"),
        (f"{ISSUER}{RESOURCE}callback_uris = ['http://a.example/b']", "must be https"),
        (f"{ISSUER}{RESOURCE}callback_uris = ['https://a.example/b#c']", "fragment"),
        (f"{ISSUER}{RESOURCE}callback_uris = ['https://a.example/b']", "goes with client_id"),
        (f"{ISSUER}{RESOURCE}jwks_uri = 'http://api.example.com/jwks'", "must be https"),
        (f"{ISSUER}{CLIENT}jwks_file = 'a'", "needs one of jwks_file"),
        (f'{ISSUER}[[clients]]\nclient_id = "a"', "needs one of jwks_file"),
        (f'{ISSUER}[[clients]]\njwks_file = "a"', "client_id: is missing"),
        (f'{ISSUER}[[clients]]\nclient_id = "a\\nb"\njwks_file = "a"', "printable"),
        (f'{ISSUER}[[clients]]\nclient_id = "{"a" * 201}"\njwks_file = "a"', "at most 200"),
        (f'{ISSUER}[[clients]]\nclient_id = "a"\nsecret_sha256 = "secret"', "64 hex digits"),
        (f'{ISSUER}[[clients]]\nclient_id = "a"\nsecret_sha256 = "{"0" * 62}"', "64 hex digits"),
        (f'{ISSUER}[[clients]]\nclient_id = "a"\nsecret_sha256 = "{"0 " * 32}"', "64 hex digits"),
        (f"{ISSUER}{CLIENT}grant_types = ['password']", "is not one of client_credentials"),
        (f"{ISSUER}{CLIENT}insecure_bearer = 'yes'", "must be true or false"),
        (f"{ISSUER}{CLIENT}groups = ['a', 'a']", "must not repeat"),
        (f"{ISSUER}{CLIENT}max_lifetime = '-1s'", "max_lifetime"),
        (f"{ISSUER}{PROVIDER}jwks_file = 'a'", "needs one of jwks_uri"),
        (f"{ISSUER}{PROVIDER}claims = ['groups']", "must map claims"),
        (f"{ISSUER}{PROVIDER}claims = {{ groups = 7 }}", "must map claims"),
        (f"{ISSUER}{PROVIDER.replace('https', 'http')}", "must be https"),
        (f"{ISSUER}{PROVIDER.replace('audience', '#')}", "audience: is missing"),
        (f"{ISSUER}[context]\npurpose = 'string'", "must be a table"),
        (f"{ISSUER}[attributes.issuer]\ntype = 'string'", "always there"),
        (f"{ISSUER}[types.scope]\nactions = ['a']", "reserved"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_write(load, tmp_path, text, why):
    with pytest.raises(SettingsError, match=why) as caught:
        load(text)
    assert str(caught.value).startswith(str(tmp_path / "fleeting.toml"))


def test_a_file_that_is_not_there_says_how_to_make_one(tmp_path):
    with pytest.raises(SettingsError, match="fleeting init"):
        load_settings(tmp_path / "none.toml", {})


def test_a_file_that_cannot_be_read_says_so(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path, {})


@pytest.mark.parametrize("content", [b"a = ", b"\xff", b"a = 1\na = 2"])
def test_what_is_no_toml_says_so(tmp_path, content):
    path = tmp_path / "fleeting.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="is not TOML"):
        load_settings(path, {})


values = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.sampled_from(['"a"', '"5m"', '"https://a"', '""']),
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(map(toml, items))}]")
        | st.dictionaries(st.sampled_from(["client_id", "kind", "a"]), inner, max_size=2).map(
            lambda pairs: "{" + ", ".join(f"{k} = {toml(v)}" for k, v in pairs.items()) + "}"
        )
    ),
    max_leaves=4,
)


def toml(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


@given(st.dictionaries(st.sampled_from(KEYS), values, max_size=4))
def test_any_toml_is_settings_or_refused(tmp_path_factory, settings):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text("".join(f"{key} = {toml(value)}\n" for key, value in settings.items()))
    try:
        load_settings(path, {"FLEETING_ISSUER": "https://a.example"})
    except SettingsError:
        return


# The environment.


def test_any_setting_can_come_from_the_environment(load):
    settings = load(
        ISSUER + 'database = "sqlite:///a.db"\nworkers = 1',
        {
            "FLEETING_ISSUER": "https://as.example.com",
            "FLEETING_DATABASE": "postgresql://user@host/db",
            "FLEETING_WORKERS": "3",
            "FLEETING_MAX_LIFETIME": "10m",
            "FLEETING_LEDGER_KEEP_DAYS": "30",
            "FLEETING_CLIENTS": '[{client_id = "env", jwks_file = "a"}]',
            "FLEETING_CONFIG": "elsewhere",
            "PATH": "/bin",
        },
    )
    assert settings.issuer == "https://as.example.com"
    assert settings.database == "postgresql://user@host/db"
    assert (settings.workers, settings.ledger_keep_days) == (3, 30)
    assert settings.max_lifetime == timedelta(minutes=10)
    assert [each.client.client_id for each in settings.clients] == ["env"]


def test_the_environment_of_the_process_counts_where_none_is_given(tmp_path, monkeypatch):
    path = tmp_path / "fleeting.toml"
    path.write_text(ISSUER)
    monkeypatch.setenv("FLEETING_LOG_LEVEL", "debug")
    assert load_settings(path).log_level == "debug"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("FLEETING_WORKERS", "many", "FLEETING_WORKERS is not a TOML value"),
        ("FLEETING_WORKERS", "0", "1 or more"),
        ("FLEETING_CLIENTS", "[", "FLEETING_CLIENTS is not a TOML value"),
        ("FLEETING_ISSUER", "http://as.example.com", "must be https"),
    ],
)
def test_the_environment_is_held_to_the_same_rules(load, name, value, why):
    with pytest.raises(SettingsError, match=why):
        load(ISSUER, {name: value})


def test_the_file_is_the_one_given_or_the_environments_or_the_one_here(monkeypatch):
    monkeypatch.delenv("FLEETING_CONFIG", raising=False)
    assert config_path() == Path("fleeting.toml")
    monkeypatch.setenv("FLEETING_CONFIG", "/etc/fleeting.toml")
    assert config_path() == Path("/etc/fleeting.toml")
    assert config_path(Path("given.toml")) == Path("given.toml")


# What is weak, or will not work.


def test_a_bearer_client_is_warned_of_at_every_start(load):
    settings = load(f"{ISSUER}{CLIENT}insecure_bearer = true")
    assert any("insecure_bearer: client bot" in warning for warning in settings.warnings)


def test_policies_are_verified_as_the_installation_says(load):
    assert load(ISSUER).verify is Verify.PERMITS
    for verify in Verify:
        assert load(ISSUER, {"FLEETING_VERIFY": verify.value}).verify is verify
    with pytest.raises(SettingsError, match="verify: must be one of off, sample, permits, all"):
        load(f'{ISSUER}verify = "allow"')


def test_unverified_policies_are_warned_of_at_every_start(load):
    (warning,) = load(f'{ISSUER}verify = "off"').warnings
    assert 'write verify = "permits"' in warning
    for verify in ("sample", "permits", "all"):
        assert load(f'{ISSUER}verify = "{verify}"').warnings == ()


def test_a_resource_without_a_guard_is_warned_of(load):
    assert any("cannot spend" in warning for warning in load(ISSUER + RESOURCE).warnings)
    unknown = load(f"{ISSUER}{RESOURCE}client_id = 'nobody'")
    assert any("nobody" in warning for warning in unknown.warnings)
    known = load(f"{ISSUER}{RESOURCE}client_id = 'bot'\n{CLIENT}")
    assert known.warnings == ()


def test_people_of_several_providers_are_kept_apart(load):
    second = PROVIDER.replace("idp.", "two.")
    providers = load(ISSUER + PROVIDER + second).providers
    assert [each.subject_prefix for each in providers] == [None, "https://two.example.com#"]
    chosen = load(f"{ISSUER}{PROVIDER}{second}subject_prefix = 'two:'").providers
    assert chosen[1].subject_prefix == "two:"
    with pytest.raises(SettingsError, match="declared twice"):
        load(f"{ISSUER}{PROVIDER}{second}subject_prefix = ''")


@pytest.mark.parametrize(
    ("issuer", "bind"),
    [
        ("http://127.0.0.1:9000", ("127.0.0.1", 9000)),
        ("http://localhost", ("localhost", 8400)),
        ("http://[::1]:9000", ("::1", 9000)),
    ],
)
def test_it_listens_where_its_issuer_is_unless_told_otherwise(load, issuer, bind):
    assert load(f'issuer = "{issuer}"').bind == bind
    assert load(f'issuer = "{issuer}"\nbind = "[::]:80"').bind == ("::", 80)


def test_absolute_paths_stay_and_relative_ones_are_beside_the_file(load, tmp_path):
    settings = load(f'{ISSUER}policies = "/etc/policies"\nsigning_keys = "k"')
    assert settings.policies == Path("/etc/policies")
    assert settings.signing_keys == tmp_path / "k"


def test_the_command_lines_own_name_is_no_clients(load):
    with pytest.raises(SettingsError, match="the command line's own"):
        load(ISSUER + CLIENT.replace('"bot"', '"fleeting-cli"'))


def test_how_people_sign_in_is_a_table(load):
    assert load(f'{ISSUER}[sign_in]\nsession_max = "8h"').sign_in.terms.longest.seconds == 28_800
    with pytest.raises(SettingsError, match=r"write \[sign_in\]"):
        load(f"{ISSUER}sign_in = 3")
    with pytest.raises(SettingsError, match=r"sign_in: unknown key 'sesion_max'"):
        load(f"{ISSUER}[sign_in]\nsesion_max = '8h'")
