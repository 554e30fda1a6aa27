"""``GET /revocations``: a stream for guards, and its fallback, an answer for those that poll."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from urllib.parse import parse_qsl

import structlog
from starlette.types import Receive, Scope, Send

from fleeting.core.errors import OAuthError, TemporarilyUnavailable
from fleeting.core.event_stream import MEDIA_TYPE, write_beat, write_event
from fleeting.core.model import Resource
from fleeting.ports import StoreUnavailableError
from fleeting.server.answering import Rendered, observe, settle
from fleeting.server.connections import ON_SHUTDOWN
from fleeting.server.json_endpoints import call_by_header, first_header
from fleeting.server.metrics import Metrics
from fleeting.server.pulse import Pulse
from fleeting.server.rendering import Header, encode, headers, render_error
from fleeting.server.world import new_id
from fleeting.usecases.calling import Call, unavailable
from fleeting.usecases.revocation_feed import BEGINNING, News

MOST_STREAMS = 500
"""Per resource and worker; whoever comes then is refused, and polls."""
RESET = "reset"
_RETRY = b"retry: 500\n\n"
_JSON = "application/json"
_FIELDS: tuple[Header, ...] = (
    (b"content-type", MEDIA_TYPE.encode()),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-accel-buffering", b"no"),
)

log = structlog.get_logger("fleeting.server")


@dataclass(frozen=True, slots=True)
class Opened:
    """A stream that may begin: whose, and with what."""

    audience: str
    news: News


@dataclass(frozen=True, slots=True)
class RevocationEndpoint:
    """Tells guards what ended before its time (DESIGN §6). Raw ASGI: a stream goes on for ever.

    Credentials come in the header, as for the JSON endpoints: a GET has no body for them.
    most: streams of one resource. streams: how many there are.
    """

    name: str
    uri: str
    use_case: Callable[[Call], Awaitable[Resource]]
    pulse: Pulse
    metrics: Metrics
    most: int = MOST_STREAMS
    streams: Counter[str] = field(default_factory=Counter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one guard."""
        started, request_id, opened = perf_counter(), new_id(), list[Opened]()
        opening = self._open(scope, request_id, opened)
        status, body, extra, error = await settle(self, request_id, opening)
        observe(self, request_id, status, error, perf_counter() - started)
        if opened:
            with self._listening(opened[0].audience):
                await self._stream(scope, receive, send, opened[0], request_id)
            return
        fields = headers(request_id, body, extra=extra)
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": body})

    def refuse(self, error: OAuthError, request_id: str) -> Rendered:
        """Return what a guard reads of *error* (RFC 6749 §5.2)."""
        return render_error(error, request_id)

    async def _open(self, scope: Scope, request_id: str, opened: list[Opened]) -> bytes:
        """Return the answer to a poll, or put what a stream begins with into *opened*."""
        resource = await self.use_case(call_by_header(scope, request_id, "GET", self.uri))
        news = await self._news(_heard(scope), resource.identifier)
        if _wants_json(scope):
            return encode(news.to_json())
        self._check_room(resource.identifier)
        opened.append(Opened(resource.identifier, news))
        return b""

    async def _news(self, heard: str, audience: str) -> News:
        try:
            await self.pulse.feed.read()
            return await self.pulse.feed.since(heard, audience)
        except StoreUnavailableError as error:
            raise unavailable(error) from error

    def _check_room(self, audience: str) -> None:
        if self.pulse.stopping or self.streams[audience] >= self.most:
            raise TemporarilyUnavailable("there are too many streams: poll, as JSON, instead")

    @contextmanager
    def _listening(self, audience: str) -> Iterator[None]:
        self.streams[audience] += 1
        self.pulse.listeners += 1
        self.metrics.streams(+1)
        try:
            yield
        finally:
            self.streams[audience] -= 1
            self.pulse.listeners -= 1
            self.metrics.streams(-1)

    async def _stream(
        self, scope: Scope, receive: Receive, send: Send, opened: Opened, request_id: str
    ) -> None:
        """Send what is new as it comes, and a beat after it, until the guard or the server goes."""
        audience, news = opened.audience, opened.news
        gone, turn = asyncio.create_task(_until_gone(receive)), self.pulse.turn
        scope[ON_SHUTDOWN] = self.pulse.stop
        fields = [*_FIELDS, (b"x-request-id", request_id.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        piece, beats = _RETRY + _written(news) + write_beat(news.id), self.pulse.beats
        try:
            while not (gone.done() or self.pulse.stopping):
                if piece:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await turn.wait()
                turn = self.pulse.turn  # before the look, so that nothing comes between
                news = await self.pulse.feed.after(news, audience)
                piece = _written(news)
                if self.pulse.beats != beats:
                    piece, beats = piece + write_beat(news.id), self.pulse.beats
        except StoreUnavailableError as error:  # where it was put back to an older state
            log.warning("a stream of revocations ends", cause=str(error))
        finally:
            gone.cancel()
        await send({"type": "http.response.body", "body": b""})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _written(news: News) -> bytes:
    first = write_event(RESET, "{}", BEGINNING) if news.reset else b""
    return first + b"".join(each.event for each in news.told)


def _wants_json(scope: Scope) -> bool:
    """Say whether the caller takes an answer as JSON, and no stream."""
    accepted = first_header(scope, b"accept")
    return _JSON in accepted and MEDIA_TYPE not in accepted


def _heard(scope: Scope) -> str:
    """Return up to where the caller has heard: by header, as browsers do, or by ``after``."""
    query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
    return first_header(scope, b"last-event-id") or query.get("after", BEGINNING)
