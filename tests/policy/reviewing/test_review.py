from fleeting.policy import Problem
from fleeting.policy.problems import Severity
from fleeting.policy.rules import ACCEPTABLE, ERRORS, WARNINGS


def solved(rule, policy="a", message="solved"):
    place = ("test.cedar", 1, 1, message, "", policy, rule)
    return Problem(*place, severity=Severity.WARNING)


def test_a_set_that_says_what_is_meant_has_no_warning(warnings, permit, forbid):
    text = permit("context.operation.amount <= 5000") + forbid("context.operation.amount > 9000")
    assert warnings(text, whole=False) == []


def test_warnings_come_in_reading_order(warnings, permit):
    found = warnings(permit(says="", id_="b") + permit(says="", id_="z"), whole=False)
    assert [each.partition(":")[0] for each in found] == ["1", "3", "3"]


def test_an_accepted_warning_is_not_told(warnings, permit):
    says = '@accept("unlimited-uses: it changes nothing")'
    assert warnings(permit(says=says), whole=False) == []
    assert len(warnings(permit(says=says) + permit(says="", id_="b"), "unlimited-uses")) == 1


def test_several_warnings_are_accepted_at_once(warnings, permit):
    says = '@accept("unlimited-uses, redundant-permit: it changes nothing")'
    assert warnings(permit(says=says) + permit(id_="b", says=says), whole=False) == []


def test_what_is_accepted_in_vain_is_told(warnings, permit):
    text = permit(says='@uses("1") @accept("unlimited-uses: it changes nothing")')
    assert warnings(text, "needless-accept") == [
        "1:21: this policy does not give the warning unlimited-uses (delete it from @accept)"
    ]
    assert warnings(text, "needless-accept", whole=False) == []


def test_what_only_a_solver_finds_is_accepted_in_vain_only_if_one_was_asked(warnings, permit):
    text = permit(says='@uses("1") @accept("never-matches: it will")')
    assert warnings(text, "needless-accept") == []
    assert len(warnings(text, "needless-accept", more=())) == 1
    assert warnings(text, "needless-accept", more=[solved("never-matches")]) == []


def test_what_a_solver_finds_is_told_once(warnings, permit):
    text = permit() + permit(id_="b")
    more = [solved("redundant-permit", "b"), solved("never-matches")]
    found = warnings(text, more=more, whole=False)
    assert found == [
        "1:1: solved",
        (
            "3:1: `a` (test.cedar:1) permits whatever this permits, and is chosen before it "
            "(delete it, or make it wider, or its limits narrower)"
        ),
    ]


def test_every_rule_says_what_to_write_instead():
    for id_, rule in {**ERRORS, **WARNINGS}.items():
        assert rule.id == id_
        assert rule.meaning.endswith(".")
        assert rule.instead.endswith(".")
    assert set(ACCEPTABLE) < set(WARNINGS)
    assert not set(ERRORS) & set(WARNINGS)
