"""What guards are told of tokens that ended before their time, both ends (DESIGN §6)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from fleeting.core.model import AccessToken, Json

REVOKED = "revoked"
"""The name of the events that tell of them."""
_LONGEST_NAME = 4096
"""In characters; what is longer is no jti, client_id or subject of ours."""
_LAST_SECOND = 253_402_300_799  # of the year 9999


@dataclass(frozen=True, slots=True)
class TokenEnded:
    """One token is dead; until: when it would have expired, so that this can be forgotten."""

    jti: str
    until: datetime

    def ends(self, token: AccessToken) -> bool:
        """Say whether *token* is the one."""
        return token.jti == self.jti

    def to_json(self) -> dict[str, Json]:
        """Return what goes over the wire."""
        return {"jti": self.jti, "until": _ceiling(self.until)}


@dataclass(frozen=True, slots=True)
class ClientEnded:
    """Every token that was issued to a client up to *issued_until* is dead."""

    client_id: str
    issued_until: datetime
    until: datetime

    def ends(self, token: AccessToken) -> bool:
        """Say whether *token* is one of them; times of issue are whole seconds."""
        return token.client_id == self.client_id and token.issued_at <= self.issued_until

    def to_json(self) -> dict[str, Json]:
        """Return what goes over the wire."""
        return {"client_id": self.client_id, **_until(self.issued_until, self.until)}


@dataclass(frozen=True, slots=True)
class SubjectEnded:
    """Every token with the authority of a subject that was issued up to *issued_until* is dead."""

    subject: str
    issued_until: datetime
    until: datetime

    def ends(self, token: AccessToken) -> bool:
        """Say whether *token* is one of them; times of issue are whole seconds."""
        return token.subject == self.subject and token.issued_at <= self.issued_until

    def to_json(self) -> dict[str, Json]:
        """Return what goes over the wire."""
        return {"sub": self.subject, **_until(self.issued_until, self.until)}


Ended: TypeAlias = TokenEnded | ClientEnded | SubjectEnded
"""Something that a guard can hold against a token that it was shown."""


def read_ended(value: Json) -> Ended:
    """Return what *value* says, as ``to_json`` wrote it.

    Raises:
        ValueError: it says nothing that a guard could hold against a token.
    """
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 -- of the text, not of our code
    until = _instant(value, "until")
    if "jti" in value:
        return TokenEnded(_name(value, "jti"), until)
    if "client_id" in value:
        return ClientEnded(_name(value, "client_id"), _instant(value, "issued_until"), until)
    return SubjectEnded(_name(value, "sub"), _instant(value, "issued_until"), until)


def _until(issued_until: datetime, until: datetime) -> dict[str, Json]:
    return {"issued_until": int(issued_until.timestamp()), "until": _ceiling(until)}


def _ceiling(at: datetime) -> int:
    """Return the second by which *at* is over."""
    whole = int(at.timestamp())
    return whole + (at > datetime.fromtimestamp(whole, UTC))


def _name(value: Mapping[str, Json], key: str) -> str:
    name = value.get(key)
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
        raise ValueError(f"'{key}' must be a name")
    return name


def _instant(value: Mapping[str, Json], key: str) -> datetime:
    seconds = value.get(key)
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        raise ValueError(f"'{key}' must be a number of seconds")  # noqa: TRY004 -- as above
    if not 0 <= seconds <= _LAST_SECOND:
        raise ValueError(f"'{key}' is no time")
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
