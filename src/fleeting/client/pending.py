"""What waits for people: enough to go on waiting later, in another process with the same key."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from fleeting.client.errors import FleetingError, UnexpectedAnswerError, readable

INTERVAL = timedelta(seconds=5)
"""How long to leave between two polls where the issuer does not say (RFC 8628 §3.2)."""

_TOKEN_ENDPOINT = "token_endpoint"  # noqa: S105 -- the name of an endpoint
_CHALLENGE_ENDPOINT = "transaction_authorization_endpoint"
_ENDPOINTS = (_TOKEN_ENDPOINT, _CHALLENGE_ENDPOINT)
_IDS = ("access_request_id", "transaction_authorization_id")
_LONGEST_ID = 200
_LONGEST_WAIT_SECONDS = 30 * 24 * 3600
_PRIVATE = ("subject_token", "actor_token", "transaction_challenge")


@dataclass(frozen=True, slots=True)
class Pending:
    """An access request that waits for people. It holds no credential, and may be stored.

    id: the ``access_request_id``, which ``fleeting explain`` takes, too.
    authorization_uri: where people decide, to be shown to them.
    expires_at: by the caller's clock: when nobody can decide it any more.
    interval: to leave between two polls. endpoint, form: what is repeated, without tokens.
    txn: which transaction the token must be for; None: any.
    """

    id: str
    expires_at: datetime
    interval: timedelta = INTERVAL
    authorization_uri: str | None = None
    endpoint: str = _TOKEN_ENDPOINT
    form: Mapping[str, str] = field(default_factory=dict, hash=False)
    txn: str | None = None

    def to_json(self) -> str:
        """Return it as text, for ``from_json`` in another process."""
        return json.dumps(
            {
                "id": self.id,
                "expires_at": self.expires_at.isoformat(),
                "interval": self.interval.total_seconds(),
                "authorization_uri": self.authorization_uri,
                "endpoint": self.endpoint,
                "form": dict(self.form),
                "txn": self.txn,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "Pending":
        """Return what ``to_json`` wrote.

        Raises:
            ValueError: it wrote no such thing.
        """
        try:
            members = json.loads(text)
            found = cls(
                id=members["id"],
                expires_at=datetime.fromisoformat(members["expires_at"]),
                interval=timedelta(seconds=members["interval"]),
                authorization_uri=members["authorization_uri"],
                endpoint=members["endpoint"],
                form={str(name): str(value) for name, value in members["form"].items()},
                txn=members["txn"],
            )
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"this is no pending access request: {error!r}") from None
        if found.endpoint not in _ENDPOINTS or not _is_id(found.id):
            raise ValueError("this is no pending access request")
        return found


OnPending: TypeAlias = Callable[[Pending], None]
"""Told what waits when it begins to, and whenever it was asked for and still does."""


class ApprovalPending(FleetingError):
    """People have not decided yet. ``resume(error.pending)`` goes on waiting, now or later.

    pending: what waits; None where the issuer did not say how to go on.
    """

    what = "approval pending"
    pending: Pending | None = None


def still_pending(
    pending: Pending | None, would_allow: Sequence[Mapping[str, Any]] = ()
) -> ApprovalPending:
    """Return what to raise where nobody waits any longer."""
    where = "" if pending is None else pending.authorization_uri or ""
    told = f"people must approve this first: {where}" if where else "people must approve this first"
    error = ApprovalPending(
        told,
        error="authorization_pending",
        request_id=None if pending is None else pending.id,
        would_allow=would_allow,
    )
    error.pending = pending
    return error


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for people, and whom to tell meanwhile.

    wait: None: as long as the request waits itself; zero: not at all.
    """

    wait: timedelta | None = None
    on_pending: OnPending | None = None

    def tell(self, pending: Pending) -> None:
        """Tell what waits."""
        if self.on_pending is not None:
            self.on_pending(pending)

    def until(self, pending: Pending, began: datetime) -> datetime:
        """Return when to give up."""
        if self.wait is None:
            return pending.expires_at
        return min(pending.expires_at, began + self.wait)


def patience(wait: float | timedelta | None, on_pending: OnPending | None) -> Patience:
    """Return how long to wait; a number is in seconds.

    Raises:
        ValueError: less than nothing.
    """
    given = wait if wait is None or isinstance(wait, timedelta) else timedelta(seconds=wait)
    if given is not None and given < timedelta(0):
        raise ValueError("wait is a time from now on: 0 waits not at all, None as long as it takes")
    return Patience(given, on_pending)


def read_pending(
    body: Mapping[str, Any], endpoint: str, form: Mapping[str, str], now: datetime
) -> Pending | None:
    """Return what an answer says of what waits; None: it does not say how to go on.

    Raises:
        UnexpectedAnswerError: a member is malformed.
    """
    id_ = next((body[name] for name in _IDS if name in body), None)
    if id_ is None:
        return None
    if not _is_id(id_):
        raise UnexpectedAnswerError("the answer's id of what waits is not an identifier")
    uri = body.get("authorization_uri")
    return Pending(
        id=id_,
        expires_at=now + _seconds(body.get("expires_in"), timedelta(minutes=15)),
        interval=_seconds(body.get("interval"), INTERVAL),
        authorization_uri=readable(uri) if isinstance(uri, str) else None,
        endpoint=endpoint,
        form=_repeated(form, endpoint, id_),
    )


def again(pending: Pending, body: Mapping[str, Any], now: datetime, *, slower: bool) -> Pending:
    """Return *pending* as an answer to a poll says it is now (RFC 8628 §3.5).

    The id may be another: what is beyond a plan asks anew.
    """
    told = read_pending(body, pending.endpoint, pending.form, now)
    if told is None:
        return replace(pending, interval=pending.interval + (INTERVAL if slower else timedelta(0)))
    interval = max(told.interval, pending.interval + INTERVAL) if slower else told.interval
    return replace(told, interval=interval, txn=pending.txn)


def _repeated(form: Mapping[str, str], endpoint: str, id_: str) -> dict[str, str]:
    if endpoint == _CHALLENGE_ENDPOINT:
        return {"transaction_authorization_id": id_}
    kept = {name: value for name, value in form.items() if name not in _PRIVATE}
    return {**kept, "access_request_id": id_}


def _is_id(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= _LONGEST_ID


def _seconds(value: object, otherwise: timedelta) -> timedelta:
    if value is None:
        return otherwise
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else -1
    if not 0 <= number <= _LONGEST_WAIT_SECONDS:
        raise UnexpectedAnswerError("the answer does not say how long it waits")
    return timedelta(seconds=number)
