"""What an AuthZEN evaluation means here: an access request of which no token ever comes.

=====================  =========================================================================
``resource.type``      an operation type of the resource that the enforcement point guards
``action.name``        one of its actions; of type ``scope``, the scope
``resource.id``        the field that the type's ``id_field`` names, else the field ``id``
``….properties``       of resource and action: the declared fields of the same names
``subject``            a user, as the enforcement point vouches for it; or a declared client
``context``            the declared keys of ``request_context``
=====================  =========================================================================

What is not declared is ignored, as AuthZEN §10.1.1 has it; what is declared must fit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from fleeting.core.authzen import (
    Entity,
    Evaluation,
    Malformed,
    Members,
    decided_json,
    undecided_json,
)
from fleeting.core.client_auth import Registration
from fleeting.core.context import GROUPS, ContextKey, ValueType, parse_context, subject_attributes
from fleeting.core.declaring import UNSAFE, nearest, shown
from fleeting.core.errors import InvalidRequest
from fleeting.core.evidence import Entry, EntryKind
from fleeting.core.model import (
    SCOPE_TYPE,
    AccessRequest,
    AskedBy,
    Client,
    Decision,
    Json,
    Operation,
    Resource,
    SenderConstraint,
    SenderKey,
    Subject,
    SubjectKind,
    Verdict,
    scope_operation,
)
from fleeting.core.operations import OperationType, parse_operation
from fleeting.core.recording import LONGEST_WRITTEN, decision_json, request_json

USER_TYPES = ("user", "identity")
"""The types of subjects that are users; the AuthZEN interoperability scenarios use either."""
CLIENT_TYPE = "client"
_SUBJECT_TYPES = (*USER_TYPES, CLIENT_TYPE)
_LONGEST_PROPERTY = 500


@dataclass(frozen=True, slots=True)
class EnforcementPoint:
    """Who asks, the resource that it guards, and what is declared that it may speak of."""

    client: Client
    resource: Resource
    types: Mapping[str, OperationType]
    context_keys: Mapping[str, ContextKey]
    attributes: Mapping[str, ValueType]
    registrations: Mapping[str, Registration]


def asking_client(client: Client) -> Client:
    """Return an enforcement point's client as policy sees it when it asks for a decision.

    Its ceilings bound the tokens that it may get; here it gets none. For the same reason no key
    is asked for, as of a client that may hold bearer tokens, unless a permit or the type's
    ``sensitive`` says so.
    """
    return replace(
        client,
        types=None,
        scopes=None,
        insecure_bearer=True,
        max_lifetime=None,
        max_uses=None,
    )


def access_request(
    evaluation: Evaluation, point: EnforcementPoint, *, id_: str, txn: str
) -> AccessRequest:
    """Return *evaluation* as the access request that policy decides.

    This does NOT check that the subject is who *point* says: the decision is for *point* to
    enforce, so whoever lies deceives itself alone (AuthZEN §11.4).

    Raises:
        InvalidRequest, InvalidAuthorizationDetails: it does not fit what is declared.
    """
    keys = point.context_keys
    context = {name: value for name, value in evaluation.context.items() if name in keys}
    return AccessRequest(
        id=id_,
        txn=txn,
        asked_by=AskedBy.EVALUATION,
        subject=_subject(evaluation.subject, point),
        actors=(),
        client=asking_client(point.client),
        resource=point.resource,
        operations=(_operation(evaluation, point),),
        context=parse_context(context, keys),
        key=_key(evaluation.subject.properties),
    )


def _operation(evaluation: Evaluation, point: EnforcementPoint) -> Operation:
    name, action = evaluation.resource.type, evaluation.action.name
    if name == SCOPE_TYPE:
        if action not in point.resource.scopes:
            raise InvalidRequest(f"this enforcement point guards no scope {shown(action)}")
        return scope_operation(action)
    type_ = point.types.get(name) if name in point.resource.types else None
    if type_ is None:
        hint = nearest(name, point.resource.types)
        raise InvalidRequest(f"this enforcement point guards no type {shown(name)}{hint}")
    details: dict[str, Json] = {**_fields(evaluation, type_), "type": name, "actions": [action]}
    return parse_operation(details, point.types)


def _fields(evaluation: Evaluation, type_: OperationType) -> dict[str, Json]:
    """Return what is said of the declared fields.

    Raises:
        InvalidRequest: one of them is said twice, and not alike: nobody knows which is meant.
    """
    resource, action = evaluation.resource, evaluation.action
    identity: Members = {} if type_.id_field is None else {type_.id_field: resource.id}
    fields: dict[str, Json] = {}
    for source in (identity, resource.properties, action.properties):
        for name in type_.fields:
            if name not in source:
                continue
            if name in fields and not _alike(fields[name], source[name]):
                raise InvalidRequest(f"{name} is given twice, and not alike")
            fields[name] = source[name]
    return fields


def _alike(a: Json, b: Json) -> bool:
    return type(a) is type(b) and a == b  # in Python, 1 is True


def _subject(entity: Entity, point: EnforcementPoint) -> Subject:
    if entity.type == CLIENT_TYPE:
        registration = point.registrations.get(entity.id)
        if registration is None:
            raise InvalidRequest(f"no client {shown(entity.id)} is declared")
        return Subject(SubjectKind.CLIENT, entity.id, registration.client.groups)
    if entity.type not in USER_TYPES:
        known = ", ".join(_SUBJECT_TYPES)
        raise InvalidRequest(f"no subject is of type {shown(entity.type)}: write one of {known}")
    named = {name: name for name in (GROUPS, *point.attributes)}
    groups, attributes = subject_attributes(
        entity.properties, named, point.attributes, called="subject property {}"
    )
    return Subject(
        kind=SubjectKind.USER,
        id=entity.id,
        groups=groups,
        attributes=attributes,
        issuer=_text(entity.properties, "issuer") or point.resource.identifier,
        acr=_text(entity.properties, "acr"),
        auth_time=_instant(entity.properties, "auth_time"),
    )


def _text(properties: Members, name: str) -> str | None:
    value = properties.get(name)
    if name not in properties:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_PROPERTY:
        told = f"must be a string of 1 to {_LONGEST_PROPERTY} characters"
        raise InvalidRequest(f"subject property {name} {told}")
    if UNSAFE.search(value):
        raise InvalidRequest(f"subject property {name} must not have control characters")
    return value


def _instant(properties: Members, name: str) -> datetime | None:
    if name not in properties:
        return None
    value = properties[name]
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        pass
    raise InvalidRequest(f"subject property {name} must be a time, in seconds since 1970")


def _key(properties: Members) -> SenderKey | None:
    """Read which key the caller proved, as the enforcement point checked it (RFC 7800 §3.1)."""
    if "cnf" not in properties:
        return None
    cnf = properties["cnf"]
    for constraint in (SenderConstraint.DPOP, SenderConstraint.MTLS):
        name = next(iter(SenderKey(constraint, "").to_cnf()))
        if isinstance(cnf, dict) and list(cnf) == [name]:
            return SenderKey(constraint, _text(cnf, name) or "")
    raise InvalidRequest("subject property cnf must have one member, jkt or x5t#S256")


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One evaluation and its answer; problem: why policy could not be asked, which denies it.

    id: the name of its story in the ledger. told: what the answer says beside the decision.
    approval: what the ledger keeps of the approval that was presented; permitted_by: what of it
    the answer says, where it permits what policy alone does not.
    """

    id: str
    asked: Evaluation | Malformed
    request: AccessRequest | None = None
    decision: Decision | None = None
    problem: str = ""
    told: Members = field(default_factory=dict)
    approval: Members | None = None
    permitted_by: Members | None = None

    @property
    def permitted(self) -> bool:
        """Say whether the enforcement point may let it go forward."""
        if self.permitted_by is not None:
            return True
        answers = () if self.decision is None else self.decision.answers
        return any(answer.verdict is Verdict.PERMITTED for answer in answers)

    def to_json(self) -> dict[str, Any]:
        """Return the decision as the enforcement point is told it (AuthZEN §5.5)."""
        if self.decision is None:
            return undecided_json(self.problem, self.id)
        if self.permitted_by is not None:
            return {"decision": True, "context": {"evaluation_id": self.id, **self.permitted_by}}
        answer = decided_json(self.decision.answers[0], self.id)
        answer["context"].update(self.told)
        return answer

    def to_entry(self, client_id: str, asked_as: str, txn: str, at: datetime) -> Entry:
        """Record it: everything that the decision depends on, or what was asked instead.

        asked_as: what the enforcement point calls its request.
        """
        body: dict[str, Json] = {
            "asked_by": AskedBy.EVALUATION.value,
            "client": client_id,
            "permitted": self.permitted,
        }
        if asked_as:
            body["asked_as"] = asked_as
        if self.request is not None and self.decision is not None:
            body |= request_json(self.request) | decision_json(self.decision)
        if isinstance(self.asked, Evaluation):
            body["entity"] = {"type": self.asked.resource.type, "id": self.asked.resource.id}
        if self.approval is not None:
            body["approval"] = dict(self.approval)
        if self.problem:
            body["written"] = _written(self.asked)
            body["error"] = {"error": "invalid_request", "description": self.problem}
        return Entry(EntryKind.ACCESS_EVALUATED, at, self.id, body, txn)


def _written(asked: Evaluation | Malformed) -> Json:
    """Return what was asked, unchecked, and without what is too long to keep."""
    if isinstance(asked, Malformed):
        return {}
    written: dict[str, Json] = {
        "subject": _entity_json(asked.subject),
        "action": {"name": asked.action.name, "properties": dict(asked.action.properties)},
        "resource": _entity_json(asked.resource),
        "context": dict(asked.context),
    }
    return {
        name: value if len(str(value)) <= LONGEST_WRITTEN else "too long to keep"
        for name, value in written.items()
    }


def _entity_json(entity: Entity) -> Json:
    return {"type": entity.type, "id": entity.id, "properties": dict(entity.properties)}
