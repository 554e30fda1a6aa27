import itertools
import json
import shutil
import sqlite3
import threading
import time

import pytest

from tests.cli.processes import make_installation, process, serving


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """An installation whose server issued, spent and stopped; tests take copies of it."""
    config = make_installation(tmp_path_factory.mktemp("stopped"))
    with serving(config) as (server, _):
        server.spend(server.token(), "first")
        server.token(amount=4000)
    return config


@pytest.fixture
def ledger(stopped, tmp_path):
    shutil.copytree(stopped.parent, tmp_path / "copy")
    return tmp_path / "copy" / "fleeting.toml"


def alter(config, statement):
    with sqlite3.connect(config.parent / "fleeting.db") as connection:
        connection.execute(statement)
    connection.close()


def test_an_untouched_ledger_verifies(fleeting, ledger):
    done = fleeting("audit", "verify", "-c", ledger)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "7 entries, 1 chain, 1 signed checkpoint: nothing was altered\n"


def test_an_altered_entry_is_found_and_named(fleeting, ledger):
    alter(ledger, "UPDATE ledger SET body = replace(body, '5000', '9000') WHERE sequence = 3")
    done = fleeting("audit", "verify", "-c", ledger)
    assert done.exit_code == 1
    assert ", entry 3: altered: " in done.stderr


def test_a_program_reads_where_the_ledger_was_cut(fleeting, ledger):
    alter(ledger, "DELETE FROM ledger WHERE sequence = 4")
    done = fleeting("audit", "verify", "-c", ledger, "--json")
    report = json.loads(done.stdout)
    assert (done.exit_code, report["ok"]) == (1, False)
    assert [(f["kind"], f["sequence"]) for f in report["findings"]] == [
        ("removed", 4),
        ("altered", None),  # the use that it told of is the token's alone now
    ]


def test_a_checkpoint_that_no_key_of_ours_signed_is_found(fleeting, ledger):
    directory = ledger.parent / "keys" / "signing"
    for path in directory.glob("*.json"):
        path.unlink()
    assert fleeting("keys", "rotate", "-c", ledger).exit_code == 0
    done = fleeting("audit", "verify", "-c", ledger)
    assert done.exit_code == 1
    assert "unsigned" in done.stderr


def test_tail_shows_a_line_for_each_entry(fleeting, ledger):
    lines = fleeting("audit", "tail", "-c", ledger).stdout.splitlines()
    assert len(lines) == 7
    assert "token.spent       payments-api serves payment_refund:refund" in lines[3]
    assert lines[3].endswith("]")
    assert fleeting("audit", "tail", "-c", ledger, "-n", 2).stdout.splitlines() == lines[-2:]


def test_tail_follows_until_it_is_told_to_stop(server):
    with process("audit", "tail", "-c", server.config, "-n", 0, "--follow", "--json") as running:
        lines = []
        reader = threading.Thread(target=lambda: lines.append(running.stdout.readline()))
        reader.start()
        until = time.monotonic() + 30
        while reader.is_alive() and time.monotonic() < until:
            token = server.token()
            reader.join(0.5)
        assert json.loads(lines[0])["kind"] == "token.issued"
        assert token.value not in lines[0]


def test_an_export_holds_every_entry_and_its_hash(fleeting, ledger):
    lines = fleeting("audit", "export", "-c", ledger).stdout.splitlines()
    entries = [json.loads(line) for line in lines]
    assert [entry["sequence"] for entry in entries] == [1, 2, 3, 4, 5, 6, 7]
    assert all(later["previous"] == entry["hash"] for entry, later in itertools.pairwise(entries))


def test_an_export_to_a_file_is_for_its_owner_alone(fleeting, ledger, tmp_path):
    done = fleeting("audit", "export", "-c", ledger, "--since", "24h", "-o", "x.jsonl")
    assert done.exit_code == 0
    assert "7 entries in x.jsonl" in done.stderr
    assert (tmp_path / "x.jsonl").stat().st_mode & 0o077 == 0


def test_an_export_may_begin_at_an_instant(fleeting, ledger):
    done = fleeting("audit", "export", "-c", ledger, "--since", "2999-01-01T00:00Z")
    assert (done.exit_code, done.stdout) == (0, "")


def test_a_time_that_is_none_is_a_usage_error(fleeting, ledger):
    done = fleeting("audit", "export", "-c", ledger, "--since", "yesterday")
    assert done.exit_code == 2


@pytest.mark.parametrize("command", ["verify", "tail", "export"])
def test_without_a_database_nothing_is_made_and_it_says_who_makes_it(fleeting, config, command):
    done = fleeting("audit", command, "-c", config)
    assert done.exit_code == 1
    assert "fleeting serve" in done.stderr
    assert not (config.parent / "fleeting.db").exists()
