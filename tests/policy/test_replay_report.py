"""A report counts all, tells policies apart, and keeps a few examples of each."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fleeting.core.evidence import RecordedEntry
from fleeting.core.model import ActionDecision, Decision, Limits, Path, Verdict
from fleeting.policy import replay_report
from fleeting.policy.replay_report import EXAMPLES, LeftOut, ReplayReport
from fleeting.policy.replaying import Change, Difference, Redecided

ROW = RecordedEntry("writer", 7, "", 0, "", None, None, "")
LIMITS = Limits(timedelta(minutes=1))
BEFORE = ActionDecision(0, "refund", Verdict.NO_PERMIT)
AFTER = ActionDecision(0, "refund", Verdict.PERMITTED, (Path("small", LIMITS),))


@pytest.fixture
def redecided(ask, refund):
    def redecided(*differences, answers=1, exact=False):
        request = ask(refund(1))
        return Redecided(request, Decision("digest", (AFTER,)), exact, answers, differences)

    return redecided


def permitted(policy="small", **changes):
    difference = Difference(Change.NEWLY_PERMITTED, policy, "permits it", BEFORE, AFTER)
    return replace(difference, **changes)


def test_requests_and_decisions_are_counted(redecided):
    report = ReplayReport()
    report.add(redecided(permitted(), answers=3), ROW)
    report.add(redecided(answers=2, exact=True), ROW)
    report.add(redecided(answers=0), ROW)  # of another type than the one asked for
    assert (report.requests, report.exact) == (2, 1)
    assert report.decisions == {Change.SAME: 4, Change.NEWLY_PERMITTED: 1}


def test_differences_are_grouped_by_change_policy_and_way_with_a_few_examples(redecided):
    report = ReplayReport()
    for _ in range(EXAMPLES + 2):
        report.add(redecided(permitted()), ROW)
    report.add(redecided(permitted(how="permits it with approval")), ROW)
    report.add(redecided(permitted(change=Change.NEWLY_DENIED)), ROW)
    report.add(redecided(permitted("large"), permitted("large"), answers=2), ROW)
    groups = [*report.groups()]
    assert [(each.change, each.policy, each.how, each.count) for each in groups] == [
        (Change.NEWLY_PERMITTED, "small", "permits it", 5),
        (Change.NEWLY_PERMITTED, "large", "permits it", 2),
        (Change.NEWLY_PERMITTED, "small", "permits it with approval", 1),
        (Change.NEWLY_DENIED, "small", "permits it", 1),
    ]
    assert [len(each.examples) for each in groups] == [EXAMPLES, 2, 1, 1]
    example = groups[0].examples[0]
    assert (example.request_id, example.client, example.subject) == ("request", "bot", "bot")
    assert example.operation.type == "payment_refund"


def test_beyond_what_is_told_apart_there_are_others(redecided, monkeypatch):
    monkeypatch.setattr(replay_report, "MOST_GROUPS", 2)
    report = ReplayReport()
    for policy in ("a", "b", "c", "d", "a"):
        report.add(redecided(permitted(policy)), ROW)
    assert {each.policy or each.how: each.count for each in report.groups()} == {
        "a": 2,
        "b": 1,
        "others": 2,
    }


def test_faults_stand_by_themselves(redecided):
    report = ReplayReport()
    report.add(redecided(permitted(fault=True), exact=True), ROW)
    report.add(redecided(permitted(change=Change.SAME, fault=True), exact=True), ROW)
    assert report.faults.count == 2
    assert report.decisions == {Change.SAME: 1, Change.NEWLY_PERMITTED: 1}
    assert [each.change for each in report.groups()] == [Change.NEWLY_PERMITTED]


def test_the_first_entry_that_cannot_be_read_is_named():
    left_out = LeftOut()
    left_out.unread(ROW, ValueError("broken"))
    left_out.unread(ROW._replace(sequence=8), ValueError("too"))
    assert left_out.unreadable == 2
    assert left_out.first == "entry 7 of chain writer (broken)"
