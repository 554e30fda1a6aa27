"""An approval as an input of a decision: whether it is for this question, and what it is good for.

AuthZEN Access Request and Approval Profile (draft 1) §12, cited as ARAP: policy stays the
authority, and nothing is permitted because the id of an approval is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from fleeting.core.access_requests import RequestRecord
from fleeting.core.asking import Permits, fingerprint
from fleeting.core.authzen import Evaluation, Members, limits_json
from fleeting.core.collecting import collectable
from fleeting.core.denials import binding_members, question_digest, timestamp
from fleeting.core.errors import AccessDenied
from fleeting.core.jose import CLIENT_ALGS, JoseError, KeySet, UnverifiedJwt
from fleeting.core.lifecycle import Status
from fleeting.core.model import AccessRequest, Decision, Json, Verdict
from fleeting.core.offers import Types, beyond
from fleeting.core.request_deeds import Deed, used_up
from fleeting.core.tasks import submitted_of

APPROVAL_TYP = "fleeting-approval+jwt"
"""The JWS ``typ`` of an approval's ``state``."""

_SECOND = timedelta(seconds=1)


class Why(StrEnum):
    """Why an approval did not help: the reasons of a denied re-evaluation (ARAP §12)."""

    EXPIRED = "approval_expired"
    OUT_OF_SCOPE = "out_of_scope"
    POLICY_DENIED = "policy_denied"
    UNVERIFIABLE = "approval_unverifiable"


_WORTH_ASKING = (Why.EXPIRED, Why.OUT_OF_SCOPE)


@dataclass(frozen=True, slots=True)
class Reference:
    """An approval as an enforcement point presents it. id: "" where it presents nonsense."""

    id: str
    state: Json = None


@dataclass(frozen=True, slots=True)
class Presented:
    """A reference and what it leads to; None: to nothing that this caller may present."""

    reference: Reference
    record: RequestRecord | None


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, as it was written and as policy decides it."""

    asked: Evaluation
    request: AccessRequest
    decision: Decision
    declared: frozenset[str]


@dataclass(frozen=True, slots=True)
class Approved:
    """A permit by an approval. told: what the answer's context says; deed: what it leaves."""

    told: Mapping[str, Json]
    deed: Deed


# What is presented.


def presented_reference(context: Members) -> Reference | None:
    """Return the approval in *context*, if there is one (ARAP §12)."""
    approval = context.get("approval")
    if not isinstance(approval, dict):
        return None
    id_ = approval.get("id")
    return Reference(id_ if isinstance(id_, str) else "", approval.get("state"))


def approval_claims(record: RequestRecord, issuer: str, now: datetime) -> dict[str, Any]:
    """Return the claims of an approval's ``state``: for us alone, as long as it (ARAP §12)."""
    end = record.not_after or now
    return {
        "iss": issuer,
        "aud": issuer,
        "iat": int(now.timestamp()),
        "exp": int(end.timestamp()),
        "approval_id": record.id,
        "client_id": record.request.client.client_id,
        "binding_hash": submitted_of(record).digest,
    }


def is_own(presented: Reference, record: RequestRecord, keys: KeySet, issuer: str) -> bool:
    """Say whether the ``state`` that came along, if any did, is what we signed for *record*.

    This does NOT check its time: that of the record counts.
    """
    if presented.state is None:
        return True
    if not isinstance(presented.state, str):
        return False
    try:
        jwt = UnverifiedJwt.parse(presented.state)
        claims = jwt.verify(keys, algs=CLIENT_ALGS, typ=(APPROVAL_TYP,)).claims
    except JoseError:
        return False
    meant = {name: claims.get(name) for name in ("iss", "aud", "approval_id", "binding_hash")}
    digest = submitted_of(record).digest
    return meant == {
        "iss": issuer,
        "aud": issuer,
        "approval_id": record.id,
        "binding_hash": digest,
    }


# Whether it is for this.


def why_not(
    record: RequestRecord | None, question: Question, types: Types, now: datetime
) -> Why | None:
    """Return why the approval is none for *question* now; None: as far as it goes, it is."""
    if record is None or record.submitted is None or record.granted_at is None:
        return Why.UNVERIFIABLE
    if record.request.client.client_id != question.request.client.client_id:
        return Why.UNVERIFIABLE
    if _is_over(record, now):
        return Why.EXPIRED
    return None if _in_scope(record, question, types) else Why.OUT_OF_SCOPE


def _is_over(record: RequestRecord, now: datetime) -> bool:
    if record.status is not Status.GRANTED or record.not_after is None:
        return True
    most = permits_in_all(record)
    return now + _SECOND > record.not_after or (most is not None and record.calls >= most)


def permits_in_all(record: RequestRecord) -> int | None:
    """Return how many permits the approval is good for; None: as many as there is time for."""
    uses = record.offer.uses
    return None if uses is None else uses * (1 + record.extensions)


def _in_scope(record: RequestRecord, question: Question, types: Types) -> bool:
    """Say whether it is the very question that was denied; of what was narrowed, what is left.

    ARAP §12: the exact-match baseline, and a narrower scope where people made it so.
    """
    request, offer = question.request, record.offer
    narrowed = offer.operations != record.asked.operations
    as_asked = replace(request, operations=record.request.operations) if narrowed else request
    if fingerprint(as_asked, None) != record.fingerprint:
        return False
    if beyond(offer, replace(offer, operations=request.operations), types):
        return False
    submitted, asked = submitted_of(record), question.asked
    if not narrowed:
        return question_digest(asked, binding_members(question.declared)) == submitted.digest
    same = (submitted.resource.get("type"), submitted.resource.get("id"))
    return (asked.resource.type, asked.resource.id) == same


# What it is good for.


def reevaluated(
    presented: Presented, question: Question, permits: Permits, types: Types, now: datetime
) -> Approved | Why:
    """Return the permit that the approval makes of *question*, or why none (ARAP §12, §17).

    Only where policy of this moment waits for people, and for no others than those who said yes.
    """
    record, answer = presented.record, question.decision.answers[0]
    why = why_not(record, question, types, now)
    if why is not None or record is None:
        return why or Why.UNVERIFIABLE
    if answer.verdict is not Verdict.NEEDS_APPROVAL:
        return Why.POLICY_DENIED
    try:
        granted = collectable(record, question.request, question.decision, permits, types, now)
    except AccessDenied:
        return Why.EXPIRED  # other people are asked for by now: what was said is superseded
    left = ((record.not_after or now) - now) // _SECOND * _SECOND
    one = None if granted.limits.uses is None else 1
    limits = replace(granted.limits, lifetime=min(granted.limits.lifetime, left), uses=one)
    after = replace(record, calls=record.calls + 1)
    told: dict[str, Json] = {
        "limits": limits_json(limits),
        "approval": {"id": record.id, "approved_until": timestamp(record.not_after or now)},
    }
    most = permits_in_all(record)
    if most is not None:
        told["limits"] = {**limits_json(limits), "uses_left": most - after.calls}
    spent = most is not None and after.calls >= most
    return Approved(told, used_up(after, now) if spent else Deed(after, ()))


def next_action(why: Why, question: Question) -> str:
    """Return what the enforcement point had better do now (ARAP §12)."""
    waits = question.decision.answers[0].verdict is Verdict.NEEDS_APPROVAL
    return "request" if waits and why in _WORTH_ASKING else "none"
