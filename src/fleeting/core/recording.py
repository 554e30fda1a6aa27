"""What each deed leaves in the ledger: the shape of every entry's body."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from types import MappingProxyType

from fleeting.core.durations import format_duration
from fleeting.core.errors import OAuthError
from fleeting.core.evidence import Entry, EntryKind
from fleeting.core.issuance import act_claim
from fleeting.core.limits import describe_approvals
from fleeting.core.model import (
    SCOPE_TYPE,
    AccessRequest,
    AccessToken,
    ActionDecision,
    Client,
    Decision,
    Json,
    Limits,
    Operation,
    Resource,
    SpendResult,
    Subject,
    TokenRecord,
)
from fleeting.core.operation_types import OperationType
from fleeting.core.requests import Ask

# The same few durations bound every token.
_format_duration = lru_cache(maxsize=1024)(format_duration)

NOTHING_MORE: Mapping[str, Json] = MappingProxyType({})

LONGEST_WRITTEN = 2_000
"""How much of one parameter of a refused request is kept, in characters."""


def issued_entry(
    request: AccessRequest,
    decision: Decision,
    token: AccessToken,
    at: datetime,
    more: Mapping[str, Json] = NOTHING_MORE,
) -> Entry:
    """Record a token, the request it answers and the decision behind it; more: what else counts."""
    body = {**request_json(request), **decision_json(decision), **more}
    body["token"] = {
        "issued_at": token.issued_at.isoformat(),
        "expires_at": token.expires_at.isoformat(),
        "uses": token.uses,
        "operations": body["operations"]  # rendered once where nothing was narrowed
        if token.operations == request.operations
        else operations_json(token.operations),
        "bound": "none" if token.key is None else token.key.constraint.value,
    }
    return Entry(EntryKind.TOKEN_ISSUED, at, request.id, body, request.txn, token.jti)


def refused_entry(
    request_id: str,
    error: OAuthError,
    at: datetime,
    *,
    client_id: str | None,
    ask: Ask | None = None,
    request: AccessRequest | None = None,
    decision: Decision | None = None,
) -> Entry:
    """Record a refusal, with as much of the request as was understood before it.

    ask: what was written, where it was refused before it could be held against declarations.
    """
    body: dict[str, Json] = {"client": client_id}
    if request is not None:
        body.update(request_json(request))
    elif ask is not None:
        body["written"] = _written_json(ask)
    if decision is not None:
        body.update(decision_json(decision))
    body["error"] = error_json(error)
    txn = None if request is None else request.txn
    return Entry(EntryKind.REQUEST_REFUSED, at, request_id, body, txn)


def _written_json(ask: Ask) -> Json:
    """Return what a caller wrote, unchecked; too long is left out, so that refusals stay small."""
    written: dict[str, Json] = {
        "authorization_details": ask.details,
        "scope": " ".join(ask.scopes) or None,
        "resource": list(ask.resources) or None,
        "request_context": ask.context or None,
    }
    return {
        name: value if len(str(value)) <= LONGEST_WRITTEN else "too long to keep"
        for name, value in written.items()
        if value is not None
    }


def error_json(error: OAuthError) -> Json:
    """Return a refusal with both its texts: the ledger may know the detail."""
    members: dict[str, Json] = {"error": error.error, "description": error.description}
    if error.detail:
        members["detail"] = error.detail
    if error.would_allow:
        members["would_allow"] = list(error.would_allow)
    return members


def request_json(request: AccessRequest) -> dict[str, Json]:
    """Return all of an access request that a decision depends on."""
    told: dict[str, Json] = {
        "asked_by": request.asked_by.value,
        "subject": _subject_json(request.subject),
        "act": act_claim(request.actors),
        "client": request.client.client_id,
        "client_groups": _sorted(request.client.groups),
        "resource": request.resource.identifier,
        "operations": operations_json(request.operations),
        "context": {k: list(v) if isinstance(v, tuple) else v for k, v in request.context.items()},
        "cnf": None if request.key is None else request.key.to_cnf(),
        "client_ceilings": _client_ceilings(request),
        "resource_ceilings": _ceilings(request.resource),
    }
    if request.break_glass is not None:
        told["break_glass"] = request.break_glass
    return told


def _client_ceilings(request: AccessRequest) -> dict[str, Json]:
    """Return what bounds the client: of the types and scopes it may ask for, those it asks for."""
    client = request.client
    members = _ceilings(client)
    if client.insecure_bearer:
        members["insecure_bearer"] = True
    if client.types is not None:
        asked = {operation.type for operation in request.operations}
        members["types"] = _sorted(client.types & asked)
    if client.scopes is not None:
        asked = {a for each in request.operations if each.type == SCOPE_TYPE for a in each.actions}
        members["scopes"] = _sorted(client.scopes & asked)
    return members


def _ceilings(holder: Client | Resource | OperationType) -> dict[str, Json]:
    members: dict[str, Json] = {}
    if holder.max_lifetime is not None:
        members["max_lifetime"] = _format_duration(holder.max_lifetime)
    if holder.max_uses is not None:
        members["max_uses"] = holder.max_uses
    return members


def installation_ceilings_json(
    types: Collection[OperationType], hard_cap: timedelta
) -> dict[str, Json]:
    """Return the installation's own ceilings on operations of *types*."""
    ceilings = {type_.name: _ceilings(type_) for type_ in types}
    for type_ in types:
        if type_.sensitive:
            ceilings[type_.name]["sensitive"] = True
    held: dict[str, Json] = {name: members for name, members in ceilings.items() if members}
    return {"type_ceilings": held, "hard_cap": _format_duration(hard_cap)}


