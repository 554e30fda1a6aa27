"""Sound the alarm where compiled policies and the Cedar engine differ; the request is denied."""

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
