"""Follow what ended before its time, so that tokens which are verified offline end in time, too."""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import httpx

from fleeting.core import strict_json
from fleeting.core.errors import InvalidToken, TemporarilyUnavailable
from fleeting.core.event_stream import BEAT, MEDIA_TYPE, Event, EventReader
from fleeting.core.model import AccessToken, Json
from fleeting.core.operations import OperationType
from fleeting.core.revocations import REVOKED, read_ended
from fleeting.resource.issuer import Issuer, IssuerError
from fleeting.resource.revoked import RevokedSet, TooManyError

_log = logging.getLogger("fleeting.resource")

PATH = "/revocations"
_POLL_SECONDS = 0.5
"""The pace where nothing is pushed: what is revoked is to be known within a second."""
_FIRST_BEAT_SECONDS = 2.0
"""A stream that is silent for so long at its start is held back by something on the way."""
_SILENCE_SECONDS = 3.0
_STREAM_AGAIN_SECONDS = 60.0
_FIRST_CONTACT_SECONDS = 1.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0
_REFUSED_PAUSE_SECONDS = 30.0
_FORGET_SECONDS = 30.0
_OK = 200
_SERVER_ERROR = 500
_BUSY = (429, 503)
"""A server that has no room for one more stream answers so, and takes polls."""


class RefusedError(IssuerError):
    """The issuer does not tell this guard; asking again soon is of no use."""


class NoStreamError(Exception):
    """Nothing can be pushed here."""


class WhenLost(StrEnum):
    """What is refused while nobody says what was revoked."""

    SENSITIVE = "sensitive"
    EVERYTHING = "everything"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Following:
    """How a guard learns of revocations, for tokens whose uses are not spent at the issuer.

    contact_lost_after: silence for so long is lost contact; keep it above twice the server's
        ``revocation_beat``.
    when_lost: what is refused then, until contact is back: calls of operation types that are
        marked ``sensitive``, every call with such a token, or nothing.
    remembered: how many revocations that are in force are kept in memory; where there are more,
        contact counts as lost.
    """

    contact_lost_after: timedelta = timedelta(seconds=10)
    when_lost: WhenLost = WhenLost.SENSITIVE
    remembered: int = 100_000


class RevokedToken(InvalidToken):
    """The access token was ended before its time."""


