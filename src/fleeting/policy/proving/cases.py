"""One concrete request for one action, and what a set of policies makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from fleeting.core.context import parse_context
from fleeting.core.durations import format_duration
from fleeting.core.errors import OAuthError
from fleeting.core.limits import describe_approvals
from fleeting.core.model import (
    SCOPE_TYPE,
    AccessRequest,
    ActionDecision,
    Json,
    Limits,
    SenderConstraint,
    SubjectKind,
    Verdict,
)
from fleeting.core.operations import parse_operation
from fleeting.policy.bundle import PolicyBundle
from fleeting.policy.schema import PolicyWorld

REACHED = frozenset({Verdict.PERMITTED, Verdict.NEEDS_APPROVAL})
"""What policy lets through, at once or once people have approved it."""

GRANTED = REACHED | {Verdict.NEEDS_STEP_UP, Verdict.NOT_BOUND}
"""What policy has a path for, if another login or another key comes with the request."""


@dataclass(frozen=True, slots=True)
class Case:
    """A request for one action of one operation, at one instant."""

    request: AccessRequest
    now: datetime

    def decided_by(self, bundle: PolicyBundle) -> ActionDecision:
        """Return what the reference engine says."""
        return bundle.decide(self.request, now=self.now).answers[0]

    def to_json(self) -> dict[str, Json]:
        """Return the request as one would send and describe it."""
        request = self.request
        subject: dict[str, Json] = {"kind": request.subject.kind.value, "id": request.subject.id}
        subject.update(_subject_facts(self))
        told: dict[str, Json] = {
            "client_id": request.client.client_id,
            "subject": subject,
            "resource": request.resource.identifier,
        }
        operation = request.operations[0]
        if operation.type == SCOPE_TYPE:
            told["scope"] = operation.actions[0]
        else:
            told["authorization_details"] = [operation.to_json()]
        told |= {
            "request_context": {name: _json(value) for name, value in request.context.items()},
            "break_glass": request.break_glass or [],
            "actors": [actor.sub for actor in request.actors],
            "key": (request.key.constraint if request.key else SenderConstraint.NONE).value,
            "now": _instant(self.now),
        }
        return {name: value for name, value in told.items() if value not in ({}, [])}


def outcome(answer: ActionDecision) -> Limits | None:
    """Return the limits of the path that was taken; None where policy denies."""
    return answer.paths[0].limits if answer.verdict in GRANTED else None


def is_possible(case: Case, world: PolicyWorld) -> bool:
    """Say whether the server would let such a request come as far as policy."""
    operation = case.request.operations[0]
    try:
        parse_context(_as_sent(case.request.context), world.context_keys)
        if operation.type != SCOPE_TYPE:
            parse_operation(operation.to_json(), world.types)
    except OAuthError:
        return False
    return True


def limits_json(limits: Limits) -> dict[str, Json]:
    """Return *limits* in the words of policies' annotations; what is not there is unlimited."""
    told: dict[str, Json] = {"lifetime": format_duration(limits.lifetime)}
    if limits.uses is not None:
        told["uses"] = limits.uses
    told["bound"] = limits.bound.value
    if limits.approvals:
        told["approval"] = describe_approvals(limits.approvals)
    if limits.step_up is not None and limits.step_up.acr:
        told["step_up"] = " ".join(limits.step_up.acr)
    if limits.step_up is not None and limits.step_up.max_age is not None:
        told["max_age"] = format_duration(limits.step_up.max_age)
    return told


def _subject_facts(case: Case) -> dict[str, Json]:
    subject = case.request.subject
    facts: dict[str, Json] = {}
    if subject.groups:
        facts["groups"] = [*sorted(subject.groups)]
    if subject.attributes:
        facts["attributes"] = {name: _json(value) for name, value in subject.attributes.items()}
    if subject.kind is SubjectKind.USER:
        facts["issuer"] = subject.issuer
    if subject.acr is not None:
        facts["acr"] = subject.acr
    if subject.auth_time is not None:
        facts["auth_time"] = _instant(subject.auth_time)
    return facts


def _as_sent(context: Mapping[str, object]) -> Json:
    return {name: _json(value) for name, value in context.items()}


def _json(value: object) -> Json:
    return list(value) if isinstance(value, tuple) else value  # type: ignore[return-value]


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
