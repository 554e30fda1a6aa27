"""What a guard knows of tokens that ended before their time: in memory, and bounded."""

from datetime import datetime, timedelta
from typing import TypeVar

from fleeting.core.model import AccessToken
from fleeting.core.revocations import ClientEnded, Ended, SubjectEnded, TokenEnded

_LENIENCE = timedelta(minutes=1)

P = TypeVar("P", ClientEnded, SubjectEnded)


class TooManyError(Exception):
    """More is in force than is remembered."""


class RevokedSet:
    """Tokens and parties by name; forgotten once nothing that they end can be alive."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tokens: dict[str, TokenEnded] = {}
        self._clients: dict[str, ClientEnded] = {}
        self._subjects: dict[str, SubjectEnded] = {}

    def __len__(self) -> int:
        """Return how much is remembered."""
        return len(self._tokens) + len(self._clients) + len(self._subjects)

    def add(self, ended: Ended) -> None:
        """Remember *ended*; of one client or subject, the latest cut-off counts.

        Raises:
            TooManyError: there is no room.
        """
        if len(self) >= self._limit:
            raise TooManyError(f"more than {self._limit} revocations are in force")
        if isinstance(ended, TokenEnded):
            self._tokens[ended.jti] = ended
        elif isinstance(ended, ClientEnded):
            _widen(self._clients, ended.client_id, ended)
        else:
            _widen(self._subjects, ended.subject, ended)

    def ends(self, token: AccessToken) -> bool:
        """Say whether anything that is remembered ends *token*."""
        known: tuple[Ended | None, ...] = (
            self._tokens.get(token.jti),
            self._clients.get(token.client_id),
            self._subjects.get(token.subject),
        )
        return any(each is not None and each.ends(token) for each in known)

    def forget(self, now: datetime) -> None:
        """Forget what ends no token that could be alive at *now*."""
        over = now - _LENIENCE
        self._tokens = {name: it for name, it in self._tokens.items() if it.until > over}
        self._clients = {name: it for name, it in self._clients.items() if it.until > over}
        self._subjects = {name: it for name, it in self._subjects.items() if it.until > over}


def _widen(known: dict[str, P], name: str, ended: P) -> None:
    """Keep the later one: it ends all that the earlier one does, and lasts as long."""
    if name not in known or known[name].issued_until <= ended.issued_until:
        known[name] = ended
