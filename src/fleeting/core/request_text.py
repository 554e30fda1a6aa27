"""A ``RequestRecord`` as the one JSON text that is stored, and back."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from fleeting.core.access_requests import (
    ApprovalTerms,
    Minted,
    Offer,
    Plan,
    Remark,
    RemarkKind,
    RequestRecord,
    Review,
    Total,
    Vote,
)
from fleeting.core.ceremony import Escalation
from fleeting.core.lifecycle import Status
from fleeting.core.limits import describe_approvals, parse_approval
from fleeting.core.model import AccessRequest, Json, Operation
from fleeting.core.recorded import (
    UNREADABLE,
    Decimals,
    Members,
    Types,
    decimal_fields,
    maybe_instant,
    recorded_operation,
    recorded_request,
    text_of,
)
from fleeting.core.recording import operations_json, request_json
from fleeting.core.submission_text import read_submitted, submitted_json

_SECOND = timedelta(seconds=1)


def write_record(record: RequestRecord) -> str:
    """Return *record* as ASCII text, all but its revision: that is the store's."""
    body: dict[str, Json] = {
        "request": _request_json(record.request),
        "fingerprint": record.fingerprint,
        "status": record.status.value,
        "asked": offer_json(record.asked),
        "offer": offer_json(record.offer),
        "terms": _terms_json(record.terms),
        "asked_at": record.asked_at.isoformat(),
        "expires_at": record.expires_at.isoformat(),
        "policy_digest": record.policy_digest,
        "behind": [*sorted(record.behind)],
        "votes": [_vote_json(vote) for vote in record.votes],
        "remarks": [_remark_json(remark) for remark in record.remarks],
        "granted_at": _written(record.granted_at),
        "not_after": _written(record.not_after),
        "minted": [_minted_json(token) for token in record.minted],
        "calls": record.calls,
        "spent": {name: _number(value) for name, value in record.spent.items()},
        "ended_by": record.ended_by,
        "reason": record.reason,
        "extends": record.extends,
        "extensions": record.extensions,
        "break_glass": record.break_glass,
        "review": None if record.review is None else _review_json(record.review),
        "submitted": None if record.submitted is None else submitted_json(record.submitted),
    }
    return json.dumps(body, separators=(",", ":"), sort_keys=True, allow_nan=False)


def read_record(text: str, revision: int, types: Types) -> RequestRecord:
    """Return the record that ``write_record`` wrote; *types* say which fields are decimals.

    Raises:
        ValueError: no version up to this one writes such a text.
    """
    try:
        return _read(json.loads(text), revision, decimal_fields(types))
    except (*UNREADABLE, ValueError) as error:
        raise ValueError(f"not an access request that this version writes: {error!r}") from error


def _read(body: Members, revision: int, decimals: Decimals) -> RequestRecord:
    written = body["request"]
    request = recorded_request(written["id"], written["txn"], written, decimals)
    return RequestRecord(
        request=request,
        fingerprint=text_of(body["fingerprint"]),
        status=Status(body["status"]),
        asked=_offer(body["asked"], decimals),
        offer=_offer(body["offer"], decimals),
        terms=_terms(body["terms"]),
        asked_at=datetime.fromisoformat(body["asked_at"]),
        expires_at=datetime.fromisoformat(body["expires_at"]),
        policy_digest=text_of(body["policy_digest"]),
        behind=frozenset(_texts(body["behind"])),
        votes=tuple(_vote(each, decimals) for each in body["votes"]),
        remarks=tuple(_remark(each) for each in body["remarks"]),
        granted_at=maybe_instant(body["granted_at"]),
        not_after=maybe_instant(body["not_after"]),
        minted=tuple(_minted(each) for each in body["minted"]),
        calls=_whole(body["calls"]),
        spent={name: _counted(value) for name, value in body["spent"].items()},
        ended_by=_maybe(body["ended_by"]),
        reason=text_of(body["reason"]),
        extends=_maybe(body["extends"]),
        extensions=_whole(body["extensions"]),
        break_glass=_maybe(body["break_glass"]),
        review=None if body["review"] is None else _review(body["review"]),
        submitted=None if body["submitted"] is None else read_submitted(body["submitted"]),
        revision=revision,
    )


def _request_json(request: AccessRequest) -> Json:
    return {"id": request.id, "txn": request.txn, **request_json(request)}


def offer_json(offer: Offer) -> dict[str, Json]:
    """Return *offer* as the one value that stands for it, wherever it is written or compared."""
    return {
        "operations": operations_json(offer.operations),
        "lifetime": offer.lifetime // _SECOND,
        "uses": offer.uses,
        "plan": None if offer.plan is None else _plan_json(offer.plan),
    }


