"""Let a candidate policy set decide beside the live one: it is compared, and never counts."""

from datetime import datetime
from time import perf_counter

import structlog

from fleeting.core.evidence import Entry
from fleeting.core.model import AccessRequest, Decision
from fleeting.core.policy_deeds import differed_entry
from fleeting.policy import Difference, PolicyBundle, compare
from fleeting.server.metrics import Metrics

SLOW_SECONDS = 0.01
"""A decision that takes longer than this is followed by a rest."""

RESTS = 100
"""The rest, in times of what the decision took: a slow candidate costs one part in so many."""

ERROR, RESTED = "error", "rested"

log = structlog.get_logger("fleeting.server")


class ShadowSet:
    """A candidate in one worker."""

    def __init__(self, bundle: PolicyBundle, metrics: Metrics) -> None:
        self.bundle = bundle
        self._metrics = metrics
        self._rests_until = 0.0
        self._failed = False

    def watch(self, request: AccessRequest, decision: Decision, *, now: datetime) -> Entry | None:
        """See ``usecases.rules.Shadow``."""
        began = perf_counter()
        if began < self._rests_until:
            self._metrics.shadowed(RESTED)
            return None
        try:
            outcome, entry = self._compare(request, decision, now)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the live answer goes out
            outcome, entry = ERROR, None
            self._tell(error)
        took = perf_counter() - began
        if took > SLOW_SECONDS:
            self._rests_until = began + took * RESTS
        self._metrics.shadowed(outcome)
        return entry

    def _compare(
        self, request: AccessRequest, decision: Decision, now: datetime
    ) -> tuple[str, Entry | None]:
        candidate = self.bundle.decide(request, now=now)
        difference = compare(decision, candidate)
        if difference is Difference.SAME:
            return difference.value, None
        entry = differed_entry(request, decision, candidate, difference.value, now)
        return difference.value, entry

    def _tell(self, error: Exception) -> None:
        """Log the first fault of a candidate; the metrics count them all."""
        if not self._failed:
            self._failed = True
            log.error("the candidate cannot decide", policy=self.bundle.digest, exc_info=error)
