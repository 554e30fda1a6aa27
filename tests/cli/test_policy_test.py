import json

import pytest

REFUND = 'operation = { type = "payment_refund", payment_id = "42", amount = %s, currency = "EUR" }'


@pytest.fixture
def policies(config):
    return config.parent / "policies"


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_init_writes_passes_and_exercises_everything(fleeting, config):
    done = fleeting("policy", "test", "-c", config, "--require-coverage")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == (
        "7 tests: 7 passed\nexercised: 4 of 4 policies, 7 of 7 conditions both ways\n"
    )


def test_a_failing_test_shows_what_was_expected_what_is_and_why(fleeting, config, policies):
    replace(policies / "refunds.cedar", "amount <= 5000 }", "amount <= 500 }")
    done = fleeting("policy", "test", "-c", config)
    assert done.exit_code == 1
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    for line in (
        "✗ support refunds up to 50.00 at once here/policies/tests/refunds.toml:9",
        "decision expected permit, but it is needs approval",
        "policies expected small-refunds, but it is large-refunds",
        "lifetime expected 1m, but it is 5m",
        "why large-refunds (here/policies/refunds.cedar:22) is satisfied",
        "context.operation.amount <= 500 (operation.amount is 5000)",
        "7 tests: 5 passed, 2 failed",
    ):
        assert line in lines, done.stdout


def test_a_program_reads_the_same(fleeting, config, policies):
    replace(policies / "refunds.cedar", "amount <= 5000 }", "amount <= 500 }")
    done = fleeting("policy", "test", "-c", config, "--json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert report["ok"] is False
    assert report["coverage"]["policies"] == {"exercised": 4, "of": 4}
    failed = [test for test in report["tests"] if not test["passed"]]
    assert failed[0]["actual"]["decision"] == "needs approval"
    assert failed[0]["why"][1] == {
        "policy": "small-refunds",
        "satisfied": False,
        "failed": [
            {
                "condition": "context.operation.amount <= 500",
                "part": "when",
                "line": 18,
                "seen": {"context.operation.amount": 5000},
            }
        ],
    }


def test_what_nothing_exercises_is_told_and_is_a_failure_where_that_is_wanted(
    fleeting, config, policies
):
    with (policies / "refunds.cedar").open("a") as file:
        file.write(
            '@id("by-night")\n'
            'permit (principal, action == Action::"payment_refund:refund", resource)\n'
            'when { context.now.toTime() < duration("6h") };\n'
        )
    done = fleeting("policy", "test", "-c", config)
    assert done.exit_code == 0
    assert "by-night is never satisfied" in done.stdout
    assert 'context.now.toTime() < duration("6h") is never true' in done.stdout
    assert fleeting("policy", "test", "-c", config, "--require-coverage").exit_code == 1
    report = json.loads(fleeting("policy", "test", "-c", config, "--json").stdout)
    assert [gap["never"] for gap in report["coverage"]["gaps"]] == ["satisfied", "true"]


def test_of_many_gaps_the_first_are_told(fleeting, config, policies):
    with (policies / "refunds.cedar").open("a") as file:
        for number in range(40):
            file.write(
                f'@id("p{number}") permit (principal, action == Action::"payment_refund:refund", '
                f"resource) when {{ context.operation.amount == {number + 900000} }};\n"
            )
    done = fleeting("policy", "test", "-c", config)
    assert "and 50 more: --json has them all" in done.stdout


def test_files_may_be_named_and_then_coverage_is_not_told(fleeting, config, policies):
    done = fleeting("policy", "test", "-c", config, policies / "tests" / "refunds.toml")
    assert done.stdout == "7 tests: 7 passed\n"


def test_a_mistake_in_a_test_is_shown_with_its_line(fleeting, config, policies):
    (policies / "tests" / "more.toml").write_text(
        f'[[tests]]\nname = "x"\n{REFUND % 5}\n[tests.expect]\ndecision = "permitt"\n'
    )
    done = fleeting("policy", "test", "-c", config)
    assert done.exit_code == 1
    assert done.stderr == (
        "here/policies/tests/more.toml:5:12: expect.decision: is not 'permitt'\n"
        '   5 | decision = "permitt"\n'
        "     |            ^^^^^^^^^\n"
        "   did you mean 'permit'?\n"
        "\n"
    )
    assert "7 tests: 7 passed" in done.stdout
    report = json.loads(fleeting("policy", "test", "-c", config, "--json").stdout)
    assert (report["ok"], report["problems"][0]["line"]) == (False, 5)


def test_an_installation_without_tests_is_told_where_to_write_them(fleeting, config, policies):
    (policies / "tests" / "refunds.toml").unlink()
    done = fleeting("policy", "test", "-c", config)
    assert done.exit_code == 1
    assert "there are no tests: write" in done.stderr


def test_a_file_that_is_not_text_is_told_so(fleeting, config, policies):
    (policies / "tests" / "more.toml").write_bytes(b"\xff")
    assert "not UTF-8" in fleeting("policy", "test", "-c", config).stderr


def test_update_writes_what_is_true_now_and_keeps_comments(fleeting, config, policies):
    tests = policies / "tests" / "refunds.toml"
    (policies / "tests" / "more.toml").write_text(
        f'[[tests]]\nname = "x"  # a remark\n{REFUND % 100}\n\n# the end\n'
    )
    before = tests.read_text()
    replace(policies / "refunds.cedar", "amount <= 5000 }", "amount <= 500 }")
    done = fleeting("policy", "test", "-c", config, "--update")
    assert (done.exit_code, done.stdout) == (0, "3 tests of 8 written anew\n")
    assert "review" in done.stderr
    after = tests.read_text()
    changed = [line for line in after.splitlines() if line not in before.splitlines()]
    assert changed == []  # every line it writes is a line that another test had
    assert before.count("#") == after.count("#")
    assert 'approvals = "2 of payments-leads"\n\n# ----' in after
    assert (policies / "tests" / "more.toml").read_text() == (
        f'[[tests]]\nname = "x"  # a remark\n{REFUND % 100}\n\n# the end\n\n'
        '[tests.expect]\ndecision = "permit"\npolicies = ["small-refunds"]\n'
        'lifetime = "1m"\nuses = 1\n'
    )
    assert fleeting("policy", "test", "-c", config).exit_code == 0


def test_update_takes_away_what_a_refusal_does_not_have(fleeting, config, policies):
    replace(policies / "refunds.cedar", 'Group::"support"', 'Group::"nobody"')
    fleeting("policy", "test", "-c", config, "--update")
    first = (policies / "tests" / "refunds.toml").read_text().split("[[tests]]")[1]
    assert first.partition("[tests.expect]\n")[2].strip() == 'decision = "deny"\npolicies = []'


def test_update_leaves_alone_what_cannot_be_read(fleeting, config, policies):
    broken = policies / "tests" / "more.toml"
    broken.write_text("[[tests]\n")
    done = fleeting("policy", "test", "-c", config, "--update")
    assert done.exit_code == 1
    assert "not TOML" in done.stderr
    assert broken.read_text() == "[[tests]\n"
