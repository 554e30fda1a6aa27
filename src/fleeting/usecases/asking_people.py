"""Put an access request before people: recorded as pending, and its caller told where it stands."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from fleeting.core.access_requests import Plan, RequestRecord
from fleeting.core.asking import asked_record
from fleeting.core.collecting import pending_entries
from fleeting.core.errors import AuthorizationPending, SlowDown, TemporarilyUnavailable
from fleeting.core.lifecycle import Status
from fleeting.core.model import AccessRequest, Client, Decision, Json
from fleeting.ports import Record, RecordChange, RecordKind, Records, Write, unless_stale
from fleeting.usecases.calling import Desk, Story
from fleeting.usecases.open_requests import OpenRequests
from fleeting.usecases.request_rows import change_of, read_row
from fleeting.usecases.rules import Rules
from fleeting.usecases.waiting import Pace, Waiting

ATTEMPTS = 8
"""How often a race is lost before its caller is told to come again."""

_STILL_OPEN = (Status.PENDING, Status.APPROVED)


def busy() -> TemporarilyUnavailable:
    """Return the answer to who lost every race."""
    return TemporarilyUnavailable("this access request is being changed all the time: try again")


@dataclass(frozen=True, slots=True)
class Counter:
    """Where a caller waits at this worker, and how often it may ask.

    on_pending: told of every request that begins to wait.
    happened: told what a client did about its request, in a word, to count it.
    """

    records: Records
    waiting: Waiting
    pace: Pace
    open: OpenRequests
    on_pending: Callable[[RequestRecord], None]
    happened: Callable[[str], None]

    async def found(self, id_: str, rules: Rules) -> RequestRecord | None:
        """Return the access request of that id, if there is one.

        Raises:
            StoreUnavailableError: the store cannot answer.
        """
        row = await self.records.record(RecordKind.REQUEST, id_)
        return None if row is None else read_row(row, rules.installation.catalogue.types)

    def members(self, record: RequestRecord, issuer: str, now: datetime) -> dict[str, Json]:
        """Return what the caller of *record*, which waits, is told (RFC 8628 §3.2's words)."""
        return {
            "access_request_id": record.id,
            "interval": int(self.pace.interval(record.id).total_seconds()),
            "expires_in": max(0, math.ceil((record.expires_at - now).total_seconds())),
            "authorization_uri": f"{issuer}/requests/{record.id}",
        }

    def pending(self, record: RequestRecord, story: Story) -> AuthorizationPending:
        """Return the answer to the caller of *record*, which waits."""
        error = AuthorizationPending("people must approve this first: repeat the request later")
        error.members = self.members(record, story.rules.installation.issuer, story.now)
        return error

    def too_fast(self, record: RequestRecord, story: Story) -> SlowDown:
        """Return the answer to the caller of *record* who asks too often."""
        error = SlowDown("people must approve this first, and you ask too often: wait longer")
        error.members = self.members(record, story.rules.installation.issuer, story.now)
        return error


@dataclass(frozen=True, slots=True)
class AskPeople:
    """Record that an access request waits. It always ends in ``AuthorizationPending``.

    Asked again while it waits, it is the same request, with the same id: by a row of its own that
    leads from the fingerprint to it, and is written with it or not at all.
    """

    desk: Desk
    counter: Counter

    def draft(
        self, story: Story, request: AccessRequest, decision: Decision, plan: Plan | None
    ) -> RequestRecord:
        """Return what is to be put before people.

        Raises:
            AccessDenied and its kind: nothing may come of it, or policy permits no such plan.
        """
        rules = story.rules
        clients: dict[str, Client] = {
            name: each.client for name, each in rules.installation.registrations.items()
        }
        return asked_record(
            request,
            decision,
            rules.policy.policies,
            plan=plan,
            types=rules.installation.catalogue.types,
            clients=clients,
            now=story.now,
        )

    async def __call__(
        self, story: Story, record: RequestRecord, decision: Decision
    ) -> AuthorizationPending:
        """Return what to tell the caller, once *record* is recorded, or is found to be already.

        Raises:
            AccessDenied: too many of the client's wait. TemporarilyUnavailable: too many in all.
        """
        for _ in range(ATTEMPTS):
            pointer = await self.counter.records.record(*_pointer_key(record))
            same = await self._same(pointer, record, story)
            if same is not None:
                return self.counter.pending(same, story)
            with self.counter.open.room(record.request.client.client_id):
                outcome = await self.desk.commit(story, _write(record, decision, pointer))
                if not outcome.stale:
                    self.counter.open.opened(record)
                    self.counter.on_pending(record)
                    return self.counter.pending(record, story)
        raise busy()

    async def _same(
        self, pointer: Record | None, record: RequestRecord, story: Story
    ) -> RequestRecord | None:
        """Return the request that *pointer* leads to, if it is the same one and still waits."""
        if pointer is None:
            return None
        known = await self.counter.found(pointer.text, story.rules)
        if known is None or known.fingerprint != record.fingerprint:
            return None
        waits = known.status in _STILL_OPEN and story.now < known.expires_at
        return known if waits else None


def _pointer_key(record: RequestRecord) -> tuple[RecordKind, str]:
    return RecordKind.IDEMPOTENCY, f"asked:{record.fingerprint}"


def _write(record: RequestRecord, decision: Decision, pointer: Record | None) -> Write:
    kind, id_ = _pointer_key(record)
    seen = 0 if pointer is None else pointer.revision
    leads = RecordChange(kind, id_, seen, "asked", record.id, record.expires_at)
    entries = pending_entries(record, decision)
    return Write(
        changes=(change_of(record), leads),
        record=unless_stale(*entries),
    )
