"""The access token that a caller gets, and how a token response is read (RFC 6749 §5.1)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from fleeting.client.errors import UnexpectedAnswerError, readable
from fleeting.core.model import Json

DPOP = "DPoP"
BEARER = "Bearer"

_TYPES = {DPOP.lower(): DPOP, BEARER.lower(): BEARER}
_VALUE = re.compile(r"[A-Za-z0-9._~+/-]{1,16384}=*")  # RFC 6750 §2.1: fit for the header
_MAX_LIFE_SECONDS = 366 * 24 * 3600
_MAX_TXN = 200


@dataclass(frozen=True, slots=True)
class Refused:
    """One action that was asked for and not granted. operation: its place in what was asked."""

    type: str
    action: str
    operation: int
    reason: str


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, and what its issuer said of it. Its ``repr`` never shows its value.

    type: ``DPoP`` (bound to the caller's key) or ``Bearer``.
    expires_at: by the caller's clock, never later than the issuer's end of it.
    uses: how often it may be presented; None is without a limit until it expires.
    txn: what ``fleeting explain`` takes.
    refused: what was asked and not granted.
    """

    value: str = field(repr=False)
    type: str
    expires_at: datetime
    uses: int | None = None
    txn: str | None = None
    authorization_details: tuple[Mapping[str, Json], ...] = field(default=(), hash=False)
    scope: str | None = None
    refused: tuple[Refused, ...] = ()


def read_token(body: Mapping[str, Any], *, asked_at: datetime, bound: bool) -> Token:
    """Return the token of a token response (RFC 6749 §5.1, RFC 9396 §7, RFC 9449 §5).

    asked_at: when the request left, so that the token never seems to live longer than it does.
    bound: whether a proof of possession went with the request: then only a bound token will do.
    This does NOT look into the token: to its client it is opaque (RFC 9068 §6).

    Raises:
        UnexpectedAnswerError: a member is missing, malformed, or not what was asked for.
    """
    value = body.get("access_token")
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise UnexpectedAnswerError("the token response holds no usable 'access_token'")
    return Token(
        value=value,
        type=_token_type(body.get("token_type"), bound=bound),
        expires_at=asked_at + _lifetime(body.get("expires_in")),
        uses=_uses(body.get("uses")),
        txn=_txn(body.get("txn")),
        authorization_details=tuple(_objects(body, "authorization_details")),
        scope=_optional_text(body, "scope"),
        refused=tuple(_refused(member) for member in _objects(body, "refused")),
    )


def _token_type(value: object, *, bound: bool) -> str:
    expected = DPOP if bound else BEARER
    if not isinstance(value, str) or _TYPES.get(value.lower()) != expected:
        # RFC 9449 §5: a proof was sent and the token is not bound to it; whoever finds it may
        # use it, so it is discarded.
        raise UnexpectedAnswerError(f"the token's 'token_type' is not {expected}")
    return expected


def _lifetime(value: object) -> timedelta:
    seconds = _integer(value)
    if seconds is None or not 0 < seconds <= _MAX_LIFE_SECONDS:
        raise UnexpectedAnswerError("the token's 'expires_in' is missing or not a lifetime")
    return timedelta(seconds=seconds)


def _uses(value: object) -> int | None:
    uses = _integer(value)
    if value is not None and (uses is None or uses < 1):
        raise UnexpectedAnswerError("the token's 'uses' is not a positive integer")
    return uses


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _txn(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= _MAX_TXN:
        raise UnexpectedAnswerError("the token's 'txn' is not an identifier")
    return value


def _optional_text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise UnexpectedAnswerError(f"the token's '{name}' is not text")
    return value


def _objects(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    value = body.get(name)
    members = [] if value is None else value
    if not isinstance(members, list) or not all(isinstance(item, dict) for item in members):
        raise UnexpectedAnswerError(f"the token's '{name}' is not a list of objects")
    return members


def _refused(member: Mapping[str, Any]) -> Refused:
    texts = [member.get(name) for name in ("type", "action", "reason")]
    kind, action, reason = (readable(text) if isinstance(text, str) else "" for text in texts)
    place = _integer(member.get("operation"))
    if place is None or not kind or not action:
        raise UnexpectedAnswerError("the token's 'refused' does not say what was refused")
    return Refused(kind, action, place, reason)