def _subject_json(subject: Subject) -> Json:
    members: dict[str, Json] = {
        "kind": subject.kind.value,
        "id": subject.id,
        "groups": _sorted(subject.groups),
        "attributes": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in subject.attributes.items()
        },
        "issuer": subject.issuer,
        "acr": subject.acr,
        "auth_time": None if subject.auth_time is None else subject.auth_time.isoformat(),
        "not_after": None if subject.not_after is None else subject.not_after.isoformat(),
        "operations": None if subject.operations is None else operations_json(subject.operations),
    }
    return {name: value for name, value in members.items() if value is not None}


def _sorted(names: frozenset[str]) -> Json:
    return [*sorted(names)]


def operations_json(operations: Sequence[Operation]) -> list[Json]:
    """Return operations, scopes among them, as JSON."""
    return [operation.to_json() for operation in operations]


def decision_json(decision: Decision) -> dict[str, Json]:
    """Return a decision with every path, forbid and reason."""
    return {
        "policy_digest": decision.policy_digest,
        "answers": [answer_json(answer) for answer in decision.answers],
        **decision.ceilings,
    }


def answer_json(answer: ActionDecision) -> Json:
    """Return what was decided of one action."""
    members: dict[str, Json] = {
        "operation": answer.operation,
        "action": answer.action,
        "verdict": answer.verdict.value,
        "paths": [{"policy": p.policy, **limits_json(p.limits)} for p in answer.paths],
        "forbids": list(answer.forbids),
        "reasons": list(answer.reasons),
        "errors": list(answer.errors),
    }
    return members


def limits_json(limits: Limits) -> dict[str, Json]:
    """Return limits in the words of the annotations that set them."""
    members: dict[str, Json] = {
        "lifetime": _format_duration(limits.lifetime),
        "uses": limits.uses,
        "bound": limits.bound.value,
    }
    if limits.approvals:
        members["approval"] = describe_approvals(limits.approvals)
    if limits.step_up is not None:
        members["step_up"] = list(limits.step_up.acr)
        if limits.step_up.max_age is not None:
            members["max_age"] = _format_duration(limits.step_up.max_age)
    return members


def spend_entry(
    record: TokenRecord | AccessToken,
    request_id: str,
    guard: str,
    operation: Operation | None,
    result: SpendResult,
    at: datetime,
) -> Entry:
    """Record a use of a token, or why it was refused one."""
    kind = EntryKind.TOKEN_SPENT if result.refusal is None else EntryKind.SPEND_REFUSED
    body: dict[str, Json] = {
        "guard": guard,
        "operation": None if operation is None else operation.to_json(),
        "uses": result.uses,
    }
    if result.refusal is None:
        body |= {"use": result.use, "repeated": result.repeated}
    else:
        body["reason"] = result.refusal.value
    return Entry(kind, at, request_id, body, record.txn, record.jti)


def reported_entry(
    token: AccessToken,
    request_id: str,
    guard: str,
    at: datetime,
    *,
    served: bool,
    reason: str,
    operation: Json,
) -> Entry:
    """Record what a guard says became of a call that it did not have to spend for."""
    kind = EntryKind.CALL_SERVED if served else EntryKind.CALL_REFUSED
    body: dict[str, Json] = {"guard": guard, "operation": operation}
    if reason:
        body["reason"] = reason
    return Entry(kind, at, request_id, body, token.txn, token.jti)


def revoked_entry(
    token: AccessToken, request_id: str, client_id: str, at: datetime, *, ended: bool
) -> Entry:
    """Record a revocation; ended: it was alive until now."""
    body: dict[str, Json] = {"client": client_id, "ended": ended}
    return Entry(EntryKind.TOKEN_REVOKED, at, request_id, body, token.txn, token.jti)
