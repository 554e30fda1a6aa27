import json
import stat
import tomllib

from fleeting.server.settings import load_settings


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_init_writes_an_installation_that_policy_check_finds_nothing_wrong_with(fleeting, config):
    done = fleeting("policy", "check", "-c", config)
    assert (done.exit_code, done.stdout) == (0, "4 policies in 2 files: nothing wrong\n")


def test_init_writes_an_installation_without_a_warning(config):
    assert load_settings(config, {}).warnings == ()


def test_private_keys_are_for_their_owner_alone(config):
    keys = config.parent / "keys"
    assert mode(keys / "signing") == 0o700
    private = [*keys.glob("*.jwk.json"), *keys.glob("signing/*.json")]
    assert len(private) == 3
    assert {mode(path) for path in private} == {0o600}


def test_the_public_key_file_holds_no_private_member(config):
    for path in config.parent.glob("keys/*.jwks.json"):
        (key,) = json.loads(path.read_text())["keys"]
        assert "d" not in key


def test_version_control_is_told_to_leave_keys_and_database_alone(config):
    ignored = (config.parent / ".gitignore").read_text().splitlines()
    assert {"keys/*.jwk.json", "keys/signing/", "*.db"} <= set(ignored)


def test_an_installation_that_is_there_is_not_written_over(fleeting, config):
    config.write_text("# mine\n")
    done = fleeting("init", config.parent)
    assert done.exit_code == 1
    assert "--force" in done.stderr
    assert config.read_text() == "# mine\n"


def test_force_writes_settings_anew_and_keeps_every_key(fleeting, config):
    keys = {path: path.read_bytes() for path in config.parent.glob("keys/**/*.json")}
    config.write_text("# mine\n")
    assert fleeting("init", config.parent, "--force").exit_code == 0
    assert "issuer" in config.read_text()
    assert keys == {path: path.read_bytes() for path in config.parent.glob("keys/**/*.json")}


def test_what_is_in_the_directory_already_is_kept(fleeting, tmp_path):
    (tmp_path / "policies").mkdir()
    mine = tmp_path / "policies" / "refunds.cedar"
    mine.write_text("// mine\n")
    (tmp_path / ".gitignore").write_text("*.pyc\n")
    assert fleeting("init", tmp_path).exit_code == 0
    assert mine.read_text() == "// mine\n"
    assert (tmp_path / ".gitignore").read_text().startswith("*.pyc\nkeys/")


def test_the_urls_that_were_asked_for_stand_in_the_settings(fleeting, tmp_path):
    urls = ("--issuer", "https://as.example.com", "--resource", "https://api.example.com")
    assert fleeting("init", "x", *urls).exit_code == 0
    settings = tomllib.loads((tmp_path / "x" / "fleeting.toml").read_text())
    assert settings["issuer"] == "https://as.example.com"
    assert settings["resources"][0]["identifier"] == "https://api.example.com"


def test_a_url_that_could_not_be_served_is_refused_before_anything_is_written(fleeting, tmp_path):
    done = fleeting("init", "x", "--issuer", "http://as.example.com")
    assert done.exit_code == 1
    assert "https://" in done.stderr
    assert not (tmp_path / "x").exists()


def test_a_missing_public_key_is_made_from_the_private_one(fleeting, config):
    public = config.parent / "keys" / "support-bot.jwks.json"
    before = json.loads(public.read_text())
    public.unlink()
    assert fleeting("init", config.parent, "--force").exit_code == 0
    assert json.loads(public.read_text()) == before


def test_it_says_what_to_do_next(fleeting, tmp_path):
    done = fleeting("init", "x")
    assert "fleeting policy check -c x/fleeting.toml" in done.stdout
    assert "fleeting serve -c x/fleeting.toml" in done.stdout
