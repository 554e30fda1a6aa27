"""Parameters become typed requests (RFC 6749 §4.4, RFC 8693 §2.1, RFC 9396 §2, RFC 8707 §2)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from fleeting.core import strict_json
from fleeting.core.declaring import UNSAFE
from fleeting.core.errors import (
    InvalidAuthorizationDetails,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    UnsupportedGrantType,
)
from fleeting.core.forms import Form
from fleeting.core.model import Json, Operation, Resource, scope_operation
from fleeting.core.operations import OperationType, parse_details

CLIENT_CREDENTIALS = "client_credentials"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 -- a grant type
GRANT_TYPES = (CLIENT_CREDENTIALS, TOKEN_EXCHANGE)

TOKEN_TYPE_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 -- a name
SUBJECT_TOKEN_TYPES = (
    TOKEN_TYPE_ACCESS_TOKEN,
    "urn:ietf:params:oauth:token-type:jwt",
    "urn:ietf:params:oauth:token-type:id_token",
)

MAX_DETAILS = 16
_MAX_SCOPES = 32
_EXCHANGE_ONLY = (
    "subject_token",
    "subject_token_type",
    "actor_token",
    "actor_token_type",
    "requested_token_type",
    "audience",
)
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_NOT_WITH_CHALLENGE = ("authorization_details", "scope", "grant_type", "plan", "access_request_id")
_NOT_WITH_POLL = (
    *("transaction_challenge", "request_context", "break_glass"),
    *("subject_token", "subject_token_type", "actor_token", "actor_token_type", "resource"),
)
_SHORTEST_REASON, _LONGEST_REASON = 10, 500
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 §3.3


@dataclass(frozen=True, slots=True)
class Ask:
    """What a caller asks for, read but not yet held against declarations.

    details: the JSON of ``authorization_details``; context: that of ``request_context``.
    """

    details: Json
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    context: Json


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A well-formed token request. For a token exchange, subject_token is there."""

    grant_type: str
    ask: Ask
    subject_token: str | None = None
    subject_token_type: str | None = None
    actor_token: str | None = None


@dataclass(frozen=True, slots=True)
class Approach:
    """How a caller comes to people's yes, or around it.

    access_request_id: of what was asked before. plan: the JSON text of standing work.
    break_glass: why it cannot wait for anybody.
    """

    access_request_id: str | None = None
    plan: str | None = None
    break_glass: str | None = None


def parse_approach(form: Form) -> Approach:
    """Read what a token request says beside what it asks for.

    Raises:
        InvalidRequest: malformed, or two things at once.
    """
    plan, reason = form.get("plan"), form.get("break_glass")
    id_ = None if form.get("access_request_id") is None else parse_request_id(form)
    if reason is not None:
        check_reason(reason)
        if plan is not None:
            raise InvalidRequest("a plan can wait: 'plan' and 'break_glass' do not go together")
    return Approach(id_, plan, reason)


def parse_request_id(form: Form) -> str:
    """Return which access request it is about.

    Raises:
        InvalidRequest: none, or no id.
    """
    id_ = form.require("access_request_id")
    if not _ID.fullmatch(id_):
        raise InvalidRequest("access_request_id is not one that this server gave out")
    return id_


def check_reason(reason: str) -> None:
    """Check that *reason* can be shown to who reviews it.

    Raises:
        InvalidRequest: too short, too long, or it could steer a screen.
    """
    if not _SHORTEST_REASON <= len(reason.strip()) <= len(reason) <= _LONGEST_REASON:
        raise InvalidRequest(
            f"break_glass is the reason why this cannot wait, in {_SHORTEST_REASON} to "
            f"{_LONGEST_REASON} characters"
        )
    refuse_control_characters("break_glass", reason)


def parse_token_request(form: Form) -> TokenRequest:
    """Read the parameters of ``POST /token`` (RFC 6749 §4.4.2, RFC 8693 §2.1).

    Raises:
        UnsupportedGrantType: another grant type.
        InvalidRequest: missing, malformed or misplaced parameters.
        InvalidScope, InvalidTarget, InvalidAuthorizationDetails: as their RFCs say.
    """
    grant_type = form.require("grant_type")
    if grant_type not in GRANT_TYPES:
        raise UnsupportedGrantType(f"grant_type is one of {', '.join(GRANT_TYPES)}")
    ask = parse_ask(form)
    if grant_type == CLIENT_CREDENTIALS:
        _refuse_misplaced(form)
        return TokenRequest(grant_type, ask)
    return _token_exchange(form, ask)


