import json

from fleeting.cli.db import without_password


def test_upgrade_says_from_what_to_what(fleeting, config):
    done = fleeting("db", "upgrade", "-c", config, "--json")
    report = json.loads(done.stdout)
    assert report["from"] is None
    assert report["to"]
    again = fleeting("db", "upgrade", "-c", config)
    assert again.stdout.endswith(f"{report['to']} already\n")


def test_a_database_that_cannot_be_reached_is_told_without_its_password(fleeting, config):
    url = "postgresql://fleeting:secret-word@127.0.0.1:1/fleeting"
    done = fleeting("db", "upgrade", "-c", config, env={"FLEETING_DATABASE": url})
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")
    assert "secret-word" not in done.output


def test_memory_has_nothing_to_upgrade(fleeting, config):
    done = fleeting("db", "upgrade", "-c", config, env={"FLEETING_DATABASE": "memory://"})
    assert done.exit_code == 1


def test_a_url_is_shown_without_its_password():
    assert without_password("postgresql://a:b@h:1/d") == "postgresql://a:***@h:1/d"
    assert without_password("postgresql://a@h/d") == "postgresql://a@h/d"
    assert without_password("sqlite:////x/y.db") == "sqlite:////x/y.db"
