"""Make an access request that nobody sent: what is declared and a few words say all of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar, cast

from fleeting.core.context import ContextKey, ValueType, parse_context, subject_attributes
from fleeting.core.declaring import Table, nearest
from fleeting.core.errors import OAuthError
from fleeting.core.model import (
    AccessRequest,
    Actor,
    AskedBy,
    AttributeValue,
    Client,
    Json,
    SenderConstraint,
    SenderKey,
    Subject,
    SubjectKind,
)
from fleeting.core.requests import Ask, Catalogue, check_reason, resolve_target

T = TypeVar("T")

REQUEST_KEYS = (
    *("subject", "groups", "attributes", "issuer", "acr", "login_age"),
    *("client", "actors", "key", "resource", "operation", "operations", "scope", "context"),
    *("break_glass", "time"),
)
"""What may be said of a request."""

USUAL_TIME = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""When a request is made that does not say: always the same, so that tests do not age."""

_KEYS = {each.value: each for each in SenderConstraint}
_OF_USERS = ("attributes", "issuer", "acr", "login_age")


@dataclass(frozen=True, slots=True)
class Declared:
    """What an installation declares of the parties to a request.

    issuers: its identity providers; the first is the one whose users are meant.
    """

    catalogue: Catalogue
    clients: Mapping[str, Client]
    context_keys: Mapping[str, ContextKey]
    attributes: Mapping[str, ValueType]
    issuers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hypothetical:
    """A request, and the instant at which it is asked."""

    request: AccessRequest
    now: datetime


def hypothetical_request(table: Table, declared: Declared) -> Hypothetical:
    """Return the request that *table* describes, held against all that a real one is held against.

    Without a ``subject`` the client is itself the subject; a user's actor is by default the client.

    Raises:
        DeclarationError: with the key that is wrong and what to write instead.
    """
    table.allow_only(REQUEST_KEYS)
    now = _time(table)
    client = _client(table, declared)
    target = _checked(table, "operation", lambda: resolve_target(_ask(table), declared.catalogue))
    context = table.values.get("context", {})
    request = AccessRequest(
        id="hypothetical",
        txn="hypothetical",
        asked_by=AskedBy.CLIENT_CREDENTIALS,
        subject=Subject(SubjectKind.CLIENT, client.client_id, client.groups),
        actors=(),
        client=client,
        resource=target.resource,
        operations=target.operations,
        context=_checked(
            table, "context", lambda: parse_context(_json(context), declared.context_keys)
        ),
        key=_key(table, client),
        break_glass=_reason(table),
    )
    if table.values.get("subject") is None:
        return Hypothetical(_by_itself(table, request), now)
    return Hypothetical(_for_user(table, request, declared, now), now)


def _reason(table: Table) -> str | None:
    reason = table.text("break_glass")
    if reason is not None:
        _checked(table, "break_glass", lambda: check_reason(reason))
    return reason


def _time(table: Table) -> datetime:
    value = table.values.get("time", USUAL_TIME)
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        at = None
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise table.refuse("time", "must be a time with its zone, such as 2026-11-26T12:00:00Z")
    return at


def _client(table: Table, declared: Declared) -> Client:
    name = table.text("client")
    asking = [client for client in declared.clients.values() if client.grant_types]
    if name is None and len(asking) == 1:
        return asking[0]
    if name is None:
        known = ", ".join(client.client_id for client in asking) or "none may ask for anything"
        raise table.refuse("client", f"is missing: say which client asks ({known})")
    if name not in declared.clients:
        known = nearest(name, declared.clients) or f"; declared are {', '.join(declared.clients)}"
        raise table.refuse("client", f"no client '{name}' is declared{known}")
    return declared.clients[name]


def _ask(table: Table) -> Ask:
    details = table.values.get("operations")
    if "operation" in table.values:
        if details is not None:
            raise table.refuse("operations", "write operation or operations, not both")
        details = [table.values["operation"]]
    scopes = table.values.get("scope", ())
    scopes = (scopes,) if isinstance(scopes, str) else Table("", {"scope": scopes}).strings("scope")
    if details is None and not scopes:
        hint = 'write such as operation = { type = "payment_refund", payment_id = "42" }, or scope'
        raise table.refuse("operation", f"is missing: {hint}")
    resource = table.text("resource")
    return Ask(_json(details), scopes, () if resource is None else (resource,), None)


def _json(value: object) -> Json:
    """Return *value*, out of TOML; what JSON does not have, the parsers of requests refuse."""
    return cast("Json", value)


def _checked(table: Table, key: str, parse: Callable[[], T]) -> T:
    """Return what *parse* does; what a real request is refused for, this one is too."""
    try:
        return parse()
    except OAuthError as error:
        raise table.refuse(key, error.description) from error


def _key(table: Table, client: Client) -> SenderKey | None:
    written = table.text("key") or "dpop"
    if written not in _KEYS:
        raise table.refuse("key", f"is not '{written}'; write {', '.join(_KEYS)}")
    if _KEYS[written] is not SenderConstraint.NONE:
        return SenderKey(_KEYS[written], "hypothetical")
    if client.insecure_bearer:
        return None
    raise table.refuse("key", f"{client.client_id} must prove one: it is not insecure_bearer")


def _groups(table: Table, usual: frozenset[str]) -> frozenset[str]:
    return frozenset(table.strings("groups")) if "groups" in table.values else usual


def _by_itself(table: Table, request: AccessRequest) -> AccessRequest:
    """Return *request* with the client as its own subject, in the groups that *table* says."""
    for key in _OF_USERS:
        if key in table.values:
            raise table.refuse(key, "only users have this; name one as subject")
    groups = _groups(table, request.client.groups)
    return replace(
        request,
        subject=replace(request.subject, groups=groups),
        actors=_actors(table),
        client=replace(request.client, groups=groups),
    )


def _for_user(
    table: Table, request: AccessRequest, declared: Declared, now: datetime
) -> AccessRequest:
    """Return *request* with the user that *table* describes as its subject."""
    age = table.duration("login_age")
    user = Subject(
        kind=SubjectKind.USER,
        id=table.text("subject") or "",
        groups=_groups(table, frozenset()),
        attributes=_attributes(table, declared),
        issuer=_issuer(table, declared),
        acr=table.text("acr"),
        auth_time=None if age is None else now - age,
    )
    if user.id in declared.clients:
        raise table.refuse("subject", f"'{user.id}' is a client; leave subject out to mean it")
    return replace(
        request,
        asked_by=AskedBy.TOKEN_EXCHANGE,
        subject=user,
        actors=_actors(table) or (Actor(request.client.client_id),),
    )


def _actors(table: Table) -> tuple[Actor, ...]:
    return tuple(map(Actor, table.strings("actors")))


def _issuer(table: Table, declared: Declared) -> str | None:
    usual = declared.issuers[0] if declared.issuers else "https://idp.example.com"
    return table.text("issuer") or usual


def _attributes(table: Table, declared: Declared) -> Mapping[str, AttributeValue]:
    given = table.values.get("attributes", {})
    if not isinstance(given, dict):
        raise table.refuse("attributes", 'must be a table, such as { department = "finance" }')
    for name in given:
        if name not in declared.attributes:
            known = nearest(name, declared.attributes) or (
                f"; declared are {', '.join(declared.attributes) or 'none'}"
            )
            raise table.refuse("attributes", f"no attribute '{name}' is declared{known}")
    own = {name: name for name in given}
    return _checked(
        table, "attributes", lambda: subject_attributes(given, own, declared.attributes)[1]
    )
