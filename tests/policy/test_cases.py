import pytest

from fleeting.core.model import Limits, SenderConstraint
from fleeting.policy import PolicySource
from fleeting.policy.cases import read_cases

REFUND = (
    'operation = { type = "payment_refund", payment_id = "42", amount = 5000, currency = "EUR" }'
)
GOOD = f"""\
[[tests]]
name = "small ones at once"
client = "bot"
{REFUND}
[tests.expect]
decision = "permit"
"""


@pytest.fixture
def read(declared):
    def read(text, **more):
        return read_cases(PolicySource("t.toml", text), declared, {"small", "large"}, **more)

    return read


def test_a_test_is_a_request_and_what_is_expected(read):
    (first, second), problems = read(
        GOOD
        + """\
policies = ["small"]
lifetime = "60s"
uses = 1
bound = "dpop"
reason = ""
operations = [{ type = "payment_refund", actions = ["refund"], payment_id = "42", \
amount = 5000, currency = "EUR" }]

  [[tests]]
name = "another"
client = "bot"
scope = "payments:read"
[tests.expect]
decision = "needs approval"
approvals = "2 of leads, then 1 of board"
uses = "unlimited"
policies = []
operations = []
"""
    )
    assert problems == []
    assert (first.name, first.file, first.line, first.place) == (
        "small ones at once",
        "t.toml",
        1,
        0,
    )
    assert first.asked.request.operations[0].fields["amount"] == 5000
    assert first.granting is None
    assert first.expected == {
        "decision": "permit",
        "policies": ["small"],
        "lifetime": "1m",
        "uses": 1,
        "bound": "dpop",
        "reason": "",
        "operations": [first.asked.request.operations[0].to_json()],
    }
    assert (second.line, second.place) == (14, 1)
    assert second.expected == {
        "decision": "needs approval",
        "approvals": "2 of leads, then 1 of board",
        "uses": "unlimited",
        "policies": [],
        "operations": [],
    }


def test_limits_may_be_taken_for_granted(read):
    (case,), _ = read(
        GOOD.replace(
            "[tests.expect]",
            'granting = { lifetime = "6m", uses = 2, bound = "mtls", approvals = "1 of leads" }\n'
            "[tests.expect]",
        )
    )
    limits = case.granting
    assert (limits.lifetime.seconds, limits.uses, limits.bound) == (360, 2, SenderConstraint.MTLS)
    assert limits.approvals[0].group == "leads"
    (case,), _ = read(GOOD.replace("[tests.expect]", "granting = {}\n[tests.expect]"))
    assert case.granting == Limits(case.granting.lifetime)


def test_no_approvals_may_be_expected(read):
    (case,), problems = read(GOOD + 'approvals = ""\n')
    assert (case.expected["approvals"], problems) == ("", [])


def test_what_is_expected_need_not_be_there_where_it_is_written_anew(read):
    text = GOOD.partition("[tests.expect]")[0]
    (case,), problems = read(text, updating=True)
    assert (case.expected, problems) == ({}, [])
    cases, (problem,) = read(text)
    assert cases == []
    assert str(problem) == (
        "t.toml:1:1: expect: is missing: write [tests.expect] and decision = "
        '"permit" or "deny", or run with --update'
    ).replace('permit" or', 'permit" or')


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("amount = 5000", "amuont = 5", "4:59: operation: payment_refund has no field 'amuont'"),
        ('client = "bot"', 'cleint = "bot"', "3:1: unknown key 'cleint' (did you mean 'client'?)"),
        ('client = "bot"', 'client = "bto"', "3:10: client: no client 'bto' is declared (did you"),
        ('name = "small ones at once"\n', "", "1:1: name: is missing"),
        ('"permit"', '"permitted"', "6:12: expect.decision: is not 'permitted' (did you mean"),
        (
            '"permit"',
            '"yes"',
            "6:12: expect.decision: is not 'yes' (write one of permit, permit in",
        ),
        ('decision = "permit"', "uses = 1", "5:8: expect.decision: is missing: write one of"),
        ('"permit"', '"permit"\nuses = 0', "7:1: expect.uses: must be a whole number of 1 or more"),
        ('"permit"', '"permit"\napprovals = "x"', "7:13: expect.approvals: "),
        (
            '"permit"',
            '"permit"\npolicies = ["smal"]',
            "7:13: expect.policies: there is no policy 'sm",
        ),
        (
            '"permit"',
            '"permit"\noperations = [{}]',
            "7:1: expect.operations: each of authorization",
        ),
        ('"permit"', '"permit"\nlifetmie = 1', "7:1: expect: unknown key 'lifetmie' (did you mean"),
        ("[tests.expect]\n", "expect = 5\n#", "5:1: expect: must be a table"),
        (
            "[tests.expect]",
            'granting = { approvals = "x" }\n[tests.expect]',
            "5:26: granting.approv",
        ),
        (
            "[tests.expect]",
            'granting = { bound = "x" }\n[tests.expect]',
            "5:22: granting.bound: is not",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(read, old, new, expected):
    cases, (problem,) = read(GOOD.replace(old, new))
    assert cases == []
    assert str(problem).removeprefix("t.toml:").startswith(expected), problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = ", "t.toml:1:1: not TOML: Invalid value (at end of document)"),
        ("\na = x", "t.toml:2:5: not TOML: Invalid value"),
        ("tests = 5", "t.toml:1:1: tests: must be an array of tables: write [[tests]]"),
        ("tests = [{}]", "t.toml:1:1: tests: begin each test with [[tests]] on a line of its own"),
        ("[[test]]", "t.toml:1:1: unknown key 'test'; did you mean 'tests'?"),
    ],
)
def test_a_file_that_is_none_is_told_so(read, text, expected):
    cases, (problem,) = read(text)
    assert (cases, str(problem)) == ([], expected)


def test_a_file_without_tests_is_empty(read):
    assert read("# none yet\n") == ([], [])


def test_one_bad_test_does_not_hide_the_others(read):
    cases, problems = read(GOOD + GOOD.replace("amount", "amuont").replace("small", "other"))
    assert [case.name for case in cases] == ["small ones at once"]
    assert [problem.line for problem in problems] == [10]


def test_a_name_is_taken_once(read):
    cases, (problem,) = read(GOOD + GOOD)
    assert len(cases) == 2
    assert str(problem) == "t.toml:7:1: a test of this name is at line 1 already"
