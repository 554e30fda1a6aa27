"""Read back what ``recording`` wrote: the request that was decided, and the decision on it."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import Any, TypeAlias, TypeVar

from fleeting.core.durations import parse_duration
from fleeting.core.evidence import RecordedEntry, instant, original
from fleeting.core.limits import parse_approval
from fleeting.core.model import (
    AccessRequest,
    ActionDecision,
    Actor,
    AskedBy,
    AttributeValue,
    Client,
    Decision,
    Limits,
    Operation,
    Path,
    Resource,
    SenderConstraint,
    SenderKey,
    StepUp,
    Subject,
    SubjectKind,
    Verdict,
)
from fleeting.core.operation_types import FieldType, OperationType

Members: TypeAlias = Mapping[str, Any]
"""A JSON object of the ledger; what is not as expected ends in ValueError."""

Types: TypeAlias = Mapping[str, OperationType]
Decimals: TypeAlias = Mapping[str, Sequence[str]]
T = TypeVar("T")

_CEILINGS = ("type_ceilings", "hard_cap")
# The same few durations and approvals stand in a hundred thousand entries.
_parse_duration = lru_cache(maxsize=1024)(parse_duration)
_parse_approval = lru_cache(maxsize=1024)(parse_approval)
UNREADABLE = (KeyError, TypeError, AttributeError, IndexError, ArithmeticError)
"""What reading raises where an entry is not as any version writes it."""

_of_parties = itemgetter(
    *("asked_by", "subject", "act", "client", "client_groups", "client_ceilings"),
    *("resource", "resource_ceilings", "cnf"),
)
_MOST_PARTIES = 10_000


class TooOldError(ValueError):
    """The entry is of a version that did not record all that a decision depends on."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What an operation type was bounded by when a decision was made."""

    sensitive: bool = False
    max_lifetime: timedelta | None = None
    max_uses: int | None = None

    def on(self, type_: OperationType) -> OperationType:
        """Return *type_* as it was under this ceiling."""
        return replace(
            type_,
            sensitive=self.sensitive,
            max_lifetime=self.max_lifetime,
            max_uses=self.max_uses,
        )


NO_CEILING = Ceiling()


def readable(read: Callable[[], T]) -> T:
    """Return what *read* makes of an entry.

    Raises:
        ValueError: the entry says what no version up to this one writes.
    """
    try:
        return read()
    except UNREADABLE as error:
        raise unreadable(error) from error


def unreadable(error: Exception) -> ValueError:
    """Return *error*, one of ``UNREADABLE``, as what it means of the entry."""
    return ValueError(f"not an entry that this version writes: {error!r}")


@dataclass(frozen=True, slots=True)
class Parties:
    """Who asked whom for whom: what most requests of a client have in common."""

    asked_by: AskedBy
    subject: Subject
    actors: tuple[Actor, ...]
    client: Client
    resource: Resource
    key: SenderKey | None


class RequestReader:
    """Reads back the access requests that were decided, as far as decisions depend on them.

    What no decision reads is not in them: grant types, and what else client and resource offer.
    types: which fields are decimals; the rest the JSON says itself.
    dumps: writes any JSON so that no two values look alike; the quicker the better.
    """

    __slots__ = ("_decimals", "_dumps", "_parties")

    def __init__(self, types: Types, dumps: Callable[[Any], Hashable] = repr) -> None:
        """Read operations of *types*."""
        self._decimals = decimal_fields(types)
        self._dumps = dumps
        self._parties: dict[Hashable, Parties] = {}

    def request(self, row: RecordedEntry, body: Members) -> AccessRequest:
        """Return the request that was decided; *body* is that of *row*, parsed.

        Raises:
            TooOldError: it cannot be decided again, for not all that counted was recorded.
            ValueError: it says what no version up to this one writes.
        """
        if "hard_cap" not in body:
            raise TooOldError("recorded before ceilings were")
        try:
            return self._request(row, body)
        except UNREADABLE as error:
            raise unreadable(error) from error

    def _request(self, row: RecordedEntry, body: Members) -> AccessRequest:
        # Making the parties anew each time would be half of the work.
        key = self._dumps(_of_parties(body))
        parties = self._parties.get(key)
        if parties is None:
            if len(self._parties) >= _MOST_PARTIES:
                self._parties.clear()
            parties = self._parties[key] = read_parties(body, self._decimals)
        id_, txn = original(row.request_id), original(row.txn or "")
        return _request_of(parties, id_, txn, body, self._decimals)


def recorded_request(id_: str, txn: str, body: Members, decimals: Decimals) -> AccessRequest:
    """Return the request that ``recording.request_json`` wrote, as far as decisions depend on it.

    Raises:
        LookupError, TypeError, ValueError: it wrote no such thing; see ``readable``.
    """
    return _request_of(read_parties(body, decimals), text_of(id_), text_of(txn), body, decimals)


def _request_of(
    parties: Parties, id_: str, txn: str, body: Members, decimals: Decimals
) -> AccessRequest:
    return AccessRequest(
        id_,
        txn,
        parties.asked_by,
        parties.subject,
        parties.actors,
        parties.client,
        parties.resource,
        _operations(body["operations"], decimals),
        _attributes(body["context"]),
        parties.key,
        body.get("break_glass"),
    )


def read_parties(body: Members, decimals: Decimals) -> Parties:
    """Return who asked whom for whom, according to the *body* of an entry; see ``readable``."""
    return Parties(
        AskedBy(body["asked_by"]),
        _subject(body["subject"], decimals),
        _actors(body["act"]),
        _client(body["client"], body["client_groups"], body["client_ceilings"]),
        _resource(body["resource"], body["resource_ceilings"]),
        _key(body["cnf"]),
    )


