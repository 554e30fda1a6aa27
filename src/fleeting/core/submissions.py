"""Read what an enforcement point submits: what was denied, and what it wants instead.

AuthZEN Access Request and Approval Profile (draft 1) §10.1, cited as ARAP.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from fleeting.core.access_requests import Callback
from fleeting.core.authzen import Evaluation, Members, evaluation, read_object
from fleeting.core.canonical_json import digest
from fleeting.core.declaring import UNSAFE
from fleeting.core.errors import InvalidDenialBinding, InvalidRequest
from fleeting.core.model import AccessRequest, Json, SubjectKind

MAX_ITEMS = 16
"""How many items one submission may bundle: each is put before people."""

EVENTS = ("approved", "denied", "expired", "cancelled", "failed", "partial")

_LONGEST_SAID = 500
_LONGEST_STATE = 2_000
_SHARED = ("subject", "context")


@dataclass(frozen=True, slots=True)
class Echo:
    """The denial as the enforcement point echoes it; unverified all of it."""

    binding_token: str
    evaluation_id: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was denied, and until when access to it is wanted."""

    asked: Evaluation
    denial: Echo
    until: datetime | None
    emergency: bool = False


@dataclass(frozen=True, slots=True)
class Submission:
    """One submission. several: it has ``items``, even if only one. digest: of its whole body."""

    items: tuple[Item, ...]
    several: bool
    says: Mapping[str, Json]
    callback: Callback | None
    digest: str


def read_submission(body: bytes, *, client_id: str, callback_uris: Collection[str]) -> Submission:
    """Read the body of a submission; what is not known is ignored (ARAP §15.3).

    client_id: who submits. callback_uris: those that are declared for it.

    Raises:
        InvalidRequest: malformed. InvalidDenialBinding: a denial has nothing that can be verified.
    """
    members = read_object(body)
    _check_actor(members, client_id)
    several = "items" in members
    return Submission(
        items=tuple(_items(members) if several else [_item(members, members)]),
        several=several,
        says=_says(members),
        callback=_callback(members, callback_uris),
        digest=digest(members),
    )


def _items(members: Members) -> Iterator[Item]:
    items = members["items"]
    if not isinstance(items, list) or not 0 < len(items) <= MAX_ITEMS:
        raise InvalidRequest(f"'items' must be an array of 1 to {MAX_ITEMS} objects")
    if "resource" in members or "action" in members:
        raise InvalidRequest("'resource' and 'action' are said in 'items', or without 'items'")
    for item in items:
        if not isinstance(item, dict):
            raise InvalidRequest("each of 'items' must be a JSON object")
        if "denial" not in item:
            raise InvalidDenialBinding(
                "each of 'items' needs its own denial: this server denies each question by itself"
            )
        shared = {name: members[name] for name in _SHARED if name in members}
        yield _item({**item, **shared}, members)


def _item(item: Members, whole: Members) -> Item:
    wanted = {**_mapping(whole, "requested_access"), **_mapping(item, "requested_access")}
    until = None if "requested_until" not in wanted else _instant(wanted, "requested_until")
    emergency = wanted.get("emergency", False)
    if not isinstance(emergency, bool):
        raise InvalidRequest("requested_access.emergency must be true or false")
    return Item(evaluation(item), _denial(item), until, emergency)


def _denial(item: Members) -> Echo:
    denial = _mapping(item, "denial")
    token = denial.get("binding_token")
    if not isinstance(token, str):
        raise InvalidDenialBinding(
            "denial.binding_token is missing: send the one of context.access_request"
        )
    evaluation_id = denial.get("evaluation_id")
    if evaluation_id is not None and not isinstance(evaluation_id, str):
        raise InvalidRequest("denial.evaluation_id must be a string")
    return Echo(token, evaluation_id, _instant(denial, "expires_at"))


def _instant(members: Members, name: str) -> datetime:
    value = members.get(name)
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise InvalidRequest(f"{name} must be a time as RFC 3339 has it: 2026-01-31T12:00:00Z")
    return at


def _mapping(members: Members, name: str) -> Members:
    value = members.get(name, {})
    if not isinstance(value, dict):
        raise InvalidRequest(f"'{name}' must be a JSON object")
    return value


def _says(members: Members) -> dict[str, Json]:
    """Return what the caller of the enforcement point gives as a reason: their words."""
    context = _mapping(members, "context")
    if "business_justification" not in context:
        return {}
    said = context["business_justification"]
    if not isinstance(said, str) or len(said) > _LONGEST_SAID or UNSAFE.search(said):
        raise InvalidRequest(
            f"context.business_justification must be one line of at most {_LONGEST_SAID} characters"
        )
    return {"business_justification": said} if said else {}


def _check_actor(members: Members, client_id: str) -> None:
    """Refuse a chain that nobody vouched for (ARAP §19.1).

    Raises:
        InvalidRequest: somebody else than the enforcement point itself is said to act.
    """
    client = _mapping(members, "client")
    if "actor" not in client:
        return
    actor = client["actor"]
    if not isinstance(actor, dict) or actor.get("id") != client_id or "act" in actor:
        raise InvalidRequest(
            "client.actor cannot be verified: leave it out, or name the client that submits"
        )


def _callback(members: Members, declared: Collection[str]) -> Callback | None:
    if "callback" not in members:
        return None
    wanted = _mapping(members, "callback")
    uri, events, state = wanted.get("endpoint"), wanted.get("events", []), wanted.get("state")
    if not isinstance(uri, str) or uri not in declared:
        raise InvalidRequest(
            "callback.endpoint is not one of the callback_uris that are declared for this resource"
        )
    if not isinstance(events, list) or not all(isinstance(each, str) for each in events):
        raise InvalidRequest(f"callback.events must be an array of {', '.join(EVENTS)}")
    if state is not None and (not isinstance(state, str) or len(state) > _LONGEST_STATE):
        raise InvalidRequest(
            f"callback.state must be a string of up to {_LONGEST_STATE} characters"
        )
    known = tuple(dict.fromkeys(str(each) for each in events if each in EVENTS))
    return Callback(uri, known, state)


def possible_names(request: AccessRequest, prefixes: Mapping[str, str]) -> frozenset[str]:
    """Return what the subject that an enforcement point vouches for may be called here.

    prefixes: what goes before the subjects of an issuer that people sign in at. An issuer that is
    none of these may mean anybody's: nobody who could be the subject decides for it (ARAP §18).
    """
    subject = request.subject
    if subject.kind is not SubjectKind.USER:
        return frozenset()
    known = [it for issuer, it in prefixes.items() if issuer == subject.issuer] or prefixes.values()
    return frozenset({subject.id, *(prefix + subject.id for prefix in known)})
