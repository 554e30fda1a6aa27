"""One person's look at access requests, at one instant: what they may see, and what they may do."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from fleeting.core.access_requests import RequestRecord
from fleeting.core.approvals import (
    NoSeat,
    Seat,
    Situation,
    groups_of,
    ids_in,
    is_behind,
    may_decide,
    seat_of,
    standing,
    standing_in,
)
from fleeting.core.lifecycle import Status
from fleeting.core.offers import Types
from fleeting.core.people import ConsoleAction, Person, SignedIn
from fleeting.core.request_deeds import lapsed
from fleeting.core.request_view import Seen
from fleeting.usecases.gathering_people import PeopleOnce, by_ids, named, situation_of
from fleeting.usecases.request_desk import RequestDesk
from fleeting.usecases.rules import Rules


@dataclass(frozen=True, slots=True)
class Look:
    """Who looks, when and by which rules; people are looked up once."""

    desk: RequestDesk
    who: SignedIn
    person: Person
    now: datetime
    rules: Rules

    @classmethod
    def by(cls, desk: RequestDesk, who: SignedIn, person: Person) -> "Look":
        """Look now."""
        once = replace(desk, people=PeopleOnce(desk.people))
        return cls(once, who, person, desk.clock.now(), desk.rules.rules())

    @property
    def types(self) -> Types:
        """The operation types in force."""
        return self.rules.installation.catalogue.types

    async def visible(
        self, found: AsyncIterable[RequestRecord], limit: int
    ) -> AsyncIterator[RequestRecord]:
        """Yield the first *limit* of *found* that this person may see, and look at no more."""
        left = limit
        async for record in found:
            if self.desk.roles.allows(self.person, ConsoleAction.VIEW, record):
                left -= 1
                yield record
            if left <= 0:
                return

    async def read(self, found: Iterable[RequestRecord | str]) -> AsyncIterator[RequestRecord]:
        """Yield *found*, those of which there is no more than the id from the store."""
        for each in found:
            yield await self.desk.found(each) if isinstance(each, str) else each

    async def to_approve(self, records: Sequence[RequestRecord]) -> AsyncIterator[RequestRecord]:
        """Yield what this person can vote on now, if only after a fresh login."""
        waiting = [it for it in records if it.status is Status.PENDING and it.expires_at > self.now]
        away = await self._in_whose_place(waiting)
        own = by_ids([*away, self.person])
        groups = self.person.groups.union(*(each.groups for each in away))
        for record in waiting:
            asked = not groups.isdisjoint(groups_of(record))
            if asked and await self._can_vote(record, own):
                yield record

    async def _can_vote(self, record: RequestRecord, own: dict[str, Person]) -> bool:
        people = {**by_ids(await named(self.desk.people, ids_in(record))), **own}
        situation = Situation(people, self.types, self.now, self.desk.max_age)
        seat = seat_of(record, self.person, self.who.signed_in_at, situation)
        return isinstance(seat, Seat) or seat.stale

    async def _in_whose_place(self, waiting: Sequence[RequestRecord]) -> list[Person]:
        away: dict[str, Person] = {}
        for group in sorted(frozenset[str]().union(*map(groups_of, waiting))):
            for member in await self.desk.people.members(group):
                if standing_in(member, self.person, self.now):
                    away[member.id] = member
        return [*away.values()]

    async def seen(self, record: RequestRecord) -> Seen:
        """Return what is known beside *record*."""
        situation = await situation_of(self.desk, record, self.now)
        others = await named(self.desk.people, _ids_told(record) - situation.people.keys())
        people = {**situation.people, **by_ids([*others, self.person])}
        situation = replace(situation, people=people)
        counted = standing(record, situation)
        seat = seat_of(record, self.person, self.who.signed_in_at, situation, counted)
        if record.status is not Status.PENDING or lapsed(record, self.now) is not None:
            seat = NoSeat("nobody is waiting for it")
        return Seen(self.types, self.now, counted, people, seat)

    async def may(self, record: RequestRecord, seen: Seen) -> list[ConsoleAction]:
        """Return what this person can do with *record* as it stands."""
        situation = Situation(seen.people, self.types, self.now, self.desk.max_age)
        decides = may_decide(record, self.person, situation)
        return [
            action
            for action in _possible(record, self.person, seen.seat, self.now, decides=decides)
            if self.desk.roles.allows(self.person, action, record)
        ]


def _possible(
    record: RequestRecord, person: Person, seat: Seat | NoSeat, now: datetime, *, decides: bool
) -> list[ConsoleAction]:
    """Return what can be done with *record* as it stands by *person*, roles aside."""
    found: list[ConsoleAction] = []
    if lapsed(record, now) is None:
        found += _while_alive(record, seat, decides=decides)
    review = record.review
    if review is not None and review.closed_by is None and not is_behind(record, person):
        found.append(ConsoleAction.REVIEW)
    return found


def _while_alive(
    record: RequestRecord, seat: Seat | NoSeat, *, decides: bool
) -> list[ConsoleAction]:
    if record.status is Status.APPROVED:
        return [ConsoleAction.CANCEL, ConsoleAction.REVOKE]
    if record.status is Status.GRANTED:
        extend = [ConsoleAction.EXTEND] if record.terms.stages else []
        return [ConsoleAction.RETURN, *extend, ConsoleAction.REVOKE]
    if record.status is not Status.PENDING:
        return []
    votes = isinstance(seat, Seat) or seat.stale
    return [
        *([ConsoleAction.APPROVE] if votes else []),
        *([ConsoleAction.DENY, ConsoleAction.NARROW] if decides else []),
        *(ConsoleAction.ASK, ConsoleAction.ANSWER, ConsoleAction.CANCEL),
    ]


def _ids_told(record: RequestRecord) -> frozenset[str]:
    """Return the ids of all whom the view names."""
    ended = frozenset({record.ended_by} if record.ended_by else ())
    remarks = frozenset(remark.by for remark in record.remarks)
    return record.behind | ended | remarks | {record.request.subject.id}
