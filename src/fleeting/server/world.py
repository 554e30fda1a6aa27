"""Time, chance and a bound on strangers: the edge where they enter."""

import base64
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime

_RATE_PER_SECOND = 20.0
_BURST = 200.0


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC."""
        return datetime.now(UTC)


class SystemIds:
    """The machine's entropy."""

    def new_id(self) -> str:
        """Return a fresh id; see ``new_id``."""
        return new_id()


def new_id() -> str:
    """Return 32 URL-safe characters: the time in milliseconds, then 144 bits of fresh entropy.

    What is made at one time lies together in a database's index, so that a commit touches few
    pages: half the cost of a token. The time is no secret: tokens and ledger say it, too.
    """
    made_at_ms = time.time_ns() // 1_000_000
    return base64.urlsafe_b64encode(made_at_ms.to_bytes(6) + os.urandom(18)).decode()


@dataclass(slots=True)
class StrangersBudget:
    """So many refusals of unauthenticated calls are recorded: 200 at once, then 20 a second."""

    left: float = _BURST
    at: datetime | None = None

    def allows(self, now: datetime) -> bool:
        """Take one of the budget, if there is one."""
        if self.at is not None:
            passed = max(0.0, (now - self.at).total_seconds())
            self.left = min(_BURST, self.left + passed * _RATE_PER_SECOND)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True
