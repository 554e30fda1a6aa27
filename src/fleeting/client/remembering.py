"""What a caller remembers between calls: documents, nonces, tokens. Safe for threads and tasks.

No lock is ever held while something is awaited, sent or computed at length.
"""

import re
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Generic, TypeVar

import httpx

from fleeting.client.origins import origin
from fleeting.client.tokens import Token

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

_MOST = 1024
_NONCE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,512}")  # RFC 9449 §8.1
_END_MARGIN = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Seen(Generic[T]):
    """A document and when it was fetched."""

    value: T
    at: datetime


class Documents(Generic[T]):
    """Documents by URL, each for *life*; the oldest goes when there are too many."""

    def __init__(self, life: timedelta) -> None:
        self._life = life
        self._seen: OrderedDict[str, Seen[T]] = OrderedDict()
        self._lock = Lock()

    def get(self, url: str, now: datetime) -> Seen[T] | None:
        """Return a document that is young enough."""
        with self._lock:
            seen = self._seen.get(url)
        return seen if seen and timedelta(0) <= now - seen.at < self._life else None

    def put(self, url: str, value: T, now: datetime) -> Seen[T]:
        """Remember a document."""
        seen = Seen(value, now)
        with self._lock:
            _put(self._seen, url, seen)
        return seen


class Nonces:
    """The latest DPoP nonce of each server: of issuer and resources apart (RFC 9449 §8, §9)."""

    def __init__(self) -> None:
        self._latest: OrderedDict[Hashable, str] = OrderedDict()
        self._lock = Lock()

    def latest(self, role: str, url: httpx.URL) -> str | None:
        """Return the nonce to use towards *url*."""
        with self._lock:
            return self._latest.get((role, origin(url)))

    def notice(self, role: str, url: httpx.URL, headers: httpx.Headers) -> None:
        """Remember the nonce that came from *url*, if one came."""
        fields = headers.get_list("dpop-nonce")
        if len(fields) != 1 or not _NONCE.fullmatch(fields[0]):
            return
        with self._lock:
            _put(self._latest, (role, origin(url)), fields[0])


@dataclass(frozen=True, slots=True)
class _Held:
    token: Token
    left: int | None


class HeldTokens:
    """Tokens that may be presented again, each for the one call that it was obtained for."""

    def __init__(self) -> None:
        self._held: OrderedDict[bytes, _Held] = OrderedDict()
        self._lock = Lock()

    def hold(self, call: bytes, token: Token) -> None:
        """Keep *token* for the same *call*, its first use being spent."""
        left = None if token.uses is None else token.uses - 1
        if left != 0:
            with self._lock:
                _put(self._held, call, _Held(token, left))

    def take(self, call: bytes, now: datetime) -> Token | None:
        """Return a token for *call*, one of its uses being the taker's; None if there is none."""
        with self._lock:
            held = self._held.pop(call, None)
            if held is None or now >= held.token.expires_at - _END_MARGIN:
                return None
            left = None if held.left is None else held.left - 1
            if left != 0:
                self._held[call] = _Held(held.token, left)
            return held.token

    def drop(self, call: bytes, token: Token) -> None:
        """Forget *token*: the resource does not accept it any more."""
        with self._lock:
            held = self._held.get(call)
            if held is not None and held.token is token:
                del self._held[call]


def _put(store: OrderedDict[K, T], key: K, value: T) -> None:
    store[key] = value
    store.move_to_end(key)
    if len(store) > _MOST:
        store.popitem(last=False)
