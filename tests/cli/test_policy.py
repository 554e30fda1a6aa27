import json


def break_policy(config, old, new):
    path = config.parent / "policies" / "refunds.cedar"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_problem_is_shown_with_its_line_a_caret_and_what_was_meant(fleeting, config):
    break_policy(config, "amount <= 5000 }", "amuont <= 5000 }")
    done = fleeting("policy", "check", "-c", config)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr == (
        "here/policies/refunds.cedar:13:26: attribute `operation.amuont` in context for "
        'Action::"payment_refund:refund" not found\n'
        "  13 | when { context.operation.amuont <= 5000 };\n"
        "     |                          ^^^^^^\n"
        "   did you mean 'amount'?\n"
        "\n"
        "1 error in 2 files\n"
    )


def test_every_problem_is_told_at_once(fleeting, config):
    break_policy(config, '@uses("1") @approval', '@usess("1") @approval')
    break_policy(config, "amount <= 5000 }", "amuont <= 5000 }")
    done = fleeting("policy", "check", "-c", config)
    assert "2 errors in 2 files" in done.stderr


def test_a_program_reads_the_problems_as_json(fleeting, config):
    break_policy(config, '@lifetime("60s")', '@lifetime("60 seconds")')
    done = fleeting("policy", "check", "-c", config, "--json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert report["ok"] is False
    (problem,) = report["problems"]
    assert problem["policy"] == "small-refunds"
    assert problem["line"] == 11
    assert done.stderr == ""


def test_a_program_reads_that_nothing_is_wrong(fleeting, config):
    report = json.loads(fleeting("policy", "check", "-c", config, "--json").stdout)
    assert report["ok"] is True
    assert report["policies"] == 4
    assert report["problems"] == []


def test_a_directory_without_policies_is_no_error_but_is_remarked(fleeting, config):
    for path in config.parent.glob("policies/*.cedar"):
        path.unlink()
    done = fleeting("policy", "check", "-c", config)
    assert done.exit_code == 0
    assert "nothing is permitted" in done.stdout


def test_the_file_may_come_from_the_environment(fleeting, config):
    done = fleeting("policy", "check", env={"FLEETING_CONFIG": str(config)})
    assert done.exit_code == 0


def test_a_missing_file_is_told_with_what_to_do(fleeting):
    done = fleeting("policy", "check")
    assert done.exit_code == 1
    assert done.stderr == (
        "error: fleeting.toml is not there: make an installation with 'fleeting init DIR', "
        "or name one with -c FILE or FLEETING_CONFIG\n"
    )


def test_a_setting_that_is_not_one_is_told_with_the_nearest(fleeting, config):
    config.write_text(config.read_text().replace("database =", "databas ="))
    done = fleeting("policy", "check", "-c", config)
    assert done.exit_code == 1
    assert "did you mean 'database'" in done.stderr
