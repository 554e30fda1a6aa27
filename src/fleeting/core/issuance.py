"""Decide what an access token may say: asked ∩ permitted, and nothing else.

Every value only ever shrinks on its way here: operations to the actions that policy permits,
lifetime and uses to the strictest limits, the end to the subject token's own end.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import reduce
from typing import Any

from fleeting.core.errors import (
    AccessDenied,
    InsufficientUserAuthentication,
    InvalidAuthorizationDetails,
    InvalidDpopProof,
    InvalidGrant,
    OAuthError,
)
from fleeting.core.jose import MAX_JWT_BYTES
from fleeting.core.limits import strictest, unbound
from fleeting.core.model import (
    SCOPE_TYPE,
    AccessRequest,
    AccessToken,
    ActionDecision,
    Actor,
    Decision,
    Json,
    Limits,
    Operation,
    TokenRecord,
    Verdict,
)
from fleeting.core.operations import OperationType, contains, type_of

ACCESS_TOKEN_TYP = "at+jwt"  # noqa: S105 -- RFC 9068 §2.1

_PERMITTED = frozenset({Verdict.PERMITTED})


@dataclass(frozen=True, slots=True)
class Grantable:
    """What is left of an access request after policy: what to put in a token, and what not.

    refused: the answers that are no permit, for the caller (reasons) and the ledger (all).
    """

    operations: tuple[Operation, ...]
    limits: Limits
    refused: tuple[ActionDecision, ...]


def within_subject_token(
    request: AccessRequest, decision: Decision, types: Mapping[str, OperationType]
) -> Decision:
    """Refuse what the subject token's own ``authorization_details`` do not contain (RFC 8693 §4).

    Whatever policy says, a token made from a token is never wider than it.
    """
    bounds = request.subject.operations
    if bounds is None:
        return decision
    outside = {
        place
        for place, operation in enumerate(request.operations)
        if not any(contains(bound, operation, type_of(operation, types)) for bound in bounds)
    }
    reason = ("the subject_token itself does not carry this operation",)
    return replace(
        decision,
        answers=tuple(
            replace(answer, verdict=Verdict.OUTSIDE_SUBJECT_TOKEN, reasons=reason)
            if answer.operation in outside
            else answer
            for answer in decision.answers
        ),
    )


def grantable(
    request: AccessRequest, decision: Decision, *, accepting: Collection[Verdict] = _PERMITTED
) -> Grantable:
    """Return the permitted part of *request*, under the strictest limits of its paths (D2).

    accepting: what counts as permitted; where people said yes, what waited for them, too.

    Raises:
        AccessDenied: nothing is left; the public reasons say why.
        InsufficientUserAuthentication: nothing is left, and a stronger login would change that.
        InvalidDpopProof: nothing is left, and only because the request proves no key.
    """
    granted = [a for a in decision.answers if a.verdict in accepting]
    refused = tuple(a for a in decision.answers if a.verdict not in accepting)
    if not granted:
        raise refusal(refused)
    limits = reduce(strictest, (answer.paths[0].limits for answer in granted))
    if request.key is None:  # only a declared `insecure_bearer` client gets here unbound
        limits = unbound(limits)
    return Grantable(tuple(_narrowed(request.operations, granted)), limits, refused)


def _narrowed(asked: Sequence[Operation], granted: Sequence[ActionDecision]) -> Iterable[Operation]:
    permitted = {(answer.operation, answer.action) for answer in granted}
    for place, operation in enumerate(asked):
        actions = tuple(action for action in operation.actions if (place, action) in permitted)
        if actions == operation.actions:
            yield operation
        elif actions:
            yield replace(operation, actions=actions)


def refusal(refused: Sequence[ActionDecision]) -> OAuthError:
    """Return the error that tells a caller why nothing may be granted."""
    reasons = "; ".join(dict.fromkeys(reason for answer in refused for reason in answer.reasons))
    verdicts = {answer.verdict for answer in refused}
    detail = "; ".join(f"{a.action}: {a.verdict.value}" for a in refused)
    if verdicts == {Verdict.NEEDS_STEP_UP}:
        return InsufficientUserAuthentication(reasons, detail=detail)
    if verdicts == {Verdict.NOT_BOUND}:
        return InvalidDpopProof(reasons, detail=detail)
    return AccessDenied(reasons or "policy does not permit this", detail=detail)


def decide_token(
    request: AccessRequest, granted: Grantable, *, issuer: str, jti: str, now: datetime
) -> AccessToken:
    """Return the claims of the one token that *granted* is worth (RFC 9068 §2.2).

    Times are whole seconds; the end is never after the subject token's own (RFC 8693 §4).
    This does NOT make the token known: only the ledger does, at commit.

    Raises:
        InvalidGrant: the subject token ends before a token could live a second.
    """
    issued_at = now.replace(microsecond=0)
    expires_at = issued_at + granted.limits.lifetime
    if request.subject.not_after is not None:
        expires_at = min(expires_at, request.subject.not_after.replace(microsecond=0))
    if expires_at <= now:
        raise InvalidGrant("the subject token is about to expire: exchange a fresh one")
    return AccessToken(
        jti=jti,
        txn=request.txn,
        issuer=issuer,
        audience=request.resource.identifier,
        client_id=request.client.client_id,
        subject=request.subject.id,
        operations=granted.operations,
        issued_at=issued_at,
        expires_at=expires_at,
        key=request.key,
        uses=granted.limits.uses,
        actors=request.actors,
        acr=request.subject.acr,
        auth_time=request.subject.auth_time,
    )


def check_size(signed: str) -> None:
    """Check that a signed token can be read again: nobody takes one longer than this.

    Raises:
        InvalidAuthorizationDetails: it says too much.
    """
    if len(signed) > MAX_JWT_BYTES:
        raise InvalidAuthorizationDetails(
            "all this does not fit into one token: ask for fewer operations at once"
        )


def token_claims(token: AccessToken) -> dict[str, Any]:
    """Return *token* as the claims of a JWT access token (RFC 9068 §2.2, RFC 9396 §9.1)."""
    claims: dict[str, Any] = {
        "iss": token.issuer,
        "sub": token.subject,
        "aud": token.audience,
        "client_id": token.client_id,
        "iat": int(token.issued_at.timestamp()),
        "exp": int(token.expires_at.timestamp()),
        "jti": token.jti,
        "txn": token.txn,
    }
    details, scope = details_json(token.operations), scope_text(token.operations)
    optional = {
        "authorization_details": details or None,
        "scope": scope or None,
        "cnf": None if token.key is None else token.key.to_cnf(),
        "act": act_claim(token.actors),
        "uses": token.uses,
        "acr": token.acr,
        "auth_time": None if token.auth_time is None else int(token.auth_time.timestamp()),
    }
    claims.update((name, value) for name, value in optional.items() if value is not None)
    return claims


def details_json(operations: Iterable[Operation]) -> list[Json]:
    """Return the operations that are authorization details, as RFC 9396 §2 writes them."""
    return [operation.to_json() for operation in operations if operation.type != SCOPE_TYPE]


def scope_text(operations: Iterable[Operation]) -> str:
    """Return the operations that are scopes, as RFC 6749 §3.3 writes them."""
    return " ".join(action for op in operations if op.type == SCOPE_TYPE for action in op.actions)


def act_claim(actors: Sequence[Actor]) -> dict[str, Any] | None:
    """Return a delegation chain as nested ``act``, current actor outermost (RFC 8693 §4.1)."""
    act: dict[str, Any] | None = None
    for actor in reversed(actors):
        members = {"sub": actor.sub, "iss": actor.iss, "client_id": actor.client_id, "act": act}
        act = {name: value for name, value in members.items() if value is not None}
    return act


def token_record(token: AccessToken, request_id: str) -> TokenRecord:
    """Return what the issuer remembers of *token*."""
    return TokenRecord(
        jti=token.jti,
        txn=token.txn,
        request_id=request_id,
        client_id=token.client_id,
        subject=token.subject,
        audience=token.audience,
        issued_at=token.issued_at,
        expires_at=token.expires_at,
        uses=token.uses,
    )


def token_response(token: AccessToken, signed: str, refused: Sequence[Json] = ()) -> dict[str, Any]:
    """Return the body of a success (RFC 6749 §5.1, RFC 9396 §7, RFC 9449 §5).

    refused: what was asked and not granted (``refused_json``); told only where there is some.
    """
    body: dict[str, Any] = {
        "access_token": signed,
        "token_type": "Bearer" if token.key is None else "DPoP",
        "expires_in": (token.expires_at - token.issued_at) // timedelta(seconds=1),
        "txn": token.txn,
    }
    details, scope = details_json(token.operations), scope_text(token.operations)
    if details:
        body["authorization_details"] = details
    if scope:
        body["scope"] = scope
    if token.uses is not None:
        body["uses"] = token.uses
    if refused:
        body["refused"] = list(refused)
    return body


def refused_json(operations: Sequence[Operation], answers: Iterable[ActionDecision]) -> list[Json]:
    """Return the refused actions and their public reasons, as a token response tells them."""
    return [
        {
            "type": operations[answer.operation].type,
            "action": answer.action,
            "operation": answer.operation,
            "reason": "; ".join(answer.reasons) or "policy does not permit this",
        }
        for answer in answers
    ]
