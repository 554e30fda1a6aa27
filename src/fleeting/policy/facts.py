"""What policy may know of a request, as typed values of declared names and nothing else.

No JSON of a client comes this way: a string stays a string, whatever it looks like, so Cedar's
escapes (``__entity``, ``__extn``) cannot be smuggled in.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple, TypeAlias

from fleeting.core.limits import approvals_needed
from fleeting.core.model import AccessRequest, FieldValue, Json, Limits, Operation, StepUp, Subject
from fleeting.core.operations import FieldKind, OperationType
from fleeting.policy.schema import UNLIMITED_USES
from fleeting.policy.tree import Uid

Value: TypeAlias = FieldValue | datetime | Uid | None
"""One attribute of the context; None where an optional one is absent."""


class Facts(NamedTuple):
    """One operation of an access request, now. limits: those about to be granted, if known."""

    request: AccessRequest
    operation: Operation
    now: datetime
    limits: Limits | None = None


Reader: TypeAlias = Callable[[Facts], Value]


def _client(facts: Facts) -> Value:
    return Uid("Client", facts.request.client.client_id)


def _actor(facts: Facts) -> Value:
    actors = facts.request.actors
    return actors[0].sub if actors else None


def _auth_age(facts: Facts) -> Value:
    at = facts.request.subject.auth_time
    # A login of the future is a clock that is ahead, not one that is older than now.
    return None if at is None else max(0, int((facts.now - at).total_seconds()))


_TOP: Mapping[str, Reader] = {
    "client": _client,
    "actor": _actor,
    "delegation_depth": lambda facts: len(facts.request.actors),
    "acr": lambda facts: facts.request.subject.acr,
    "auth_age": _auth_age,
    "now": lambda facts: facts.now,
}

_LIMITS: Mapping[str, Callable[[Limits], Value]] = {
    "lifetime": lambda limits: int(limits.lifetime.total_seconds()),
    "uses": lambda limits: UNLIMITED_USES if limits.uses is None else limits.uses,
    "approvals": approvals_needed,
    "bound": lambda limits: limits.bound.value,
}


def reader(path: tuple[str, ...], type_: OperationType | None) -> Reader:
    """Return what reads the context attribute at *path*; *type_* is the operation's."""
    if len(path) == 1:
        return _TOP[path[0]]
    record, name = path
    if record == "request":
        return lambda facts: facts.request.context.get(name)
    if record == "limits":
        read = _LIMITS[name]
        return lambda facts: None if facts.limits is None else read(facts.limits)
    field = type_.fields.get(name) if type_ is not None else None
    if field is not None and field.kind is FieldKind.ONE_OF:
        return lambda facts: _choices(facts.operation.fields.get(name))
    return lambda facts: facts.operation.fields.get(name)


def standing(read: Reader, landmarks: Iterable[int]) -> Reader:
    """Return what reads no more of a number than how it compares with each of *landmarks*.

    Two numbers of the same standing satisfy the same comparisons, so that a decision about one is
    a decision about the other.
    """
    marks = sorted(landmarks)

    def read_standing(facts: Facts) -> Value:
        value = read(facts)
        if not isinstance(value, int):
            return None if value is None else True
        place = bisect_left(marks, value)
        return 2 * place + (place < len(marks) and marks[place] == value)

    return read_standing


def _choices(value: FieldValue | None) -> Value:
    return (value,) if isinstance(value, str) else value


def context_json(values: Mapping[tuple[str, ...], Value]) -> dict[str, Json]:
    """Return *values* as the Cedar context; absent ones are absent, their records are not."""
    context: dict[str, Json] = {}
    for path, value in values.items():
        holder = context
        if len(path) > 1:
            record = context.setdefault(path[0], {})
            assert isinstance(record, dict)  # noqa: S101
            holder = record
        if value is not None:
            holder[path[-1]] = _cedar(value)
    return context


def _cedar(value: FieldValue | datetime | Uid) -> Json:
    if isinstance(value, Decimal):
        return {"__extn": {"fn": "decimal", "arg": f"{value:.4f}"}}
    if isinstance(value, datetime):
        utc = value.astimezone(UTC).replace(tzinfo=None)
        return {"__extn": {"fn": "datetime", "arg": utc.isoformat("T", "milliseconds") + "Z"}}
    if isinstance(value, Uid):
        return {"__entity": uid_json(value)}
    return list(value) if isinstance(value, tuple) else value


def uid_json(uid: Uid) -> dict[str, Json]:
    """Return *uid* as Cedar writes it in JSON."""
    return {"type": uid.type, "id": uid.id}


def meets(subject: Subject, step_up: StepUp | None, *, now: datetime) -> bool:
    """Say whether the subject's login is one that *step_up* asks for (RFC 9470 §4)."""
    if step_up is None:
        return True
    if step_up.acr and (not subject.acr or subject.acr not in step_up.acr):
        return False
    if step_up.max_age is None:
        return True
    return subject.auth_time is not None and now - subject.auth_time <= step_up.max_age
