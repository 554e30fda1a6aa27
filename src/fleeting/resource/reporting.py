"""Tell the issuer what became of its tokens here: behind the calls, and never at their cost."""

import asyncio
import json
import logging
from collections import deque
from enum import StrEnum

from fleeting.core.model import Operation
from fleeting.resource.issuer import Issuer, IssuerError

_log = logging.getLogger("fleeting.resource")
_LONGEST_REASON = 500
_CLIENT_ERROR = 400


class Outcome(StrEnum):
    """What the guard did with a call."""

    SERVED = "served"
    REFUSED = "refused"


class Reporter:
    """A bounded queue of reports, sent one after the other; what does not fit is counted.

    dropped: reports that found the queue full. failed: reports that the issuer did not take.
    """

    def __init__(self, issuer: Issuer, limit: int = 1000) -> None:
        self.dropped = 0
        self.failed = 0
        self._issuer = issuer
        self._limit = limit
        self._waiting: deque[dict[str, str]] = deque()
        self._sending: asyncio.Task[None] | None = None

    def report(
        self, token: str, outcome: Outcome, reason: str, operation: Operation | None
    ) -> None:
        """Queue a report about an authentic *token*; never waits, never fails."""
        if len(self._waiting) >= self._limit:
            self.dropped += 1
            return
        form = {"token": token, "outcome": outcome.value, "reason": reason[:_LONGEST_REASON]}
        if operation is not None:
            form["operation"] = json.dumps(operation.to_json())
        self._waiting.append(form)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())

    async def _send(self) -> None:
        while self._waiting:
            form = self._waiting.popleft()
            try:
                reply = await self._issuer.post("/report", form)
                self.failed += reply.status >= _CLIENT_ERROR
            except IssuerError:
                self.failed += 1

    async def aclose(self, patience_seconds: float = 5) -> None:
        """Send what waits, within *patience_seconds*; drop the rest."""
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=patience_seconds)
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        self.dropped += len(self._waiting)
        self._waiting.clear()
        if self.dropped or self.failed:
            _log.warning("reports: %d dropped, %d not taken", self.dropped, self.failed)