def _subject(members: Members, decimals: Decimals) -> Subject:
    get = members.get
    bounds = get("operations")
    return Subject(
        SubjectKind(members["kind"]),
        text_of(members["id"]),
        frozenset(members["groups"]),
        _attributes(members["attributes"]),
        get("issuer"),
        get("acr"),
        maybe_instant(get("auth_time")),
        maybe_instant(get("not_after")),
        None if bounds is None else _operations(bounds, decimals),
    )


def text_of(value: object) -> str:
    """Return *value*, which must be a text.

    Raises:
        TypeError: it is none; see ``readable``.
    """
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.50} is no text")
    return value


def maybe_instant(text: str | None) -> datetime | None:
    """Return the instant that *text* says, if there is any."""
    return None if text is None else datetime.fromisoformat(text)


def _attributes(members: Members) -> Mapping[str, AttributeValue]:
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in members.items()
    }


def _actors(act: Members | None) -> tuple[Actor, ...]:
    actors: list[Actor] = []
    while act is not None:
        actors.append(Actor(act["sub"], act.get("iss"), act.get("client_id")))
        act = act.get("act")
    return tuple(actors)


def _client(client_id: str, groups: Iterable[str], ceilings: Members) -> Client:
    get = ceilings.get
    return Client(
        text_of(client_id),
        frozenset(),
        _names(get("types")),
        _names(get("scopes")),
        frozenset(groups),
        get("insecure_bearer", False),
        _duration(get("max_lifetime")),
        get("max_uses"),
    )


def _resource(identifier: str, ceilings: Members) -> Resource:
    return Resource(
        text_of(identifier),
        frozenset(),
        max_lifetime=_duration(ceilings.get("max_lifetime")),
        max_uses=ceilings.get("max_uses"),
    )


def _names(names: Iterable[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _duration(text: str | None) -> timedelta | None:
    return None if text is None else _parse_duration(text)


def _key(cnf: Members | None) -> SenderKey | None:
    if cnf is None:
        return None
    if "jkt" in cnf:
        return SenderKey(SenderConstraint.DPOP, cnf["jkt"])
    return SenderKey(SenderConstraint.MTLS, cnf["x5t#S256"])


def decimal_fields(types: Types) -> Decimals:
    """Return which fields of which types are decimals: in JSON they are strings like any other."""
    return {
        name: [key for key, field in type_.fields.items() if field.type is FieldType.DECIMAL]
        for name, type_ in types.items()
    }


def _operations(written: Sequence[Members], decimals: Decimals) -> tuple[Operation, ...]:
    return tuple([recorded_operation(each, decimals) for each in written])


def recorded_operation(written: Members, decimals: Decimals) -> Operation:
    """Return the operation that ``Operation.to_json`` wrote.

    Raises:
        LookupError, TypeError, ArithmeticError: it wrote no such thing; see ``readable``.
    """
    fields: dict[str, Any] = dict(written)
    name, actions = fields.pop("type"), fields.pop("actions")
    for key, value in fields.items():
        if isinstance(value, list):
            fields[key] = tuple(value)
    for key in decimals.get(name, ()):
        if key in fields:
            fields[key] = Decimal(fields[key])
    return Operation(name, tuple(actions), fields)


def recorded_decision(body: Members) -> Decision:
    """Return the decision in *body*, under the ceilings that it was made under.

    Raises:
        ValueError: it is none that this version writes.
    """
    return readable(
        lambda: Decision(
            body["policy_digest"],
            tuple([recorded_answer(each) for each in body["answers"]]),
            {name: body[name] for name in _CEILINGS if name in body},
        )
    )


def recorded_answer(written: Members) -> ActionDecision:
    """Return what ``recording.answer_json`` wrote.

    Raises:
        LookupError, TypeError, ValueError: it wrote no such thing; see ``readable``.
    """
    return ActionDecision(
        written["operation"],
        written["action"],
        Verdict(written["verdict"]),
        tuple([Path(path["policy"], recorded_limits(path)) for path in written["paths"]]),
        tuple(written["forbids"]),
        tuple(written["reasons"]),
        tuple(written["errors"]),
    )


def recorded_limits(written: Members) -> Limits:
    """Return the limits that ``recording.limits_json`` wrote.

    Raises:
        LookupError, TypeError, ValueError: it wrote no such thing; see ``readable``.
    """
    approval, acr = written.get("approval"), written.get("step_up")
    return Limits(
        _parse_duration(written["lifetime"]),
        written["uses"],
        SenderConstraint(written["bound"]),
        () if approval is None else _parse_approval(approval),
        None if acr is None else StepUp(tuple(acr), _duration(written.get("max_age"))),
    )


def recorded_ceilings(body: Members) -> tuple[Mapping[str, Ceiling], timedelta]:
    """Return the installation's ceilings on each operation type, and the hard cap.

    Raises:
        ValueError: *body* has none that this version writes.
    """
    return readable(
        lambda: (
            {
                name: Ceiling(
                    each.get("sensitive", False),
                    _duration(each.get("max_lifetime")),
                    each.get("max_uses"),
                )
                for name, each in body["type_ceilings"].items()
            },
            _parse_duration(body["hard_cap"]),
        )
    )


def decided_at(row: RecordedEntry) -> datetime:
    """Return the instant at which *row* was decided: an entry is made at its call's one instant."""
    return instant(row.at_us)
