"""Write a kept policy set back to files."""

import json
import tomllib

import pytest

from fleeting.cli.policy_export import _file_name, _types_toml
from fleeting.cli.terminal import CommandError
from fleeting.core.operations import declare_type
from fleeting.policy import PolicySource


@pytest.fixture
def prepared(config, fleeting):
    for words in (("db", "upgrade"), ("policy", "load")):
        assert fleeting(*words, "-c", config).exit_code == 0
    return config


@pytest.fixture
def export(prepared, fleeting):
    def export(*arguments):
        return fleeting("policy", "export", *arguments, "-c", prepared)

    return export


@pytest.fixture
def live(prepared, fleeting):
    (only,) = json.loads(fleeting("policy", "sets", "--json", "-c", prepared).stdout)
    return only["digest"]


def test_what_is_exported_is_the_very_set_that_was_stored(
    export, live, prepared, fleeting, tmp_path
):
    done = export(live[:8], "earlier/deep")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == f"{live[:12]} is written to earlier/deep: 3 files\n"
    for path in (prepared.parent / "policies").glob("*.cedar"):
        assert (tmp_path / "earlier/deep" / path.name).read_bytes() == path.read_bytes()
    again = fleeting("policy", "load", "earlier/deep", "-c", prepared)
    assert f"{live[:12]} was live already" in again.stdout
    report = json.loads(export(live, "more", "--json").stdout)
    assert report == {
        "digest": live,
        "files": ["more/caps.cedar", "more/refunds.cedar", "more/types.toml"],
        "types_that_differ": [],
    }


def test_nothing_is_overwritten(export, live, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    done = export(live, "mine")
    assert done.exit_code == 1
    assert "mine is not empty: name a directory that is, or a new one" in done.stderr
    assert [each.name for each in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    assert export(live, "mine/notes.txt").exit_code == 1


def test_a_set_that_is_not_kept_is_told(export):
    done = export("zzz", "out")
    assert done.exit_code == 1
    assert "'zzz' names no set: 'fleeting policy sets' lists them" in done.stderr


def test_types_that_are_declared_otherwise_today_are_told_and_written(
    export, live, prepared, tmp_path
):
    prepared.write_text(prepared.read_text().replace('"Refund one payment"', '"Pay back"'))
    done = export(live, "out")
    told = " ".join(done.stderr.split())
    assert told == "fleeting.toml declares payment_refund otherwise now: see types.toml"
    written = tomllib.loads((tmp_path / "out" / "types.toml").read_text())
    assert written["types"]["payment_refund"]["description"] == "Refund one payment"


def test_every_declaration_is_written_so_that_it_is_read_again():
    fields = {
        "amount": {"kind": "at_most", "type": "decimal", "maximum": "12.50", "unit": "EUR"},
        "where.to": {"kind": "one_of", "type": "string", "values": ['a"b\\', "ü\U0001f600"]},
        "path": {"kind": "path", "type": "string", "optional": True, "max_length": 50},
    }
    tables = {
        "a.b": {"actions": ["go", "stop"], "fields": fields, "sensitive": True, "max_uses": 2},
        "plain": {"actions": ["read"], "description": "tab-less 'text'", "max_lifetime": "5m"},
    }
    types = {name: declare_type(name, table) for name, table in tables.items()}
    written = tomllib.loads("\n".join(_types_toml(types)))["types"]
    assert {name: declare_type(name, table) for name, table in written.items()} == types


@pytest.mark.parametrize("name", ["../x.cedar", "/x.cedar", "x.toml", "a\0.cedar", "..", ""])
def test_a_stored_name_leads_nowhere_else(name):
    with pytest.raises(CommandError, match="no name of a policy file"):
        _file_name(PolicySource(name, ""))
