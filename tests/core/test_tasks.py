"""How an access request looks to the enforcement point that submitted it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fleeting.core.access_requests import (
    ApprovalTerms,
    Callback,
    Offer,
    Remark,
    RemarkKind,
    RequestRecord,
    Submitted,
    Vote,
)
from fleeting.core.errors import InvalidTaskState, TaskExpired
from fleeting.core.lifecycle import Status
from fleeting.core.model import ApprovalStage
from fleeting.core.tasks import (
    STATUSES,
    check_alive,
    check_pending,
    ended_as,
    item_id,
    notice_json,
    status_of,
    submitted_of,
    task_json,
)
from tests.core.asking import plain_request
from tests.installation import START

ISSUER = "https://as.example.com"
OFFER = Offer((), timedelta(minutes=5), 1)
SUBMITTED = Submitted("task", "eval", "digest", {"type": "t", "id": "1"}, {"name": "read"})
RECORD = RequestRecord(
    request=plain_request(id="task"),
    fingerprint="f",
    status=Status.PENDING,
    asked=OFFER,
    offer=OFFER,
    terms=ApprovalTerms((ApprovalStage(1, "leads"), ApprovalStage(1, "finance"))),
    asked_at=START,
    expires_at=START + timedelta(minutes=15),
    policy_digest="p",
    submitted=SUBMITTED,
)
GRANTED = replace(
    RECORD, status=Status.GRANTED, granted_at=START, not_after=START + timedelta(minutes=5)
)


def items(*statuses):
    base = replace(GRANTED, submitted=replace(SUBMITTED, items=len(statuses)))
    places = enumerate(statuses, start=1)
    return [
        replace(base, status=status, request=plain_request(id=item_id("task", place)))
        for place, status in places
    ]


def told(records, *approved):
    return task_json(records, ISSUER, dict.fromkeys(approved, "signed"))


def test_what_waits_can_be_followed_and_cancelled():
    answer = told([RECORD])
    assert answer.keys() == {"task"}
    task = answer["task"]
    assert (task["id"], task["status"]) == ("task", "pending")
    assert task["status_endpoint"] == f"{ISSUER}/access/v1/requests/task"
    assert task["links"]["cancel"] == f"{ISSUER}/access/v1/requests/task/cancel"
    assert task["expires_at"] == "2026-01-01T12:15:00Z"
    assert task["progress"] == {"current_step": 1, "total_steps": 2}


def test_progress_tells_no_names():
    vote = Vote("lena", "Lena", START, 0, "leads", OFFER, START)
    task = told([replace(RECORD, votes=(vote,))])["task"]
    assert task["progress"] == {"current_step": 2, "total_steps": 2}
    assert "lena" not in str(task).lower()
    one = replace(RECORD, terms=ApprovalTerms((ApprovalStage(2, "leads"),)))
    assert "progress" not in told([one])["task"]


def test_an_approval_is_what_comes_of_it():
    answer = told([GRANTED], "task")
    assert answer["task"]["status"] == "approved"
    assert "cancel" not in answer["task"]["links"]
    assert answer["result"] == {
        "mode": "reevaluate",
        "approval": {
            "id": "task",
            "approved_at": "2026-01-01T12:00:00Z",
            "approved_until": "2026-01-01T12:05:00Z",
            "state": "signed",
        },
    }


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.GRANTED}))
def test_nothing_but_a_grant_has_a_result(status):
    assert "result" not in told([replace(RECORD, status=status)])
    assert STATUSES[status] != "approved"


def test_why_not_is_told_and_what_people_made_smaller():
    denied = replace(RECORD, status=Status.DENIED, reason="too much")
    assert told([denied])["task"]["display"] == {
        "title": "Access denied",
        "description": "too much",
    }
    remarks = (
        Remark(RemarkKind.QUESTION, "lena", START, "why?"),
        Remark(RemarkKind.NARROWED, "lena", START, "amount 5 instead of 7"),
    )
    display = told([replace(RECORD, remarks=remarks)])["task"]["display"]
    assert display["description"] == "amount 5 instead of 7"


@pytest.mark.parametrize(
    ("statuses", "whole"),
    [
        ((Status.PENDING, Status.DENIED), "pending"),
        ((Status.GRANTED, Status.APPROVED), "pending"),
        ((Status.DENIED, Status.DENIED), "denied"),
        ((Status.GRANTED, Status.GRANTED), "approved"),
        ((Status.GRANTED, Status.DENIED), "partial"),
        ((Status.REVOKED, Status.CANCELLED), "cancelled"),
    ],
)
def test_a_bundle_s_status_is_that_of_its_items_together(statuses, whole):
    assert status_of(items(*statuses)) == whole


def test_each_item_of_a_bundle_has_a_result_of_its_own():
    answer = told(items(Status.GRANTED, Status.DENIED), "task.1")
    assert answer.keys() == {"task"}
    task = answer["task"]
    assert task["status"] == "partial"
    first, second = task["items"]
    assert first["result"]["approval"]["id"] == "task.1"
    assert (second["status"], "result" in second) == ("denied", False)
    assert first["resource"] == {"type": "t", "id": "1"}
    assert "links" not in task


def test_what_is_over_has_no_end_to_wait_for():
    assert "expires_at" not in told([replace(RECORD, status=Status.DENIED)])["task"]


@pytest.mark.parametrize("status", [Status.RETURNED, Status.REVOKED, Status.ENDED])
def test_an_approval_that_is_over_is_a_task_that_expired(status):
    with pytest.raises(TaskExpired, match=status.value):
        check_alive([replace(GRANTED, status=status)])
    with pytest.raises(TaskExpired, match="because"):
        check_alive([replace(GRANTED, status=status, reason="because")])
    check_alive(items(status))


@pytest.mark.parametrize("record", [RECORD, GRANTED, replace(RECORD, status=Status.DENIED)])
def test_a_task_can_be_looked_at_until_then(record):
    check_alive([record])


def test_only_what_waits_can_be_cancelled():
    check_pending([RECORD])
    check_pending(items(Status.PENDING, Status.DENIED))
    with pytest.raises(InvalidTaskState):
        check_pending([GRANTED])


def test_a_notice_says_where_it_stands_and_nothing_to_enforce():
    assert notice_json([GRANTED], ISSUER) == {
        "task": {
            "id": "task",
            "status": "approved",
            "status_endpoint": f"{ISSUER}/access/v1/requests/task",
        }
    }
    wanted = replace(SUBMITTED, callback=Callback("https://pep.example.com", state="mine"))
    assert notice_json([replace(GRANTED, submitted=wanted)], ISSUER)["state"] == "mine"
    wanted = replace(SUBMITTED, callback=Callback("https://pep.example.com"))
    assert "state" not in notice_json([replace(GRANTED, submitted=wanted)], ISSUER)


@pytest.mark.parametrize("status", [Status.GRANTED, Status.ENDED, Status.REVOKED])
def test_a_task_ends_once_whatever_becomes_of_the_approval(status):
    assert ended_as([replace(GRANTED, status=status)]) == "approved"
    assert ended_as([RECORD]) == "pending"
    denied = replace(RECORD, status=Status.DENIED)
    assert ended_as([replace(GRANTED, status=status), denied]) == "partial"


def test_what_was_asked_for_a_token_is_no_task():
    with pytest.raises(LookupError):
        submitted_of(replace(RECORD, submitted=None))
