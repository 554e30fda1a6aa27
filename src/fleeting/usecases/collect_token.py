"""Come again for what people decide: wait for it, or get the token that was approved."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fleeting.core.access_requests import Plan, RequestRecord
from fleeting.core.asking import WITH_APPROVAL
from fleeting.core.collecting import (
    check_owner,
    check_unchanged,
    collectable,
    collected,
    collected_operations,
    collection_json,
    excess_of,
    is_waiting,
)
from fleeting.core.errors import AccessDenied, OAuthError
from fleeting.core.issuance import refused_json, token_record, token_response
from fleeting.core.lifecycle import Status
from fleeting.core.model import AccessRequest, Decision, Json, Subject, SubjectKind
from fleeting.core.recording import issued_entry
from fleeting.core.request_deeds import Deed, denied_by_policy, lapsed
from fleeting.ports import Outcome, Write, unless_stale
from fleeting.usecases.asking_people import ATTEMPTS, Counter, busy
from fleeting.usecases.calling import Desk, Story
from fleeting.usecases.minting import Mint
from fleeting.usecases.people import KnownPeople
from fleeting.usecases.request_rows import change_of, write_of
from fleeting.usecases.turns import Turns


class Held:
    """How long an answer may still be held back."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = asyncio.get_running_loop().time() + seconds

    def left(self) -> float:
        """Return how many seconds are left."""
        return max(0.0, self._until - asyncio.get_running_loop().time())


@dataclass(frozen=True, slots=True)
class Coming:
    """One caller's coming again.

    asking: who comes, and with what. plan: as it is repeated, if it is.
    repeats: the request itself came along, to be held against what was asked.
    """

    id: str
    asking: AccessRequest
    plan: Plan | None = None
    repeats: bool = True


@dataclass(frozen=True, slots=True)
class CollectToken:
    """Give the token that was approved to who asked for it, and to nobody else.

    Of two who come at once for one token one gets it: it is issued in the same write as the
    request changes, and the write of who is second comes to nothing.
    """

    desk: Desk
    mint: Mint
    counter: Counter
    turns: Turns
    on_collected: Callable[[RequestRecord], None]

    async def __call__(self, story: Story, coming: Coming) -> dict[str, Any]:
        """Return the token response.

        Raises:
            AuthorizationPending, SlowDown: people have not decided yet.
            AccessDenied, ExpiredToken, InvalidGrant: no token (more) will come of it.
        """
        held, lost = Held(story.call.wait.total_seconds()), 0
        while lost < ATTEMPTS:
            with self.counter.waiting.waiter(coming.id) as changed:
                async with self.turns.of(coming.id):
                    record = await self._current(story, coming)
                    if not await self._waits(story, record):
                        answer = await self._collect(story, coming, record)
                        if answer is not None:
                            return answer
                        lost += 1
                        continue
                await self._hold(story, record, changed, held)
        raise busy()

    async def _current(self, story: Story, coming: Coming) -> RequestRecord:
        """Return the request as it is, once it is the caller's own and the same as was asked.

        Raises:
            InvalidGrant: it is not.
        """
        while True:
            found = await self.counter.found(coming.id, story.rules)
            record = check_owner(found, coming.asking.client.client_id, coming.asking.key)
            if coming.repeats:
                types = story.rules.installation.catalogue.types
                check_unchanged(record, coming.asking, coming.plan, types)
            over = lapsed(record, story.now)
            if over is None:
                return record
            await self._commit(story, over)

    async def _waits(self, story: Story, record: RequestRecord) -> bool:
        """Say whether people are still to decide.

        Raises:
            AccessDenied, ExpiredToken, InvalidGrant: it is over; why is in the ledger already.
        """
        try:
            return is_waiting(record)
        except OAuthError:
            self.counter.pace.forget(record.id)
            await self.desk.use_up(story)
            story.recorded = True
            raise

    async def _hold(
        self, story: Story, record: RequestRecord, changed: "asyncio.Future[None]", held: Held
    ) -> None:
        """Hold the answer back until something changes.

        Raises:
            AuthorizationPending, SlowDown: it is time to answer.
        """
        if not held.seconds:
            too_fast = self.counter.pace.is_too_fast(record.id)
            raise (self.counter.too_fast if too_fast else self.counter.pending)(record, story)
        if not self.counter.waiting.has_room(record.id):
            raise self.counter.too_fast(record, story)
        await self.desk.use_up(story)
        await asyncio.wait([changed], timeout=0 if self.counter.waiting.stopping else held.left())
        story.now = self.desk.clock.now()
        other_rules = story.rules is not self.desk.rules.rules()
        if (
            not changed.done() or other_rules or self.counter.waiting.stopping
        ):  # by other rules it must be read anew
            raise self.counter.pending(record, story)

    async def _collect(
        self, story: Story, coming: Coming, record: RequestRecord
    ) -> dict[str, Any] | None:
        """Return the token response; None: somebody else was first, look again."""
        rules, asking = story.rules, coming.asking
        types = rules.installation.catalogue.types
        operations = collected_operations(record, asking, types)
        if operations is None:
            return await self.mint(story, asking)  # beyond the plan: a request of its own
        request = replace(
            asking,
            id=record.id,
            txn=asking.txn if record.offer.plan else record.request.txn,
            operations=operations,
        )
        decision = self.mint.decide(story, request)
        try:
            await self._check_user(request.subject)
            granted = collectable(
                record, request, decision, rules.policy.policies, types, story.now
            )
        except AccessDenied as error:
            await self._deny(story, record, error, decision)
            raise
        if excess_of(record, operations, granted.limits.uses, story.now) is not None:
            return await self.mint(story, asking)
        token, signed = self.mint.sign(story, request, granted)

        entry = issued_entry(request, decision, token, story.now, collection_json(record))
        write = Write(
            token=token_record(token, record.id),
            changes=(change_of(collected(record, token, story.now)),),
            record=unless_stale(entry),
        )
        outcome = await self.desk.commit(story, write)
        if outcome.stale:
            return None
        self.counter.pace.forget(record.id)
        self.on_collected(record)
        left_out = () if record.offer.plan else self._left_out(story, asking)
        response = token_response(token, signed, left_out)
        return {**response, "access_request_id": record.id}

    async def _check_user(self, subject: Subject) -> None:
        """Refuse what waited for a user who was disabled here meanwhile (ATTACKS 30).

        Raises:
            AccessDenied: they were.
        """
        if subject.kind is SubjectKind.USER:
            user = await KnownPeople(self.counter.records).person(subject.id)
            if user is not None and user.disabled:
                raise AccessDenied("the user it is for was disabled")

    def _left_out(self, story: Story, asking: AccessRequest) -> Sequence[Json]:
        """Return what was asked and never offered, for policy denies it."""
        decision = story.rules.policy.decide(asking, now=story.now)
        refused = [it for it in decision.answers if it.verdict not in WITH_APPROVAL]
        return refused_json(asking.operations, refused)

    async def _deny(
        self, story: Story, record: RequestRecord, error: AccessDenied, decision: Decision
    ) -> None:
        """End what was approved and never collected: policy permits it no longer."""
        if record.status is Status.APPROVED:
            deed = denied_by_policy(record, error.description, decision, story.now)
            story.recorded = not (await self._commit(story, deed)).stale

    async def _commit(self, story: Story, deed: Deed) -> Outcome:
        outcome = await self.desk.commit(story, write_of(deed, now=story.now))
        self.counter.waiting.wake(deed.record.id)
        return outcome
