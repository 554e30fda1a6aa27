"""Be ended in order: signals become exceptions, but never in the middle of starting or stopping."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_BY_SIGNAL = 128


class Ended(BaseException):
    """The demo was told to end. code: what a shell expects of a process that a signal ended."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = _BY_SIGNAL + number


class Endings:
    """Turns SIGINT, SIGTERM and SIGHUP into ``Ended`` for as long as it is entered."""

    def __init__(self) -> None:
        self._holding = 0
        self._received: int | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        self._before = {each: signal.signal(each, self._receive) for each in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)  # type: ignore[arg-type]  # as signal() returned it

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if not self._holding:
            raise Ended(number)
        self._received = number

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let no signal interrupt the block; one that came meanwhile counts after it."""
        self._holding += 1
        try:
            yield
        finally:
            self._holding -= 1
        if self._received is not None and not self._holding:
            received, self._received = self._received, None
            raise Ended(received)
