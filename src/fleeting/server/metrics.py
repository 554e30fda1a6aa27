"""What Prometheus is told."""

import os
from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counters and histograms of one worker; with several, ``render`` adds them all up.

    in_flight: how many requests this worker is answering now.
    """

    def __init__(self) -> None:
        self.in_flight = 0
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
        self._streams = Gauge(
            "fleeting_revocation_streams",
            "Guards that follow revocations by a stream",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._policy = _PolicyMetrics(self._registry)
        self.requests = RequestMetrics(self._registry)
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

    def streams(self, more: int) -> None:
        """Count *more* streams of revocations, or fewer."""
        self._streams.inc(more)

    def reloaded(self, outcome: str) -> None:
        """Count one attempt to put another policy set in force."""
        self._policy.reloads.labels(outcome).inc()

    def in_force(self, live: str, candidate: str | None) -> None:
        """Say which policy sets this worker decides by."""
        self._policy.show({("live", live), *([("candidate", candidate)] if candidate else [])})

    def policy_trouble(self, *, exists: bool) -> None:
        """Say whether there is a policy set that this worker should load and cannot."""
        self._policy.troubles.set(int(exists))

    def shadowed(self, outcome: str) -> None:
        """Count one request that a candidate decided, too."""
        self._policy.shadow.labels(outcome).inc()

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        if MULTIPROCESS_VARIABLE not in os.environ:
            return generate_latest(self._registry)
        everyone = CollectorRegistry()
        multiprocess.MultiProcessCollector(everyone)  # type: ignore[no-untyped-call]
        return generate_latest(everyone)


class RequestMetrics:
    """What is told of access requests that people decide."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter(
            "fleeting_access_requests",
            "What happened to access requests (pending, voted, approved, denied, narrowed, asked, "
            "answered, collected, cancelled, returned, extended, revoked, expired, ended, "
            "break_glass, review_closed, review_overdue)",
            ["event"],
            registry=registry,
        )
        self._pending = Gauge(
            "fleeting_access_requests_pending",
            "Access requests that wait for people, as every worker knows them",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._waiting = Gauge(
            "fleeting_callers_waiting",
            "Callers whose answer is held back until people decide",
            registry=registry,
            multiprocess_mode="livesum",
        )

    def happened(self, event: str) -> None:
        """Count one event."""
        self._events.labels(event).inc()

    def show(self, pending: int, waiting: int) -> None:
        """Say how many wait now."""
        self._pending.set(pending)
        self._waiting.set(waiting)


class _PolicyMetrics:
    """What is told of policy sets; the gauges count the workers that live."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.reloads = Counter(
            "fleeting_policy_reloads",
            "Attempts to put another policy set in force, by outcome (loaded, refused, failed)",
            ["outcome"],
            registry=registry,
        )
        self.shadow = Counter(
            "fleeting_shadow_decisions",
            "Requests that a candidate policy set decided too, by what it would change",
            ["outcome"],
            registry=registry,
        )
        self.troubles = Gauge(
            "fleeting_policy_troubles",
            "Workers that should load a policy set and cannot",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._info = Gauge(
            "fleeting_policy_info",
            "Workers that decide by a policy set, by its role (live, candidate) and digest",
            ["role", "digest"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._shown: set[tuple[str, str]] = set()

    def show(self, sets: set[tuple[str, str]]) -> None:
        """Count this worker for *sets* of role and digest, and no longer for others."""
        for gone in self._shown - sets:
            self._info.labels(*gone).set(0)
        for each in sets:
            self._info.labels(*each).set(1)
        self._shown = sets