def _refuse_misplaced(form: Form) -> None:
    """Never drop a parameter in silence: a subject token that counts for nothing is a mistake."""
    for name in _EXCHANGE_ONLY:
        if form.get(name) is not None or name in form.repeated:
            raise InvalidRequest(f"parameter '{name}' belongs to grant_type {TOKEN_EXCHANGE}")


def _token_exchange(form: Form, ask: Ask) -> TokenRequest:
    subject_token, subject_type = form.require("subject_token"), form.require("subject_token_type")
    actor_token, actor_type = form.get("actor_token"), form.get("actor_token_type")
    if (actor_token is None) != (actor_type is None):
        raise InvalidRequest("'actor_token' and 'actor_token_type' go together")
    for token_type in (subject_type, actor_type):
        if token_type is not None and token_type not in SUBJECT_TOKEN_TYPES:
            raise InvalidRequest(f"token types are {', '.join(SUBJECT_TOKEN_TYPES)}")
    if form.get("requested_token_type") not in (None, TOKEN_TYPE_ACCESS_TOKEN):
        raise InvalidRequest(f"requested_token_type can only be {TOKEN_TYPE_ACCESS_TOKEN}")
    return TokenRequest(TOKEN_EXCHANGE, ask, subject_token, subject_type, actor_token)


def parse_ask(form: Form) -> Ask:
    """Read what is asked for, whatever the grant.

    Raises:
        InvalidRequest: nothing is asked for, or ``request_context`` is not JSON.
        InvalidAuthorizationDetails: not JSON.
        InvalidScope: not scope tokens.
    """
    details_text, scope_text = form.get("authorization_details"), form.get("scope")
    if details_text is None and scope_text is None:
        # There is no default scope: asking for nothing is not asking for everything.
        raise InvalidRequest("ask for something: send 'authorization_details' or 'scope'")
    return Ask(
        None if details_text is None else _details_json(details_text),
        () if scope_text is None else parse_scope(scope_text),
        (*form.repeated.get("resource", ()), *form.repeated.get("audience", ())),
        _context_json(form.get("request_context")),
    )


def parse_challenge_request(
    form: Form, *, details: Json, scopes: tuple[str, ...], resource: str
) -> TokenRequest:
    """Read what goes with a transaction challenge (txn-challenge draft §4).

    The operation is the challenge's: a client's own words beside it are refused, not ignored. A
    subject token (and actor token) may come along as in a token exchange: an extension of ours, so
    that a call for a user can be authorized too.

    Raises:
        InvalidRequest: misplaced or malformed parameters.
    """
    for name in _NOT_WITH_CHALLENGE:
        if form.get(name) is not None:
            raise InvalidRequest(f"parameter '{name}' does not go with a transaction challenge")
    if form.repeated:
        raise InvalidRequest("the resource is the one that made the transaction challenge")
    ask = Ask(details, scopes, (resource,), _context_json(form.get("request_context")))
    if form.get("subject_token") is None:
        _refuse_misplaced(form)
        return TokenRequest(CLIENT_CREDENTIALS, ask)
    return _token_exchange(form, ask)


def parse_transaction_poll(form: Form) -> str | None:
    """Return the id that a poll is about, or None where a challenge is answered (draft §4.2).

    Raises:
        InvalidRequest: malformed, or something came along that belongs to the challenge.
    """
    id_ = form.get("transaction_authorization_id")
    if id_ is None:
        return None
    if not _ID.fullmatch(id_):
        raise InvalidRequest("transaction_authorization_id is not one that this server gave out")
    for name in (*_NOT_WITH_CHALLENGE, *_NOT_WITH_POLL):
        if form.get(name) is not None or name in form.repeated:
            raise InvalidRequest(f"parameter '{name}' does not go with a poll: it was asked before")
    return id_


def _details_json(text: str) -> Json:
    try:
        value: Json = strict_json.loads(text)
    except strict_json.JsonError as error:
        raise InvalidAuthorizationDetails(f"authorization_details: {error}") from None
    if not isinstance(value, list) or not value:
        raise InvalidAuthorizationDetails("authorization_details is a non-empty JSON array")
    return value


def _context_json(text: str | None) -> Json:
    if text is None:
        return {}
    try:
        value: Json = strict_json.loads(text)
    except strict_json.JsonError as error:
        raise InvalidRequest(f"request_context: {error}") from None
    return value


