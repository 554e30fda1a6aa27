"""What a client does about its own access requests: ``POST /access-request``."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from fleeting.core.access_requests import RequestRecord
from fleeting.core.collecting import check_owner
from fleeting.core.durations import parse_duration
from fleeting.core.errors import InvalidRequest, RequestChanged
from fleeting.core.extending import extension, extension_entry
from fleeting.core.forms import Form
from fleeting.core.lifecycle import Status
from fleeting.core.model import SenderKey
from fleeting.core.people import Person
from fleeting.core.request_deeds import (
    Deed,
    answered,
    cancelled,
    check_said,
    happenings,
    lapsed,
    returned,
)
from fleeting.core.request_status import status_json
from fleeting.core.requests import parse_request_id
from fleeting.ports import Ids, Write
from fleeting.usecases.asking_people import ATTEMPTS, Counter, busy
from fleeting.usecases.calling import Call, Desk, Story
from fleeting.usecases.collect_token import Held
from fleeting.usecases.request_rows import change_of, write_of

ACTIONS = ("status", "cancel", "return", "extend", "answer")


@dataclass(frozen=True, slots=True)
class Managing:
    """One call: who calls, about which request, with what. by: the client, as whoever does it."""

    story: Story
    id: str
    client_id: str
    key: SenderKey | None

    @property
    def form(self) -> Form:
        """What came along."""
        return self.story.call.form

    @property
    def by(self) -> Person:
        """The client, where the ledger says who did it."""
        return Person(self.client_id, self.client_id)


Answer: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ManageRequest:
    """Ask where a request stands, take it back, be done with it, make it longer, answer."""

    desk: Desk
    counter: Counter
    ids: Ids

    async def __call__(self, call: Call) -> Answer:
        """Return where the request stands after it.

        Raises:
            InvalidGrant: there is no such request of this client and key.
            InvalidRequest: no such action, or it lacks something. RequestChanged: too late.
        """
        async with self.desk.story(call) as story:
            authenticated = self.desk.authenticate(story)
            key = self.desk.prove_key(story, authenticated)
            action = call.form.get("action") or "status"
            deeds: dict[str, Callable[[Managing], Awaitable[Answer]]] = {
                "status": self._status,
                "cancel": self._cancel,
                "return": self._return,
                "extend": self._extend,
                "answer": self._answer,
            }
            if action not in deeds:
                raise InvalidRequest(f"action is one of {', '.join(ACTIONS)}")
            client_id = authenticated.client.client_id
            return await deeds[action](Managing(story, parse_request_id(call.form), client_id, key))

    async def _status(self, managing: Managing) -> Answer:
        """Tell where it stands; held back, where that is preferred, until something changes."""
        story, waiting = managing.story, self.counter.waiting
        held = Held(story.call.wait.total_seconds())
        seen = record = await self._own(managing)
        await self.desk.use_up(story)
        while record == seen and record.status is Status.PENDING and held.left():
            with waiting.waiter(managing.id) as changed:
                record = await self._own(managing)
                if record != seen or not waiting.has_room(record.id):
                    break
                await asyncio.wait([changed], timeout=held.left())
                story.now = self.desk.clock.now()
        return self._told(await self._own(managing), story)

    async def _cancel(self, managing: Managing) -> Answer:
        return await self._do(managing, lambda record: cancelled(record, *self._why(managing)))

    async def _return(self, managing: Managing) -> Answer:
        return await self._do(managing, lambda record: returned(record, *self._why(managing)))

    async def _answer(self, managing: Managing) -> Answer:
        text = check_said(managing.form.get("text") or "", "text")
        now = managing.story.now
        return await self._do(managing, lambda record: answered(record, managing.by, text, now))

    async def _extend(self, managing: Managing) -> Answer:
        """Ask for it to be longer; the answer is about the new request, which people decide."""
        duration, story = _duration(managing.form), managing.story
        types = story.rules.installation.catalogue.types
        grant = await self._own(managing)
        if not grant.terms.stages:
            raise RequestChanged("nobody had to approve this: ask again instead")
        new = extension(grant, self.ids.new_id(), self.ids.new_id(), duration, story.now)
        entry = extension_entry(new, managing.client_id, types)
        with self.counter.open.room(managing.client_id):
            write = Write(changes=(change_of(new),), record=lambda _: (entry,))
            await self.desk.commit(story, write)
            self.counter.open.opened(new)
        self.counter.on_pending(new)
        return self._told(new, story)

    def _why(self, managing: Managing) -> tuple[Person, str, Any]:
        reason = check_said(managing.form.get("reason") or "", "reason", optional=True)
        return managing.by, reason, managing.story.now

    async def _do(self, managing: Managing, decide: Callable[[RequestRecord], Deed]) -> Answer:
        """Return where the request stands after the deed, committed with its entry in one.

        Raises:
            RequestChanged: it does not go with where the request is.
        """
        for _ in range(ATTEMPTS):
            deed = decide(await self._own(managing))
            if await self._commit(managing.story, deed):
                return self._told(deed.record, managing.story)
        raise busy()

    async def _own(self, managing: Managing) -> RequestRecord:
        """Return the request as it is now.

        Raises:
            InvalidGrant: it is not this client's and this key's.
        """
        story = managing.story
        while True:
            found = await self.counter.found(managing.id, story.rules)
            record = check_owner(found, managing.client_id, managing.key)
            over = lapsed(record, story.now)
            if over is None:
                return record
            await self._commit(story, over)

    async def _commit(self, story: Story, deed: Deed) -> bool:
        outcome = await self.desk.commit(story, write_of(deed, now=story.now))
        self.counter.waiting.wake(deed.record.id)
        for event in () if outcome.stale else happenings(deed):
            self.counter.happened(event)
        return not outcome.stale

    def _told(self, record: RequestRecord, story: Story) -> Answer:
        told: Answer = dict(status_json(record, story.now))
        if record.status is Status.PENDING:
            told |= self.counter.members(record, story.rules.installation.issuer, story.now)
        return told


def _duration(form: Form) -> timedelta:
    try:
        return parse_duration(form.require("duration"))
    except ValueError as error:
        raise InvalidRequest(f"duration: {error}") from None
