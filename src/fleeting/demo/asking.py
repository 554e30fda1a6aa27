"""A bot that waits for people: its call goes on in a thread, while the stage is others'."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import httpx

from fleeting.client import FleetingError, Pending
from fleeting.demo.expecting import StepFailedError
from fleeting.demo.recording import Exchange, Recorder

_PATIENCE_SECONDS = 30.0
T = TypeVar("T")

Call = Callable[[httpx.Client, Callable[[Pending], None]], T]
"""A call over a client of its own; it says what waits, and returns or raises what came of it."""


class Asking(Generic[T]):
    """One call that people decide, and what was sent and came back for it."""

    def __init__(self, call: Call[T], http: httpx.Client, recorder: Recorder) -> None:
        self._recorder = recorder
        self._waits = threading.Event()
        self._ended = threading.Event()
        self._pending: Pending | None = None
        self._result: T | None = None
        self._error: Exception | None = None
        args = (call, http)
        threading.Thread(target=self._run, args=args, daemon=True).start()  # Ctrl-C ends the demo

    def _run(self, call: Call[T], http: httpx.Client) -> None:
        try:
            self._result = call(http, self._on_pending)
        except Exception as error:  # noqa: BLE001 -- raised where the result is asked for
            self._error = error
        self._ended.set()
        self._waits.set()

    def _on_pending(self, pending: Pending) -> None:
        self._pending = pending
        self._waits.set()

    def pending(self) -> Pending:
        """Return what waits, once it does.

        Raises:
            StepFailedError, FleetingError: it does not.
        """
        self._waits.wait(_PATIENCE_SECONDS)
        if self._pending is None:
            raise self._error or StepFailedError("the bot's call", "to wait for people", "no wait")
        return self._pending

    def exchanges(self) -> list[Exchange]:
        """Return what was sent and came back since this was last asked."""
        return self._recorder.take()

    def ended(self, seconds: float) -> bool:
        """Wait so long for the call's end, and say whether it came."""
        return self._ended.wait(seconds)

    def outcome(self) -> T | FleetingError:
        """Return what the call came to: a result, or the refusal that its code is told.

        Raises:
            StepFailedError: it goes on. Exception: it failed otherwise.
        """
        if not self.ended(_PATIENCE_SECONDS):
            raise StepFailedError("the bot's call", "an end", "it still waits")
        if isinstance(self._error, FleetingError):
            return self._error
        if self._error is not None or self._result is None:
            raise self._error or StepFailedError("the bot's call", "a result", "none")
        return self._result


@contextmanager
def asking(call: Call[T]) -> Iterator[Asking[T]]:
    """Begin a call in the background; with the block, its connections end."""
    recorder = Recorder()
    with httpx.Client(transport=recorder, trust_env=False, timeout=60) as http:
        yield Asking(call, http, recorder)