class Revocations:
    """What was revoked, followed in a task of its own: no call waits, but the very first ones."""

    def __init__(
        self,
        issuer: Issuer,
        types: Mapping[str, OperationType],
        following: Following,
        clock: Callable[[], datetime],
    ) -> None:
        self._issuer = issuer
        self._types = types
        self._following = following
        self._clock = clock
        self._revoked = RevokedSet(following.remembered)
        self._id = ""
        self._heard_at = float("-inf")
        self._stream_from = 0.0
        self._failures = 0
        self._said = ""
        self._task: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()
        self._first_until = self._forget_from = 0.0

    def start(self) -> None:
        """Follow from now on, if that has not begun."""
        if self._task is None or self._task.done():
            self._tried = asyncio.Event()
            self._first_until = _now() + _FIRST_CONTACT_SECONDS
            self._task = asyncio.create_task(self._follow())

    async def ready(self) -> None:
        """Start, and wait a moment for the first contact: it may be that there is none."""
        self.start()
        if self._tried.is_set() or self._first_until <= _now():
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._tried.wait(), self._first_until - _now())

    async def check(self, token: AccessToken, type_: str) -> None:
        """Check a token that is verified offline, for a call of operation type *type_*.

        Raises:
            RevokedToken: it was ended.
            TemporarilyUnavailable: nobody says what was, and this is refused then.
        """
        await self.ready()
        if self._revoked.ends(token):
            raise RevokedToken("the access token was revoked")
        if self.is_lost() and self._is_refused(type_):
            raise TemporarilyUnavailable("what was revoked cannot be known now: try again later")

    def is_lost(self) -> bool:
        """Say whether contact has been lost for too long."""
        return _now() - self._heard_at > self._following.contact_lost_after.total_seconds()

    def _is_refused(self, type_: str) -> bool:
        when = self._following.when_lost
        known = self._types.get(type_)
        sensitive = known is not None and known.sensitive
        return when is WhenLost.EVERYTHING or (when is WhenLost.SENSITIVE and sensitive)

    async def aclose(self) -> None:
        """Follow no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            pause = await self._attempt()
            self._tried.set()
            await asyncio.sleep(pause)

    async def _attempt(self) -> float:
        """Hear what there is, for as long as it lasts; return how long to pause then."""
        try:
            return await self._hear()
        except NoStreamError as error:
            self._stream_from = _now() + _STREAM_AGAIN_SECONDS
            self._say(f"{error}: asking every {_POLL_SECONDS} seconds instead")
            return 0.0
        except TooManyError as error:
            self._id, self._heard_at = "", float("-inf")  # nobody knows what was left out
            return self._failed(error)
        except RefusedError as error:
            self._failed(error)
            return _REFUSED_PAUSE_SECONDS
        except (IssuerError, ValueError) as error:
            return self._failed(error)

    async def _hear(self) -> float:
        """Ask once where that is quicker, or all that works here; else follow the stream."""
        first = self._heard_at == float("-inf")
        if first or _now() < self._stream_from:
            await self._poll()
            return 0.0 if first else _POLL_SECONDS
        await self._stream()
        return _pause(0)

    async def _poll(self) -> None:
        more = True
        while more:
            reply = await self._issuer.get(PATH, {"after": self._id})
            if reply.status != _OK:
                raise _refusal(reply.status)
            revoked, last, more = _read_answer(reply.json())
            for each in revoked:
                self._add(each)
            self._id = last
        self._is_heard()

    async def _stream(self) -> None:
        headers = {"Last-Event-ID": self._id} if self._id else {}
        events, beaten = EventReader(), False
        try:
            async with (
                asyncio.timeout(_FIRST_BEAT_SECONDS) as patience,
                self._issuer.stream(PATH, headers, _SILENCE_SECONDS) as response,
            ):
                _check_stream(response)
                async for piece in response.aiter_raw():
                    for event in events.feed(piece):
                        self._take(event)
                        if event.name == BEAT and not beaten:
                            beaten = True
                            patience.reschedule(None)
        except TimeoutError:
            raise NoStreamError("the stream of revocations is held back on its way") from None
        if not beaten:
            raise IssuerError("the stream of revocations ended before it began")

    def _take(self, event: Event) -> None:
        if event.name == REVOKED:
            self._add(strict_json.loads(event.data))
        self._id = event.id
        if event.name == BEAT:
            self._is_heard()

    def _add(self, value: Json) -> None:
        ended = read_ended(value)
        try:
            self._revoked.add(ended)
        except TooManyError:
            self._revoked.forget(self._clock())
            self._revoked.add(ended)

    def _is_heard(self) -> None:
        """Note that all is known that was revoked until now."""
        if self._said:
            _log.info("revocations are followed again")
        self._heard_at, self._failures, self._said = _now(), 0, ""
        if _now() >= self._forget_from:
            self._forget_from = _now() + _FORGET_SECONDS
            self._revoked.forget(self._clock())

    def _failed(self, error: Exception) -> float:
        self._failures += 1
        self._say(f"revocations are not followed now: {error}")
        return _pause(self._failures)

    def _say(self, told: str) -> None:
        """Log *told*, unless it is what was logged last."""
        if told != self._said:
            _log.warning("%s", told)
        self._said = told


def _read_answer(answer: dict[str, Any]) -> tuple[list[Json], str, bool]:
    revoked, last, more = answer.get("revoked"), answer.get("last"), answer.get("more") is True
    if not isinstance(revoked, list) or not isinstance(last, str) or (more and not revoked):
        raise IssuerError(f"the answer of {PATH} says nothing of what was revoked")
    return revoked, last, more


def _check_stream(response: httpx.Response) -> None:
    if response.status_code != _OK:
        raise _refusal(response.status_code)
    if not response.headers.get("content-type", "").startswith(MEDIA_TYPE):
        raise NoStreamError("the answer is no stream of revocations")


def _refusal(status: int) -> Exception:
    told = f"{PATH} answers {status}"
    if status in _BUSY:
        return NoStreamError(told)
    return RefusedError(told) if status < _SERVER_ERROR else IssuerError(told)


def _pause(failures: int) -> float:
    """Return for how long to pause after so many failures in a row: longer, and never in step."""
    longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**failures)
    return random.uniform(longest / 2, longest)  # noqa: S311 -- no secret


def _now() -> float:
    return asyncio.get_running_loop().time()
