"""A ledger that tells at once, in this very worker, that something was ended."""

from collections.abc import Callable
from dataclasses import dataclass

from fleeting.ports import Ledger, Outcome, Write


@dataclass(frozen=True, slots=True)
class AnnouncingLedger:
    """Commits as *ledger* does; heard: called after a commit that may have ended tokens."""

    ledger: Ledger
    heard: Callable[[], None]

    async def commit(self, write: Write) -> Outcome:
        """See ``ports.Ledger``."""
        outcome = await self.ledger.commit(write)
        if outcome.revoked or write.cutoffs:
            self.heard()
        return outcome
