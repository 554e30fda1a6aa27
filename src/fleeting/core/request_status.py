"""What the caller of an access request is told of it: where it stands, and what it came to."""

import math
from datetime import datetime

from fleeting.core.access_requests import Plan, RemarkKind, RequestRecord
from fleeting.core.issuance import details_json, scope_text
from fleeting.core.lifecycle import Status
from fleeting.core.model import Json
from fleeting.core.plans import plan_json, total_name
from fleeting.core.request_deeds import WAITING


def status_json(record: RequestRecord, now: datetime) -> dict[str, Json]:
    """Return where *record* stands; nothing of who decides, but what they asked and why not."""
    body: dict[str, Json] = {
        "access_request_id": record.id,
        "status": record.status.value,
        **_offer(record),
        "tokens": record.calls,
        "expires_in": _seconds_left(record, now),
        "reason": record.reason or None,
        "questions": _remarks(record),
        "extends": record.extends,
        "review_due": None if record.review is None else record.review.due_at.isoformat(),
    }
    return {name: value for name, value in body.items() if value not in (None, [])}


def _offer(record: RequestRecord) -> dict[str, Json]:
    offer = record.offer
    told: dict[str, Json] = {
        "authorization_details": details_json(offer.operations),
        "scope": scope_text(offer.operations) or None,
        "uses": offer.uses,
    }
    if offer.plan is not None:
        told["plan"] = plan_json(offer.plan)
        told["plan_left"] = _plan_left(record, offer.plan)
    return told


def _plan_left(record: RequestRecord, plan: Plan) -> Json:
    totals: dict[str, Json] = {}
    for total in plan.totals:
        left = total.most - record.spent.get(total_name(total), 0)
        totals[total_name(total)] = left if isinstance(left, int) else str(left)
    left_over: dict[str, Json] = {"calls": max(0, plan.calls - record.calls)}
    return left_over | {"totals": totals} if totals else left_over


def _seconds_left(record: RequestRecord, now: datetime) -> int | None:
    if record.status in WAITING:
        end = record.expires_at
    elif record.status is Status.GRANTED and record.not_after is not None:
        end = record.not_after
    else:
        return None
    return max(0, math.ceil((end - now).total_seconds()))


def _remarks(record: RequestRecord) -> list[Json]:
    return [
        {"kind": remark.kind.value, "at": remark.at.isoformat(), "text": remark.text}
        for remark in record.remarks
        if remark.kind is not RemarkKind.NARROWED
    ]
