"""Gather the people whom a request's votes and groups are about, as they are now."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from fleeting.core.access_requests import RequestRecord
from fleeting.core.approvals import Situation, groups_of, ids_in
from fleeting.core.people import Person
from fleeting.usecases.people import People
from fleeting.usecases.request_desk import RequestDesk


async def situation_of(desk: RequestDesk, record: RequestRecord, now: datetime) -> Situation:
    """Return what the votes on *record* are counted against."""
    people: list[Person] = []
    for group in sorted(groups_of(record)):
        people += await desk.people.members(group)
    people += await named(desk.people, ids_in(record))
    types = desk.rules.rules().installation.catalogue.types
    return Situation(by_ids(people), types, now, desk.max_age)


async def named(people: People, ids: Iterable[str]) -> list[Person]:
    """Return those of *ids* who are known."""
    found = [await people.person(id_) for id_ in sorted(ids)]
    return [person for person in found if person is not None]


def by_ids(people: Iterable[Person]) -> dict[str, Person]:
    """Return *people* by every name they go by."""
    return {id_: person for person in people for id_ in person.ids}


@dataclass(slots=True)
class PeopleOnce:
    """People who are asked for many times in one go, and looked up once."""

    people: People
    _persons: dict[str, Person | None] = field(default_factory=dict)
    _members: dict[str, Sequence[Person]] = field(default_factory=dict)

    async def person(self, id_: str) -> Person | None:
        """See ``People``."""
        if id_ not in self._persons:
            self._persons[id_] = await self.people.person(id_)
        return self._persons[id_]

    async def members(self, group: str) -> Sequence[Person]:
        """See ``People``."""
        if group not in self._members:
            self._members[group] = await self.people.members(group)
        return self._members[group]
