"""Look after people from the terminal, on an installation without a server."""

import json
import re

import pytest

from tests.cli.processes import make_installation


@pytest.fixture
def people(config, fleeting):
    """Run ``fleeting people``, which must do well, and return what it prints."""
    assert fleeting("db", "upgrade", "-c", config).exit_code == 0

    def run(*words):
        done = fleeting("people", *words, "-c", config)
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


def test_somebody_is_added_and_gets_a_link(people):
    said = people("add", "alice", "--name", "Alice A.", "-g", "leads", "-g", "finance")
    assert said.splitlines()[0] == "Alice A. (alice) is added"
    assert re.search(r"^http://127.0.0.1:\d+/enrol/[\w-]{43}$", said, re.MULTILINE)
    assert people("list").split() == ["Alice", "A.", "(alice)", "finance,", "leads"]


def test_the_link_of_an_installation_without_a_host_name_signs_in_and_says_so(config, fleeting):
    assert fleeting("db", "upgrade", "-c", config).exit_code == 0
    done = fleeting("people", "add", "alice", "-c", config)
    assert "127.0.0.1 is an address: the link signs in once instead" in " ".join(
        done.stderr.split()
    )


def test_a_program_reads_json(people):
    added = json.loads(people("add", "alice", "--alias", "idp#alice", "--json"))
    assert added["id"] == "alice"
    assert added["aliases"] == ["idp#alice"]
    assert "/enrol/" in added["link"]
    assert json.loads(people("link", "idp#alice", "--json"))["link"] != added["link"]
    (listed,) = json.loads(people("list", "--json"))
    del added["link"]
    assert listed == added == json.loads(people("show", "idp#alice", "--json"))


def test_somebody_is_regrouped_disabled_enabled_and_removed(people):
    people("add", "alice", "-g", "leads")
    assert people("groups", "alice", "--add", "x", "--remove", "leads").strip() == "alice: x"
    assert people("disable", "alice").strip() == "alice is disabled"
    assert "disabled" in people("list")
    shown = people("show", "alice")
    assert "alice, disabled" in shown
    assert "signs in   here" in shown
    assert people("enable", "alice").strip() == "alice is enabled"
    assert "groups     x" in people("groups", "alice")
    assert people("remove", "alice").strip() == "alice is removed"
    assert "nobody is known yet" in people("list")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("show", "bob"), "nobody is called 'bob' here"),
        (("disable", "bob"), "'fleeting people list' says who is"),
        (("add", "alice"), "'alice' is taken"),
        (("add", "support-bot"), "'support-bot' is the name of a client"),
        (("add", ""), "is no name"),
    ],
)
def test_what_cannot_be_done_is_said(people, fleeting, config, words, told):
    people("add", "alice")
    done = fleeting("people", *words, "-c", config)
    assert done.exit_code == 1
    assert told in " ".join(done.stderr.split())


def test_where_there_is_no_database_yet_it_is_made(tmp_path, fleeting):
    config = make_installation(tmp_path / "new")
    done = fleeting("people", "list", "-c", config)
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "new" / "fleeting.db").exists()


def test_the_ledger_says_what_was_done_to_whom(people, fleeting, config):
    people("add", "alice", "-g", "leads")
    people("disable", "alice")
    lines = fleeting("audit", "tail", "-c", config).stdout.splitlines()
    assert [line.partition("  ")[2].partition(", by ")[0] for line in lines] == [
        "person.changed    alice: added",
        "person.changed    alice: linked",
        "person.changed    alice: disabled",
    ]
