import pytest

from fleeting.policy import PolicySource
from fleeting.policy.cases import read_cases
from fleeting.policy.judging import Judge
from fleeting.policy.testing import Coverer, Difference, run_case, why

POLICIES = """\
@id("small") @lifetime("60s") @uses("1")
permit (principal in Group::"support", action == Action::"payment_refund:refund", resource)
when { context.operation.amount <= 5000 };
@id("large") @lifetime("5m") @uses("1") @approval("2 of leads")
permit (principal in Group::"support", action == Action::"payment_refund:refund", resource)
when { context.operation.amount <= 500000 };
@id("login") @step_up("gold")
permit (principal is User, action == Action::"transfer:make", resource);
@id("cancel")
permit (principal, action == Action::"transfer:cancel", resource);
@id("key") @bound("mtls")
permit (principal, action == Action::"scope:payments:write", resource);
@id("single") @reason("once")
forbid (principal, action == Action::"payment_refund:refund", resource)
unless { context.limits.uses == 1 };
@id("far") @reason("too much; ask finance")
forbid (principal, action == Action::"payment_refund:refund", resource)
when { context.operation.amount > 500000 };
"""
TRANSFER = '{ type = "transfer", actions = [%s], value = "5.00" }'


def refund(amount, more=""):
    return (
        f'operation = {{ type = "payment_refund", payment_id = "42", amount = {amount}, '
        f'currency = "EUR" }}\n{more}'
    )


@pytest.fixture
def run(load, declared):
    bundle = load(POLICIES)

    def run(asked, expect='decision = "permit"'):
        text = f'[[tests]]\nname = "x"\nclient = "bot"\n{asked}\n[tests.expect]\n{expect}\n'
        (case,), problems = read_cases(PolicySource("t.toml", text), declared, bundle.policies)
        assert problems == []
        return run_case(bundle, case)

    run.bundle = bundle
    return run


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            refund(5000),
            {
                "decision": "permit",
                "policies": ["small"],
                "lifetime": "1m",
                "uses": 1,
                "bound": "dpop",
            },
        ),
        (
            refund(5001),
            {"decision": "needs approval", "policies": ["large"], "approvals": "2 of leads"},
        ),
        (
            refund(500001),
            {"decision": "deny", "policies": ["far"], "reason": "too much; ask finance"},
        ),
        (refund(1, 'groups = ["sales"]'), {"decision": "deny", "policies": [], "operations": []}),
        (
            'subject = "ada"\noperation = ' + TRANSFER % '"make"',
            {"decision": "needs login", "policies": ["login"]},
        ),
        (
            'scope = "payments:write"',
            {"decision": "needs key", "policies": ["key"], "uses": "unlimited"},
        ),
        (
            "operation = " + TRANSFER % '"make", "cancel"',
            {
                "decision": "permit in part",
                "policies": ["cancel"],
                "operations": [{"type": "transfer", "actions": ["cancel"], "value": "5.00"}],
            },
        ),
        (
            'scope = "payments:write"\n' + refund(5001),
            {"decision": "deny", "policies": []},
        ),
        (
            refund(1, "granting = { uses = 2 }"),
            {"decision": "deny", "policies": ["single"], "reason": "once"},
        ),
        (
            refund(1, "granting = { uses = 1 }"),
            {"decision": "permit", "policies": [], "reason": ""},
        ),
    ],
)
def test_what_comes_of_a_request_is_told_in_the_words_of_tests(run, asked, told):
    found = run(asked).outcome.told
    assert {name: found.get(name) for name in told} == told


def test_a_test_passes_where_all_that_it_states_is_so(run):
    result = run(refund(5000), 'decision = "permit"\nuses = 1')
    assert result.passed
    assert result.differences == ()


def test_a_test_fails_with_what_is_otherwise(run):
    result = run(refund(5001), 'decision = "permit"\npolicies = ["small"]\nlifetime = "60s"')
    assert not result.passed
    assert result.differences == (
        Difference("decision", "permit", "needs approval"),
        Difference("policies", ["small"], ["large"]),
        Difference("lifetime", "1m", "5m"),
    )


def test_what_a_refusal_has_no_more_differs(run):
    result = run(refund(500001), 'decision = "deny"\nuses = 1\nreason = "ask finance"')
    assert result.differences == (Difference("uses", 1, None),)


def test_why_it_failed_is_told_by_the_policies_that_it_is_about(run):
    result = run(refund(5001), 'decision = "permit"\npolicies = ["small"]')
    reasons = [
        (each.policy.id, [t.condition.text for t in each.failed])
        for each in why(Judge(run.bundle), result)
    ]
    assert reasons == [("large", []), ("small", ["context.operation.amount <= 5000"])]


def test_where_no_policy_is_meant_every_permit_is_told(run):
    result = run(refund(1, 'groups = ["sales"]'))
    reasons = [each.policy.id for each in why(Judge(run.bundle), result)]
    assert reasons == ["large", "small"]


def test_an_error_in_a_forbid_refuses_whatever_is_granted(run, load, declared):
    from dataclasses import replace

    from fleeting.policy.outcomes import forbidding

    text = run.bundle.policies["far"].text.replace("amount > 500000", "missing > 5")
    policies = {**run.bundle.policies, "far": replace(run.bundle.policies["far"], text=text)}
    result = run(refund(1, "granting = { uses = 1 }"))
    found = forbidding(
        replace(run.bundle, policies=policies), result.case.asked, result.case.granting
    )
    assert found.told["decision"] == "deny"
    assert found.decision.answers[0].errors


def covered(run, *results):
    coverer = Coverer(Judge(run.bundle))
    for result in results:
        coverer.note(result)
    return coverer.coverage()


def gaps(coverage):
    return [
        f"{gap.policy.id}:{gap.line}: {gap.condition and gap.condition.text} never {gap.never}"
        for gap in coverage.gaps
    ]


def test_what_nothing_asks_about_is_one_gap_each(run):
    coverage = covered(run)
    assert coverage.policies == (0, 7)
    assert coverage.conditions == (0, 7)
    assert {gap.never for gap in coverage.gaps} == {"asked about"}


def test_a_condition_counts_that_was_seen_both_ways(run):
    coverage = covered(run, run(refund(5000)), run(refund(5001)))
    found = [gap for gap in gaps(coverage) if "asked about" not in gap]
    assert found == [
        'small:2: principal in Group::"support" never false',
        'large:5: principal in Group::"support" never false',
        "large:6: context.operation.amount <= 500000 never false",
        "single:13: None never satisfied",
        "single:15: context.limits.uses == 1 never false",
        "far:16: None never satisfied",
        "far:18: context.operation.amount > 500000 never true",
    ]
    assert coverage.policies == (2, 7)


def test_everything_can_be_exercised(run):
    text = 'subject = "ada"\nacr = "gold"\noperation = ' + TRANSFER % '"make", "cancel"'
    coverage = covered(
        run,
        run(refund(5000)),
        run(refund(5001)),
        run(refund(500001)),
        run(refund(1, 'groups = ["sales"]')),
        run(refund(1, "granting = { uses = 2 }")),
        run(text),
        run("operation = " + TRANSFER % '"make"'),
        run('scope = "payments:write"'),
    )
    assert gaps(coverage) == []
    assert coverage.policies == (7, 7)
    assert coverage.conditions == (7, 7)
