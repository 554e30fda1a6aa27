"""AuthZEN Authorization API 1.0 on the wire: read evaluations, write decisions, introduce the PDP.

What an evaluation means in the words of policy is ``core.evaluations``' business.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeAlias

from fleeting.core import strict_json
from fleeting.core.declaring import UNSAFE, shown
from fleeting.core.errors import InvalidRequest
from fleeting.core.limits import NO_LOGIN, approvals_needed
from fleeting.core.model import ActionDecision, Json, Limits, Verdict

AUTHZEN_METADATA = "/.well-known/authzen-configuration"
EVALUATION_PATH = "/access/v1/evaluation"
EVALUATIONS_PATH = "/access/v1/evaluations"
REQUESTS_PATH = "/access/v1/requests"

MAX_EVALUATIONS = 64
"""How many evaluations one request may hold (AuthZEN §11.7)."""
LONGEST_NAME = 500
"""How long a type, an id or a name may be, in characters."""

Members: TypeAlias = Mapping[str, Json]

_NOTHING: Members = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Entity:
    """A subject or a resource (AuthZEN §5.1, §5.2): an id, which is scoped to its type."""

    type: str
    id: str
    properties: Members = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True)
class Action:
    """What would be done to the resource (AuthZEN §5.3)."""

    name: str
    properties: Members = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One question of an enforcement point: may this be done? (AuthZEN §6.1).

    written: its members as they came, what is ignored among them.
    """

    subject: Entity
    action: Action
    resource: Entity
    context: Members = field(default_factory=lambda: _NOTHING)
    written: Members = field(default_factory=lambda: _NOTHING, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Malformed:
    """One of several evaluations that cannot be understood: it is denied (AuthZEN §7.2.1)."""

    problem: str


class Semantic(StrEnum):
    """When to stop evaluating (AuthZEN §7.1.2.1)."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"

    def ends_with(self, *, permitted: bool) -> bool:
        """Say whether nothing more is evaluated after such an answer."""
        if self is Semantic.EXECUTE_ALL:
            return False
        return permitted is (self is Semantic.PERMIT_ON_FIRST_PERMIT)


@dataclass(frozen=True, slots=True)
class Evaluations:
    """What one request asks. several: the answer is an array, even of one (AuthZEN §7.2)."""

    items: tuple[Evaluation | Malformed, ...]
    semantic: Semantic = Semantic.EXECUTE_ALL
    several: bool = False


def read_evaluation(body: bytes) -> Evaluations:
    """Read the body of an Access Evaluation request (AuthZEN §6.1).

    Raises:
        InvalidRequest: not such a request; what is not known is ignored (§10.1.1).
    """
    return Evaluations((evaluation(read_object(body)),))


def read_evaluations(body: bytes) -> Evaluations:
    """Read the body of an Access Evaluations request (AuthZEN §7.1).

    What is wrong with one evaluation is told in its place; what is wrong with the whole, such as
    its defaults, is refused.

    Raises:
        InvalidRequest: not such a request, or too many evaluations.
    """
    members = read_object(body)
    items = members.get("evaluations", [])
    if not isinstance(items, list):
        raise InvalidRequest("'evaluations' must be an array")
    if len(items) > MAX_EVALUATIONS:
        raise InvalidRequest(f"'evaluations' has more than {MAX_EVALUATIONS} objects")
    semantic = _semantic(members)
    if not items:  # §7.1: as if it were a single one
        return Evaluations((evaluation(members),))
    defaults = {name: members[name] for name in _READERS if name in members}
    for name, value in defaults.items():
        _READERS[name](value, name)
    return Evaluations(tuple(_item(each, defaults) for each in items), semantic, several=True)


def read_object(body: bytes) -> Members:
    """Read a body that is one JSON object.

    Raises:
        InvalidRequest: it is not.
    """
    if not body:
        raise InvalidRequest("the body is empty: send a JSON object")
    try:
        value = strict_json.loads(body)  # AuthZEN §11.5: I-JSON, so that all read the same
    except strict_json.JsonError as error:
        raise InvalidRequest(f"the body: {error}") from None
    if not isinstance(value, dict):
        raise InvalidRequest("the body must be a JSON object")
    return value


def _semantic(members: Members) -> Semantic:
    options = _members(members, "options", "options")
    written = options.get("evaluations_semantic", Semantic.EXECUTE_ALL)
    if not isinstance(written, str) or written not in [*Semantic]:
        known = ", ".join(Semantic)
        raise InvalidRequest(f"options.evaluations_semantic must be one of {known}")
    return Semantic(written)


def _item(value: Json, defaults: Members) -> Evaluation | Malformed:
    """Read one of several; a default counts whole where the member is absent (AuthZEN §7.1.1)."""
    if not isinstance(value, dict):
        return Malformed("each of 'evaluations' must be a JSON object")
    try:
        return evaluation({**defaults, **value})
    except InvalidRequest as error:
        return Malformed(error.description)


def evaluation(members: Members) -> Evaluation:
    """Return the question that *members* put.

    Raises:
        InvalidRequest: one is missing or malformed.
    """
    # AuthZEN §10.1.1: a required attribute that is omitted MUST be a Bad Request.
    for name in ("subject", "action", "resource"):
        if name not in members:
            raise InvalidRequest(f"'{name}' is missing")
    return Evaluation(
        _entity(members["subject"], "subject"),
        _action(members["action"], "action"),
        _entity(members["resource"], "resource"),
        _members(members, "context", "context"),
        members,
    )


def _entity(value: Json, where: str) -> Entity:
    members = _mapping(value, where)
    return Entity(
        _name(members, "type", where),
        _name(members, "id", where),
        _members(members, "properties", f"{where}.properties"),
    )


def _action(value: Json, where: str) -> Action:
    members = _mapping(value, where)
    properties = _members(members, "properties", f"{where}.properties")
    return Action(_name(members, "name", where), properties)


def _mapping(value: Json, where: str) -> Members:
    if not isinstance(value, dict):
        raise InvalidRequest(f"'{where}' must be a JSON object")
    return value


_READERS = {"subject": _entity, "action": _action, "resource": _entity, "context": _mapping}


def _members(members: Members, name: str, where: str) -> Members:
    return _mapping(members[name], where) if name in members else _NOTHING


def _name(members: Members, name: str, where: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        said = "must be a string" if name in members else "is missing"
        raise InvalidRequest(f"{where}.{name} {said}")
    if not value or len(value) > LONGEST_NAME:
        raise InvalidRequest(f"{where}.{name} must have 1 to {LONGEST_NAME} characters")
    if UNSAFE.search(value):
        unsafe = "must not have control or text direction characters"
        raise InvalidRequest(f"{where}.{name} {unsafe}: {shown(value)}")
    return value


_NEEDS: Mapping[Verdict, str] = {
    Verdict.NEEDS_STEP_UP: "step_up",
    Verdict.NEEDS_APPROVAL: "approval",
    Verdict.NOT_BOUND: "key",
}


def decided_json(answer: ActionDecision, evaluation_id: str) -> dict[str, Any]:
    """Return a decision: what may be done within which limits, or why not (AuthZEN §5.5).

    Whoever the enforcement point shows it to reads the policies' public reasons and the verdict.
    Which policies there are stays in the ledger, under *evaluation_id* (AuthZEN §11.2).
    """
    permitted = answer.verdict is Verdict.PERMITTED
    context: dict[str, Any] = {"evaluation_id": evaluation_id}
    if permitted:
        context["limits"] = limits_json(answer.paths[0].limits)
    else:
        context["reason_admin"] = {"403": answer.verdict.value}
    if answer.reasons:
        context["reason_user"] = {"200" if permitted else "403": "; ".join(answer.reasons)}
    if answer.verdict in _NEEDS:
        context["needs"] = _NEEDS[answer.verdict]
        context.update(_needed(answer.paths[0].limits, answer.verdict))
    return {"decision": permitted, "context": context}


def undecided_json(problem: str, evaluation_id: str) -> dict[str, Any]:
    """Return the denial of what could not be put to policy at all (AuthZEN §7.2.1)."""
    error = {"status": 400, "message": problem}
    return {"decision": False, "context": {"evaluation_id": evaluation_id, "error": error}}


def limits_json(limits: Limits) -> dict[str, Any]:
    """Return limits as policies read them in ``context.limits``; what is unlimited is absent."""
    told: dict[str, Any] = {
        "lifetime": int(limits.lifetime.total_seconds()),
        "bound": limits.bound.value,
    }
    return told if limits.uses is None else {**told, "uses": limits.uses}


def _needed(limits: Limits, verdict: Verdict) -> dict[str, Any]:
    """Return what is still lacking; a login in the words of RFC 9470 §3."""
    if verdict is Verdict.NEEDS_APPROVAL:
        return {"approvals": approvals_needed(limits)}
    if verdict is Verdict.NOT_BOUND or limits.step_up is None:
        return {"bound": limits.bound.value}
    levels = " ".join(acr for acr in limits.step_up.acr if acr != NO_LOGIN)
    age = limits.step_up.max_age
    told: dict[str, Any] = {"acr_values": levels} if levels else {}
    return told if age is None else {**told, "max_age": int(age.total_seconds())}


def pdp_metadata(issuer: str) -> dict[str, Any]:
    """Return the metadata of the policy decision point that the server is (AuthZEN §9.1.1).

    Search is left out: who could do what is not what an enforcement point need know. What people
    may change is requested where the Access Request and Approval Profile (ARAP §6) says.
    """
    return {
        "policy_decision_point": issuer,
        "access_evaluation_endpoint": f"{issuer}{EVALUATION_PATH}",
        "access_evaluations_endpoint": f"{issuer}{EVALUATIONS_PATH}",
        "access_request_endpoint": f"{issuer}{REQUESTS_PATH}",
        "jwks_uri": f"{issuer}/jwks",
        "capabilities": ["urn:openid:authzen:capability:access-request"],
    }
