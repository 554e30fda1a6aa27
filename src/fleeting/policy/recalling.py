"""Make an access request again out of what the ledger kept of it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from fleeting.core.context import parse_context
from fleeting.core.declaring import DeclarationError
from fleeting.core.errors import OAuthError
from fleeting.core.model import (
    SCOPE_TYPE,
    AccessRequest,
    Actor,
    AskedBy,
    Client,
    Operation,
    SenderConstraint,
    SenderKey,
    Subject,
    SubjectKind,
)
from fleeting.core.operations import OperationType, parse_operation
from fleeting.policy.hypothetical import Declared, Hypothetical


def recorded_request(
    body: Mapping[str, Any], at: datetime, declared: Declared, *, request_id: str = "recorded"
) -> Hypothetical:
    """Return the request that the ledger entry with *body* recorded, asked when it was asked.

    What the ledger does not hold, the ceilings of client and resource, is as it is declared now.

    Raises:
        DeclarationError: policy was never asked about it, or it does not fit what is declared now.
    """
    if not body.get("operations"):
        raise DeclarationError("it was refused before policy was asked")
    client = declared.clients.get(body["client"])
    resource = declared.catalogue.resources.get(body["resource"])
    if client is None or resource is None:
        missing = f"client {body['client']}" if client is None else f"resource {body['resource']}"
        raise DeclarationError(f"its {missing} is no longer declared")
    types = declared.catalogue.types
    try:
        request = AccessRequest(
            id=request_id,
            txn=request_id,
            asked_by=AskedBy(body["asked_by"]),
            subject=_subject(body["subject"], types),
            actors=_actors(body.get("act")),
            client=_client(client, body),
            resource=resource,
            operations=tuple(_operation(each, types) for each in body["operations"]),
            context=parse_context(body["context"], declared.context_keys),
            key=_key(body.get("cnf")),
        )
    except OAuthError as error:
        raise DeclarationError(f"it does not fit what is declared now: {error}") from error
    return Hypothetical(request, at)


def _client(client: Client, body: Mapping[str, Any]) -> Client:
    return replace(client, groups=frozenset(body.get("client_groups", ())))


def _operation(body: Mapping[str, Any], types: Mapping[str, OperationType]) -> Operation:
    if body["type"] == SCOPE_TYPE:
        return Operation(SCOPE_TYPE, tuple(body["actions"]), {})
    return parse_operation(dict(body), types)


def _subject(body: Mapping[str, Any], types: Mapping[str, OperationType]) -> Subject:
    bounds = body.get("operations")
    return Subject(
        kind=SubjectKind(body["kind"]),
        id=body["id"],
        groups=frozenset(body.get("groups", ())),
        attributes={
            name: tuple(value) if isinstance(value, list) else value
            for name, value in body.get("attributes", {}).items()
        },
        issuer=body.get("issuer"),
        acr=body.get("acr"),
        auth_time=_instant(body.get("auth_time")),
        not_after=_instant(body.get("not_after")),
        operations=None if bounds is None else tuple(_operation(each, types) for each in bounds),
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _actors(act: Mapping[str, Any] | None) -> tuple[Actor, ...]:
    chain: list[Actor] = []
    while act is not None:
        chain.append(Actor(act["sub"], act.get("iss"), act.get("client_id")))
        act = act.get("act")
    return tuple(chain)


def _key(cnf: Mapping[str, Any] | None) -> SenderKey | None:
    if cnf is None:
        return None
    constraint = SenderConstraint.DPOP if "jkt" in cnf else SenderConstraint.MTLS
    return SenderKey(constraint, next(iter(cnf.values())))
