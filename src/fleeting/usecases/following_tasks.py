"""Follow what an enforcement point submitted: where it stands, and to cancel it.

AuthZEN Access Request and Approval Profile (draft 1), cited as ARAP: §11.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fleeting.core.access_requests import RequestRecord
from fleeting.core.errors import UnknownTask
from fleeting.core.lifecycle import Status
from fleeting.core.offers import Types
from fleeting.core.people import Person
from fleeting.core.reevaluating import APPROVAL_TYP, approval_claims
from fleeting.core.request_deeds import Deed, cancelled, check_said, lapsed
from fleeting.core.tasks import check_alive, check_pending, item_id, task_json
from fleeting.ports import RecordKind, Records
from fleeting.usecases.asking_people import ATTEMPTS, Counter, busy
from fleeting.usecases.calling import Call, Story
from fleeting.usecases.enforcement import enforcement_point
from fleeting.usecases.guarding import GuardDesk
from fleeting.usecases.request_rows import read_row, write_of


async def found_task(id_: str, records: Records, types: Types) -> list[RequestRecord]:
    """Return the access requests of a task, in the order of its items; none: no such task.

    Raises:
        StoreUnavailableError: the store cannot answer.
    """

    async def found(request_id: str) -> RequestRecord | None:
        row = await records.record(RecordKind.REQUEST, request_id)
        record = None if row is None else read_row(row, types)
        return record if record and record.submitted and record.submitted.task == id_ else None

    whole = await found(id_)
    if whole is not None:
        return [whole]
    first = await found(item_id(id_, 1))
    if first is None or first.submitted is None:
        return []
    rest = [await found(item_id(id_, place)) for place in range(2, first.submitted.items + 1)]
    return [first, *(each for each in rest if each is not None)]


@dataclass(frozen=True, slots=True)
class Tasks:
    """The tasks of an installation, found by id, told to those who submitted them."""

    guards: GuardDesk
    counter: Counter

    async def own(self, id_: str, story: Story) -> list[RequestRecord]:
        """Return the access requests of the caller's own task, as they are by now.

        Raises:
            UnknownTask: there is none, or it is another enforcement point's (ARAP §21.3.3).
        """
        for _ in range(ATTEMPTS):
            types = story.rules.installation.catalogue.types
            records = await found_task(id_, self.counter.records, types)
            if not records or records[0].request.client.client_id != story.client_id:
                raise UnknownTask("no task of this enforcement point has that id")
            over = [lapsed(record, story.now) for record in records]
            deeds = [deed for deed in over if deed is not None]
            if not deeds:
                return records
            for deed in deeds:
                await self._commit(story, [deed])
        raise busy()

    def told(self, records: Sequence[RequestRecord], story: Story) -> dict[str, Any]:
        """Return what the enforcement point is told of a task.

        Raises:
            TaskExpired: what was approved is over.
        """
        check_alive(records)
        issuer = story.rules.installation.issuer
        states = {
            record.id: self.guards.signer.sign(
                APPROVAL_TYP, approval_claims(record, issuer, story.now)
            )
            for record in records
            if record.status is Status.GRANTED
        }
        return task_json(records, issuer, states)

    async def cancel(self, records: Sequence[RequestRecord], reason: str, story: Story) -> bool:
        """Cancel what waits of a task, all of it or nothing; False: something changed meanwhile."""
        by = Person(story.client_id or "", story.client_id or "")
        waiting = [record for record in records if record.status is Status.PENDING]
        return await self._commit(story, [cancelled(it, by, reason, story.now) for it in waiting])

    async def _commit(self, story: Story, deeds: Sequence[Deed]) -> bool:
        outcome = await self.guards.desk.commit(story, write_of(*deeds, now=story.now))
        for deed in deeds:
            self.counter.waiting.wake(deed.record.id)
        return not outcome.stale


@dataclass(frozen=True, slots=True)
class ShowTask:
    """Tell an enforcement point where its task stands (ARAP §11)."""

    tasks: Tasks

    async def __call__(self, call: Call, id_: str) -> dict[str, Any]:
        """Return the task, and what came of it.

        Raises:
            UnknownTask, TaskExpired: there is no such task of the caller, or it is over.
        """
        guards = self.tasks.guards
        async with guards.desk.story(call) as story:
            enforcement_point(guards, story)
            await guards.desk.use_up(story)
            records = await self.tasks.own(id_, story)
            story.recorded = True  # how it ended is in the ledger already
            return self.tasks.told(records, story)


@dataclass(frozen=True, slots=True)
class CancelTask:
    """Take back what still waits of a task (ARAP §11.4)."""

    tasks: Tasks

    async def __call__(self, call: Call, id_: str, comment: str) -> dict[str, Any]:
        """Return the task as it is then.

        Raises:
            UnknownTask: there is no such task of the caller. InvalidTaskState: all is decided.
        """
        guards = self.tasks.guards
        async with guards.desk.story(call) as story:
            enforcement_point(guards, story)
            reason = check_said(comment, "comment", optional=True)
            for _ in range(ATTEMPTS):
                records = await self.tasks.own(id_, story)
                check_pending(records)
                if await self.tasks.cancel(records, reason, story):
                    return self.tasks.told(await self.tasks.own(id_, story), story)
            raise busy()
