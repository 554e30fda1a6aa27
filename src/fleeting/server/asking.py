"""What one worker holds to put access requests before people, and to keep their callers waiting."""

from dataclasses import dataclass

import httpx

from fleeting.core.access_requests import RequestRecord
from fleeting.ports import Clock, Record, Store
from fleeting.server.alarms import Alarms
from fleeting.server.callbacks import Callbacks, Post
from fleeting.server.in_force import PolicyInForce
from fleeting.server.metrics import Metrics
from fleeting.server.request_rounds import RequestRounds
from fleeting.server.settings import Settings
from fleeting.usecases.asking_people import Counter
from fleeting.usecases.minting import Signer
from fleeting.usecases.open_requests import OpenRequests
from fleeting.usecases.waiting import Pace, Waiting


@dataclass(frozen=True, slots=True)
class Asking:
    """The parts, and what they are told."""

    counter: Counter
    rounds: RequestRounds
    alarms: Alarms
    callbacks: Callbacks
    metrics: Metrics

    async def begin(self) -> None:
        """Count what waits already.

        Raises:
            StoreUnavailableError: the store cannot answer.
        """
        await self.counter.open.load(self.counter.records)

    async def close(self) -> None:
        """Send everybody away to come again, and let go of alarms and callbacks under way."""
        self.counter.waiting.stop()
        await self.alarms.close()
        await self.callbacks.close()

    def show(self) -> None:
        """Put into the metrics how many wait."""
        self.metrics.requests.show(len(self.counter.open.pending), len(self.counter.waiting))

    def broken_glass(self, record: RequestRecord) -> None:
        """Count and raise an alarm."""
        self.metrics.requests.happened("break_glass")
        self.alarms.broken_glass(record)

    def collected(self, _record: RequestRecord) -> None:
        """Count a token that was approved."""
        self.metrics.requests.happened("collected")


def build_asking(
    settings: Settings,
    store: Store,
    clock: Clock,
    policy: PolicyInForce,
    http: httpx.AsyncClient,
    metrics: Metrics,
    signer: Signer,
) -> Asking:
    """Return the parts of one worker."""
    declared = settings.asking
    open_ = OpenRequests(declared.per_client, declared.in_all)
    callbacks = Callbacks(store, policy, Post(http, signer, clock, settings.issuer))

    def changed(row: Record) -> None:
        open_.notice(row)
        callbacks.notice(row)

    waiting = Waiting(store, clock, changed)
    alarms = Alarms(declared.alarms, settings.issuer, http)

    def pending(_record: RequestRecord) -> None:
        metrics.requests.happened("pending")

    counter = Counter(store, waiting, Pace(clock), open_, pending, metrics.requests.happened)
    rounds = RequestRounds(
        store, clock, policy, waiting.wake, metrics.requests.happened, alarms.overdue
    )
    return Asking(counter, rounds, alarms, callbacks, metrics)
