"""What Prometheus is told."""

import os
from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counters and histograms of one worker; with several, ``render`` adds them all up."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "fleeting_answers",
            "Answers, by endpoint and outcome (ok or the OAuth error)",
            ["endpoint", "outcome"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "fleeting_answer_seconds",
            "Time to an answer, by endpoint",
            ["endpoint"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._disagreements = Counter(
            "fleeting_policy_disagreements",
            "Answers of compiled policies that the Cedar engine did not confirm: all denied",
            registry=self._registry,
        )
        self._observe: dict[
            tuple[str, str], tuple[Callable[[], None], Callable[[float], None]]
        ] = {}

    def answered(self, endpoint: str, outcome: str, seconds: float) -> None:
        """Count one answer."""
        observers = self._observe.get((endpoint, outcome))
        if observers is None:
            observers = (
                self._answers.labels(endpoint, outcome).inc,
                self._seconds.labels(endpoint).observe,
            )
            self._observe[endpoint, outcome] = observers
        observers[0]()
        observers[1](seconds)

    def disagreed(self) -> None:
        """Count an answer that the Cedar engine did not confirm."""
        self._disagreements.inc()

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        if MULTIPROCESS_VARIABLE not in os.environ:
            return generate_latest(self._registry)
        everyone = CollectorRegistry()
        multiprocess.MultiProcessCollector(everyone)  # type: ignore[no-untyped-call]
        return generate_latest(everyone)
