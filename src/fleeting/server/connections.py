"""Connections: uvicorn's HTTP/1.1 with the bounds on a request that it has not."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 65_536
REQUEST_SECONDS = 10.0
"""How long a request may take, from its first byte to its last: a byte at a time is too slow."""
ON_SHUTDOWN = "fleeting.on_shutdown"
"""Where in a connection's scope an answer that would go on for ever says how it is ended."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection; who sends a request that never ends, or never sends one, is cut off.

    Without it a stranger fills our memory with header fields, and our sockets with silence
    (ATTACKS 33); who never reads the answers is cut off, too. Between requests uvicorn's own
    keep-alive timeout counts. The clock runs only for what did not come at once, so that an honest
    request costs no timer.
    """

    _head_bytes = 0
    _in_head = True
    _complete = False
    _patience: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request, for a while."""
        super().connection_made(transport)
        self._be_patient()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._be_content()
        self._is_read()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head is too long by now."""
        self._complete = False
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._complete or self.transport.is_closing():
            return
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self.send_400_response("The head of this request is too long.")
        elif self._patience is None:
            self._be_patient()

    def on_message_begin(self) -> None:
        """Begin a request, maybe in one piece with the end of the last: it is not complete."""
        self._complete = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Leave the head."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect the next request."""
        self._in_head, self._head_bytes, self._complete = True, 0, True
        self._be_content()
        super().on_message_complete()

    def shutdown(self) -> None:
        """Stop in order: what would go on for ever ends here."""
        scope = cast("dict[str, Any]", getattr(self.cycle, "scope", {}))
        if ON_SHUTDOWN in scope:
            scope[ON_SHUTDOWN]()
        super().shutdown()

    def pause_writing(self) -> None:
        """Wait for a caller that does not read its answers, for a while."""
        super().pause_writing()
        if self._reading is None:
            self._reading = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: it reads."""
        self._is_read()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close what is idle; what is still unread by now never will be."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        super().timeout_keep_alive_handler()

    def _is_read(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()

    def _be_patient(self) -> None:
        self._patience = self.loop.call_later(REQUEST_SECONDS, self._give_up)

    def _be_content(self) -> None:
        patience, self._patience = self._patience, None
        if patience is not None:
            patience.cancel()

    def _give_up(self) -> None:
        self._patience = None
        if self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size():  # closing in order would wait for a reader
            self.transport.abort()
        elif self._is_answering():  # two answers in one would be a lie
            self.transport.close()
        else:
            self.send_400_response("This request is too slow.")

    def _is_answering(self) -> bool:
        """Say whether an answer is under way, or was given before its request had come whole."""
        cycle = self.cycle
        if cycle is None:
            return False
        return not cycle.response_complete if self._in_head else cycle.response_started
