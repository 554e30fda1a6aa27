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
        "here/policies/refunds.cedar:18:26: attribute `operation.amuont` in context for "
        'Action::"payment_refund:refund" not found\n'
        "  18 | when { context.operation.amuont <= 5000 };\n"
        "     |                          ^^^^^^\n"
        "   did you mean 'amount'?\n"
        "\n"
        "1 error in 2 files\n"
    )


def test_every_problem_is_told_at_once(fleeting, config):
    break_policy(config, '@uses("1")\n@approval', '@usess("1")\n@approval')
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


# Warnings.


def add_policy(config, text, name="more.cedar"):
    path = config.parent / "policies" / name
    path.write_text(text)
    return path


UNLIMITED = """\
@id("tiny-refunds") @lifetime("30s")
permit (principal in Group::"support", action == Action::"payment_refund:refund", resource)
when { context.operation.amount <= 100 && context.request has ticket };
"""


def test_a_warning_is_shown_like_an_error_and_fails_only_if_strict(fleeting, config):
    break_policy(config, '@lifetime("60s")', '@lifetime("60m")')
    done = fleeting("policy", "check", "-c", config)
    assert done.exit_code == 0
    assert done.stderr == (
        "here/policies/refunds.cedar:11:1: warning: a lifetime of 60m is never granted: the most "
        "is 5m [beyond-ceiling]\n"
        '  11 | @lifetime("60m")\n'
        "     | ^^^^^^^^^\n"
        '   write @lifetime("5m"), or raise max_lifetime where it is set\n'
        "\n"
    ).replace("60m is", "1h is")
    assert done.stdout == "4 policies in 2 files: 1 warning\n"
    assert fleeting("policy", "check", "-c", config, "--strict").exit_code == 1


def test_a_new_installation_is_without_a_warning(fleeting, config):
    assert fleeting("policy", "check", "-c", config, "--strict").exit_code == 0


def test_a_warning_can_be_left_out_by_its_name(fleeting, config):
    for path in config.parent.glob("policies/*.cedar"):
        path.unlink()
    strict = ("policy", "check", "-c", config, "--strict")
    assert fleeting(*strict).exit_code == 1
    done = fleeting(*strict, "--accept", "unpermitted-operation")
    assert (done.exit_code, done.stderr) == (0, "")
    done = fleeting(*strict, "--accept", "unpermited-operation")
    assert done.exit_code == 2
    assert "no warning is called" in done.stderr


def test_a_policy_can_accept_a_warning_with_a_reason(fleeting, config):
    add_policy(config, UNLIMITED)
    assert "[unlimited-uses]" in fleeting("policy", "check", "-c", config).stderr
    text = UNLIMITED.replace('@lifetime("30s")', '@accept("unlimited-uses: they are tiny")')
    add_policy(config, text)
    assert "[unlimited-uses]" not in fleeting("policy", "check", "-c", config).stderr


def test_errors_come_first_and_then_what_is_doubtful_of_the_rest(fleeting, config):
    add_policy(config, UNLIMITED, "a.cedar")
    break_policy(config, "amount <= 5000 }", "amuont <= 5000 }")
    done = fleeting("policy", "check", "-c", config)
    assert done.exit_code == 1
    assert done.stderr.index("amuont") < done.stderr.index("[unlimited-uses]")
    assert done.stderr.endswith("1 error and 2 warnings in 3 files\n")


def test_a_warning_about_the_settings_shows_their_line(fleeting, config):
    for path in config.parent.glob("policies/*.cedar"):
        path.unlink()
    done = fleeting("policy", "check", "-c", config)
    assert "here/fleeting.toml:" in done.stderr
    assert "| [types.payment_refund]\n" in done.stderr


def test_the_budget_of_global_policies_is_an_option(fleeting, config):
    add_policy(config, '@id("g") forbid (principal, action, resource) when { context has actor };')
    assert "[global-budget]" not in fleeting("policy", "check", "-c", config).stderr
    done = fleeting("policy", "check", "-c", config, "--global-budget", 0)
    assert "1 policies have no condition in their scope; the budget is 0" in done.stderr


def test_programs_read_warnings_beside_problems(fleeting, config):
    add_policy(config, UNLIMITED)
    report = json.loads(fleeting("policy", "check", "-c", config, "--json").stdout)
    assert (report["ok"], report["problems"], report["policies"]) == (True, [], 5)
    found = {each["rule"]: each for each in report["warnings"]}
    assert found["unlimited-uses"]["severity"] == "warning"
    assert found["unlimited-uses"]["policy"] == "tiny-refunds"
    done = fleeting("policy", "check", "-c", config, "--json", "--strict")
    assert (done.exit_code, json.loads(done.stdout)["ok"]) == (1, False)


def test_in_github_actions_findings_are_workflow_commands(fleeting, config, monkeypatch):
    break_policy(config, "amount <= 5000 }", "amuont <= 5000 }")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    done = fleeting("policy", "check", "-c", config)
    assert done.exit_code == 1
    assert done.stdout == (
        "::error file=here/policies/refunds.cedar,line=18,col=26,endColumn=32,"
        "title=fleeting schema::attribute `operation.amuont` in context for "
        "Action::\"payment_refund:refund\" not found (did you mean 'amount'?)\n"
    )
    text = fleeting("policy", "check", "-c", config, "--format", "text")
    assert text.stdout == ""


def test_code_scanning_reads_sarif(fleeting, config):
    add_policy(config, UNLIMITED)
    done = fleeting("policy", "check", "-c", config, "--format", "sarif")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["runs"][0]["results"]


def test_where_no_solver_is_installed_it_is_said(fleeting, config, monkeypatch):
    monkeypatch.setattr("fleeting.cli.policy.find_spec", lambda _name: None)
    assert "z3 is not installed" in fleeting("policy", "check", "-c", config).stderr
    assert fleeting("policy", "check", "-c", config, "--quick").stderr == ""