def parse_scope(text: str) -> tuple[str, ...]:
    """Split a scope parameter (RFC 6749 §3.3), each scope once, in the order given.

    Raises:
        InvalidScope: empty, too many, or characters that a scope cannot have.
    """
    scopes = tuple(dict.fromkeys(text.split(" ")))
    if len(scopes) > _MAX_SCOPES or not all(_SCOPE_TOKEN.fullmatch(scope) for scope in scopes):
        raise InvalidScope("scope is a list of scope names separated by single spaces")
    return scopes


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What this installation declares: its resources and operation types."""

    resources: Mapping[str, Resource]
    types: Mapping[str, OperationType]


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked, held against declarations: operations of one resource."""

    resource: Resource
    operations: tuple[Operation, ...]


def resolve_target(ask: Ask, catalogue: Catalogue) -> Target:
    """Find the one resource that all that is asked belongs to (DESIGN D3, RFC 8707 §2).

    Raises:
        InvalidTarget: unknown, malformed or several resources, or none that is the only one.
        InvalidAuthorizationDetails: the details do not fit their types (RFC 9396 §5).
        InvalidScope: the resource does not declare the scope.
    """
    named = _named_resource(ask.resources, catalogue)
    details, locations = _take_locations(ask.details)
    operations = (
        () if details is None else parse_details(details, catalogue.types, limit=MAX_DETAILS)
    )
    resource = named or _only_resource(operations, ask.scopes, catalogue)
    for operation in operations:
        if operation.type not in resource.types:
            raise InvalidAuthorizationDetails(
                f"type '{operation.type}' is not one of resource {resource.identifier}"
            )
    if any(location != resource.identifier for location in locations):
        raise InvalidAuthorizationDetails(f"'locations' can only be [{resource.identifier}]")
    for scope in ask.scopes:
        if scope not in resource.scopes:
            raise InvalidScope(f"scope '{scope}' is not one of resource {resource.identifier}")
    return Target(resource, (*operations, *map(scope_operation, ask.scopes)))


def _named_resource(identifiers: Sequence[str], catalogue: Catalogue) -> Resource | None:
    distinct = set(identifiers)
    if not distinct:
        return None
    if len(distinct) > 1:
        raise InvalidTarget("one token has one audience: name one resource")
    identifier = distinct.pop()
    if identifier not in catalogue.resources:
        raise InvalidTarget(_why_unknown(identifier))
    return catalogue.resources[identifier]


def _why_unknown(identifier: str) -> str:
    try:
        parts = urlsplit(identifier)
    except ValueError:
        return "resource is not a URI"
    if not parts.scheme or "#" in identifier:
        return "resource is an absolute URI without a fragment"
    return "this server issues no tokens for that resource"


def _only_resource(
    operations: Sequence[Operation], scopes: Sequence[str], catalogue: Catalogue
) -> Resource:
    fitting = [
        resource
        for resource in catalogue.resources.values()
        if all(operation.type in resource.types for operation in operations)
        and resource.scopes.issuperset(scopes)
    ]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise InvalidTarget("several resources offer this: name one with 'resource'")
    if scopes and not operations:
        raise InvalidScope("no resource of this server has all these scopes")
    raise InvalidTarget("no one resource of this server offers all that is asked")


def _take_locations(details: Json) -> tuple[Json, tuple[str, ...]]:
    """Take RFC 9396 §2.2 ``locations`` out: they say the audience, which ``resource`` says too."""
    if not isinstance(details, list):
        return details, ()
    found: list[str] = []
    rest: list[Json] = []
    for item in details:
        if isinstance(item, dict) and "locations" in item:
            found += _locations(item["locations"])
            rest.append({name: value for name, value in item.items() if name != "locations"})
        else:
            rest.append(item)
    return rest, tuple(found)


def _locations(value: Json) -> list[str]:
    if not isinstance(value, list) or not value:
        raise InvalidAuthorizationDetails("'locations' is a non-empty array of strings")
    strings = [item for item in value if isinstance(item, str)]
    if len(strings) != len(value):
        raise InvalidAuthorizationDetails("'locations' is a non-empty array of strings")
    return strings


def refuse_control_characters(name: str, text: str) -> None:
    """Refuse text that could forge lines in a log or a terminal.

    Raises:
        InvalidRequest: it holds a control character, a line break or a mark that reorders text.
    """
    if UNSAFE.search(text):
        raise InvalidRequest(f"'{name}' holds a control character")
