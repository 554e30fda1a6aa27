import json

import cedarpy


def test_the_schema_is_written_where_the_editor_finds_it(fleeting, config):
    done = fleeting("policy", "schema", "-c", config)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == (
        "here/policies/fleeting.cedarschema is written: the Cedar extension of your editor finds "
        "it there\n"
    )
    text = (config.parent / "policies" / "fleeting.cedarschema").read_text()
    assert text.startswith("// Written by `fleeting policy schema`")
    schema = cedarpy.Schema.from_str(text)
    policies = (config.parent / "policies" / "refunds.cedar").read_text()
    assert cedarpy.validate_policies(policies, schema).validation_passed
    assert fleeting("policy", "schema", "-c", config).stdout.endswith("is up to date\n")


def test_the_schema_is_no_policy(fleeting, config):
    fleeting("policy", "schema", "-c", config)
    done = fleeting("policy", "check", "-c", config)
    assert done.stdout == "4 policies in 2 files: nothing wrong\n"


def test_a_stale_schema_is_found(fleeting, config):
    check = ("policy", "schema", "-c", config, "--check")
    done = fleeting(*check)
    assert (done.exit_code, done.stdout) == (
        1,
        "here/policies/fleeting.cedarschema is stale: run 'fleeting policy schema'\n",
    )
    fleeting("policy", "schema", "-c", config)
    assert fleeting(*check).exit_code == 0
    config.write_text(config.read_text().replace('"refund"', '"refund", "void"'))
    assert fleeting(*check).exit_code == 1
    assert "void" not in (config.parent / "policies" / "fleeting.cedarschema").read_text()


def test_it_can_go_elsewhere(fleeting, config, tmp_path):
    fleeting("policy", "schema", "-c", config, "-o", "x.cedarschema")
    text = (tmp_path / "x.cedarschema").read_text()
    assert fleeting("policy", "schema", "-c", config, "-o", "-").stdout == text


def test_a_second_schema_there_would_hide_it_from_the_editor(fleeting, config):
    (config.parent / "policies" / "old.cedarschema").write_text("")
    done = fleeting("policy", "schema", "-c", config)
    assert "beside it are old.cedarschema" in done.stderr.replace("\n", " ")


def test_programs_read_what_was_done(fleeting, config):
    states = [
        json.loads(fleeting("policy", "schema", "-c", config, "--json", *more).stdout)["state"]
        for more in (["--check"], [], [])
    ]
    assert states == ["stale", "written", "current"]