def _offer(written: Members, decimals: Decimals) -> Offer:
    plan = written["plan"]
    return Offer(
        operations=_operations(written["operations"], decimals),
        lifetime=_seconds(written["lifetime"]),
        uses=None if written["uses"] is None else _whole(written["uses"]),
        plan=None if plan is None else _plan(plan),
    )


def _operations(written: Iterable[Members], decimals: Decimals) -> tuple[Operation, ...]:
    return tuple(recorded_operation(each, decimals) for each in written)


def _plan_json(plan: Plan) -> Json:
    totals: list[Json] = [
        {"type": total.type, "field": total.field, "most": _number(total.most)}
        for total in plan.totals
    ]
    return {"calls": plan.calls, "duration": plan.duration // _SECOND, "totals": totals}


def _plan(written: Members) -> Plan:
    return Plan(
        calls=_whole(written["calls"]),
        duration=_seconds(written["duration"]),
        totals=tuple(
            Total(text_of(each["type"]), text_of(each["field"]), _counted(each["most"]))
            for each in written["totals"]
        ),
    )


def _terms_json(terms: ApprovalTerms) -> Json:
    escalation = terms.escalation
    return {
        "approval": describe_approvals(terms.stages) or None,
        "policies": list(terms.policies),
        "reasons": list(terms.reasons),
        "escalation": None
        if escalation is None
        else {"after": escalation.after // _SECOND, "group": escalation.group},
        "max_age": None if terms.max_age is None else terms.max_age // _SECOND,
    }


def _terms(written: Members) -> ApprovalTerms:
    approval, escalation = written["approval"], written["escalation"]
    max_age = written["max_age"]
    return ApprovalTerms(
        stages=() if approval is None else parse_approval(approval),
        policies=_texts(written["policies"]),
        reasons=_texts(written["reasons"]),
        escalation=None
        if escalation is None
        else Escalation(_seconds(escalation["after"]), text_of(escalation["group"])),
        max_age=None if max_age is None else _seconds(max_age),
    )


def _vote_json(vote: Vote) -> Json:
    return {
        "person": vote.person,
        "name": vote.name,
        "at": vote.at.isoformat(),
        "stage": vote.stage,
        "group": vote.group,
        "offer": offer_json(vote.offer),
        "signed_in_at": vote.signed_in_at.isoformat(),
        "comment": vote.comment,
        "instead_of": vote.instead_of,
    }


def _vote(written: Members, decimals: Decimals) -> Vote:
    return Vote(
        person=text_of(written["person"]),
        name=text_of(written["name"]),
        at=datetime.fromisoformat(written["at"]),
        stage=_whole(written["stage"]),
        group=text_of(written["group"]),
        offer=_offer(written["offer"], decimals),
        signed_in_at=datetime.fromisoformat(written["signed_in_at"]),
        comment=text_of(written["comment"]),
        instead_of=_maybe(written["instead_of"]),
    )


def _remark_json(remark: Remark) -> Json:
    at = remark.at.isoformat()
    return {"kind": remark.kind.value, "by": remark.by, "at": at, "text": remark.text}


def _remark(written: Members) -> Remark:
    at = datetime.fromisoformat(written["at"])
    return Remark(RemarkKind(written["kind"]), text_of(written["by"]), at, text_of(written["text"]))


def _minted_json(token: Minted) -> Json:
    return {"jti": token.jti, "txn": token.txn, "expires_at": token.expires_at.isoformat()}


def _minted(written: Members) -> Minted:
    expires_at = datetime.fromisoformat(written["expires_at"])
    return Minted(text_of(written["jti"]), text_of(written["txn"]), expires_at)


def _review_json(review: Review) -> Json:
    return {
        "group": review.group,
        "due_at": review.due_at.isoformat(),
        "closed_by": review.closed_by,
        "closed_at": _written(review.closed_at),
        "note": review.note,
    }


def _review(written: Members) -> Review:
    return Review(
        group=text_of(written["group"]),
        due_at=datetime.fromisoformat(written["due_at"]),
        closed_by=_maybe(written["closed_by"]),
        closed_at=maybe_instant(written["closed_at"]),
        note=text_of(written["note"]),
    )


def _number(value: int | Decimal) -> Json:
    """Return *value* so that both kinds of number can be told apart again."""
    return str(value) if isinstance(value, Decimal) else value


def _counted(value: object) -> int | Decimal:
    return Decimal(value) if isinstance(value, str) else _whole(value)


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r:.50} is no whole number")
    return value


def _seconds(value: object) -> timedelta:
    return timedelta(seconds=_whole(value))


def _maybe(value: object) -> str | None:
    return None if value is None else text_of(value)


def _texts(values: Sequence[object]) -> tuple[str, ...]:
    return tuple(text_of(value) for value in values)


def _written(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
