"""Make an access request again out of what the ledger kept of it, to be asked today."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from fleeting.core.context import parse_context
from fleeting.core.declaring import DeclarationError
from fleeting.core.errors import OAuthError
from fleeting.core.evaluations import asking_client
from fleeting.core.model import SCOPE_TYPE, AccessRequest, AskedBy, Client, Operation, Resource
from fleeting.core.operations import OperationType, parse_operation
from fleeting.core.recorded import Parties, decimal_fields, read_parties, readable
from fleeting.policy.hypothetical import Declared, Hypothetical


def recorded_request(
    body: Mapping[str, Any], at: datetime, declared: Declared, *, request_id: str = "recorded"
) -> Hypothetical:
    """Return the request that the ledger entry with *body* recorded, asked when it was asked.

    Who asked, for whom and what, is as it was; what client and resource may, is as declared now.

    Raises:
        DeclarationError: policy was never asked about it, or it does not fit what is declared now.
    """
    if not body.get("operations"):
        raise DeclarationError("it was refused before policy was asked")
    types = declared.catalogue.types
    parties = _parties(body, types)
    client, resource = _today(parties, declared)
    try:
        request = AccessRequest(
            id=request_id,
            txn=request_id,
            asked_by=parties.asked_by,
            subject=parties.subject,
            actors=parties.actors,
            client=client,
            resource=resource,
            operations=tuple(_operation(each, types) for each in body["operations"]),
            context=parse_context(body["context"], declared.context_keys),
            key=parties.key,
            break_glass=body.get("break_glass"),
        )
    except OAuthError as error:
        raise DeclarationError(f"it does not fit what is declared now: {error}") from error
    return Hypothetical(request, at)


def _parties(body: Mapping[str, Any], types: Mapping[str, OperationType]) -> Parties:
    try:
        return readable(lambda: read_parties(body, decimal_fields(types)))
    except ValueError as error:
        raise DeclarationError(f"it cannot be read: {error}") from error


def _today(parties: Parties, declared: Declared) -> tuple[Client, Resource]:
    asked, named = parties.client.client_id, parties.resource.identifier
    client = declared.clients.get(asked)
    resource = declared.catalogue.resources.get(named)
    if client is None or resource is None:
        missing = f"client {asked}" if client is None else f"resource {named}"
        raise DeclarationError(f"its {missing} is no longer declared")
    if parties.asked_by is AskedBy.EVALUATION:
        client = asking_client(client)
    return replace(client, groups=parties.client.groups), resource


def _operation(body: Mapping[str, Any], types: Mapping[str, OperationType]) -> Operation:
    if body["type"] == SCOPE_TYPE:
        return Operation(SCOPE_TYPE, tuple(body["actions"]), {})
    return parse_operation(dict(body), types)
