"""A submitted access request as its enforcement point follows it: a task, and what came of it.

AuthZEN Access Request and Approval Profile (draft 1), cited as ARAP: §10.2, §11, §12.
Who decides, and by which policy, is not told.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from fleeting.core.access_requests import RemarkKind, RequestRecord, Submitted
from fleeting.core.authzen import REQUESTS_PATH
from fleeting.core.denials import timestamp
from fleeting.core.errors import InvalidTaskState, TaskExpired
from fleeting.core.lifecycle import Status
from fleeting.core.model import Json

PENDING, APPROVED, PARTIAL = "pending", "approved", "partial"

STATUSES: Mapping[Status, str] = MappingProxyType(
    {
        Status.REQUESTED: PENDING,
        Status.PENDING: PENDING,
        Status.APPROVED: PENDING,
        Status.GRANTED: APPROVED,
        Status.DENIED: "denied",
        Status.EXPIRED: "expired",
        Status.CANCELLED: "cancelled",
        Status.RETURNED: "cancelled",
        Status.REVOKED: "cancelled",
        Status.ENDED: "expired",
    }
)
"""Our states in the profile's words (ARAP §11.1.2)."""

_TITLES = {
    PENDING: "Access request submitted",
    APPROVED: "Access approved",
    PARTIAL: "Access approved in part",
    "denied": "Access denied",
    "expired": "Access request expired",
    "cancelled": "Access request cancelled",
}


def submitted_of(record: RequestRecord) -> Submitted:
    """Return what was submitted as *record*.

    Raises:
        LookupError: it was not submitted: a token was asked for.
    """
    if record.submitted is None:
        raise LookupError("no enforcement point submitted this access request")
    return record.submitted


def item_id(task: str, place: int) -> str:
    """Return the id of the access request that is the item of *task* at *place*, from 1 on."""
    return f"{task}.{place}"


def status_of(records: Sequence[RequestRecord]) -> str:
    """Return the status of the whole task (ARAP §10.2)."""
    return _together({STATUSES[record.status] for record in records})


def _together(statuses: set[str]) -> str:
    if PENDING in statuses:
        return PENDING
    return statuses.pop() if len(statuses) == 1 else PARTIAL


def ended_as(records: Sequence[RequestRecord]) -> str:
    """Return how the task ended, whatever became of what was approved since (ARAP §11.1.1)."""
    return _together({APPROVED if it.granted_at else STATUSES[it.status] for it in records})


def check_alive(records: Sequence[RequestRecord]) -> None:
    """Check that the task is not one whose approval was, and is over (ARAP §11.3).

    Raises:
        TaskExpired: it is.
    """
    record = records[0]
    over = record.granted_at is not None and record.status is not Status.GRANTED
    if over and not submitted_of(record).items:
        why = f": {record.reason}" if record.reason else ""
        raise TaskExpired(f"what was approved is {record.status.value}{why}")


def check_pending(records: Sequence[RequestRecord]) -> None:
    """Check that there is something to cancel (ARAP §11.4).

    Raises:
        InvalidTaskState: all of it was decided.
    """
    if status_of(records) != PENDING:
        raise InvalidTaskState(f"this task is {status_of(records)}: there is nothing to cancel")


def task_json(
    records: Sequence[RequestRecord], issuer: str, states: Mapping[str, str]
) -> dict[str, Any]:
    """Return the answer about a task. states: the signed state of each approval, by its id."""
    submitted, status = submitted_of(records[0]), status_of(records)
    endpoint = f"{issuer}{REQUESTS_PATH}/{submitted.task}"
    task: dict[str, Any] = {
        "id": submitted.task,
        "status": status,
        "status_endpoint": endpoint,
        "display": _display(records, status),
    }
    ends = [_ends_at(record) for record in records]
    known = [end for end in ends if end is not None]
    if known:
        task["expires_at"] = timestamp(max(known))
    if status == PENDING:
        task["links"] = {"cancel": f"{endpoint}/cancel"}
    if submitted.items:
        task["items"] = [_item_json(record, states) for record in records]
        return {"task": task}
    task["links"] = {"ticket": f"{issuer}/requests/{records[0].id}", **task.get("links", {})}
    if status == PENDING and len(records[0].terms.stages) > 1:
        task["progress"] = _progress(records[0])
    return {"task": task, **_result(records[0], states)}


def notice_json(records: Sequence[RequestRecord], issuer: str) -> dict[str, Any]:
    """Return what a callback says: how the task ended, and nothing to enforce (ARAP §13)."""
    submitted = submitted_of(records[0])
    told: dict[str, Any] = {
        "task": {
            "id": submitted.task,
            "status": ended_as(records),
            "status_endpoint": f"{issuer}{REQUESTS_PATH}/{submitted.task}",
        }
    }
    callback = submitted.callback
    return told if callback is None or callback.state is None else {"state": callback.state, **told}


def _display(records: Sequence[RequestRecord], status: str) -> dict[str, Json]:
    """Return what may be shown to whoever asked: why not, or what people made of it."""
    said = [text for record in records for text in (record.reason, *_narrowings(record)) if text]
    display: dict[str, Json] = {"title": _TITLES[status]}
    return {**display, "description": "; ".join(dict.fromkeys(said))} if said else display


def _narrowings(record: RequestRecord) -> list[str]:
    return [it.text for it in record.remarks if it.kind is RemarkKind.NARROWED]


def _ends_at(record: RequestRecord) -> datetime | None:
    """Return when there is nothing more to follow: nobody decided, or the approval ends."""
    if STATUSES[record.status] == PENDING:
        return record.expires_at
    return record.not_after if record.status is Status.GRANTED else None


def _progress(record: RequestRecord) -> dict[str, Json]:
    stages = record.terms.stages
    given = [sum(vote.stage == place for vote in record.votes) for place in range(len(stages))]
    done = sum(count >= stage.count for count, stage in zip(given, stages, strict=True))
    return {"current_step": min(done + 1, len(stages)), "total_steps": len(stages)}


def _item_json(record: RequestRecord, states: Mapping[str, str]) -> dict[str, Any]:
    submitted = submitted_of(record)
    return {
        "resource": dict(submitted.resource),
        "action": dict(submitted.action),
        "status": STATUSES[record.status],
        **_result(record, states),
    }


def _result(record: RequestRecord, states: Mapping[str, str]) -> dict[str, Any]:
    if record.status is not Status.GRANTED:
        return {}
    approval = {**approval_json(record), "state": states[record.id]}
    return {"result": {"mode": "reevaluate", "approval": approval}}


def approval_json(record: RequestRecord) -> dict[str, Any]:
    """Return the approval object (ARAP §12), by the access request's id: one story, one name."""
    times = {"approved_at": record.granted_at, "approved_until": record.not_after}
    return {"id": record.id, **{name: timestamp(at) for name, at in times.items() if at}}
