"""Connections: uvicorn's HTTP/1.1 with bounds on the head of a request, of which it has none."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 65_536
HEAD_SECONDS = 10.0


class BoundedProtocol(HttpToolsProtocol):
    """One connection; who sends a head that never ends, or never sends one, is cut off.

    Without it a stranger fills our memory with header fields, and our sockets with silence
    (ATTACKS 33). Between requests uvicorn's own keep-alive timeout counts.
    """

    _head_bytes = 0
    _in_head = True
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a head, for a while."""
        super().connection_made(transport)
        self._be_patient()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._be_content()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head is too long by now."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        if self._head_bytes > MAX_HEAD_BYTES:
            self.send_400_response("The head of this request is too long.")
        elif self._patience is None and self._head_bytes:
            self._be_patient()

    def on_headers_complete(self) -> None:
        """Leave the head."""
        self._in_head = False
        self._be_content()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect the next head."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_complete()

    def _be_patient(self) -> None:
        self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _be_content(self) -> None:
        patience, self._patience = self._patience, None
        if patience is not None:
            patience.cancel()

    def _give_up(self) -> None:
        self._patience = None
        if not self.transport.is_closing():
            self.send_400_response("This request is too slow.")
