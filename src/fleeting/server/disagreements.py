"""Sound the alarm where compiled policies and the Cedar engine differ, or hints cannot be found."""

import structlog

from fleeting.policy import Disagreement, OnDisagreement
from fleeting.server.metrics import Metrics

log = structlog.get_logger("fleeting.server")


def alarm(metrics: Metrics) -> OnDisagreement:
    """Return what counts a disagreement and logs which policies it is about, and no request."""

    def sound(disagreement: Disagreement) -> None:
        metrics.disagreed()
        log.error(
            "policy engines disagree",
            action=disagreement.action,
            effect=disagreement.effect.value,
            policies=disagreement.policies,
        )

    return sound


def tell_fault(error: Exception) -> None:
    """Log why a refusal could not say what would be allowed: the refusal itself stands."""
    log.error("bug", deed="hint", exc_info=error)
