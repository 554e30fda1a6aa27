"""The people who are known here: found by any of their names, and by their groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fleeting.core.access_requests import RequestRecord
from fleeting.core.people import ConsoleAction, Person
from fleeting.core.people_text import read_alias, read_person, write_alias, write_person
from fleeting.ports import RecordChange, RecordKind, Records

ACTIVE = "active"
DISABLED = "disabled"
ALIAS = "alias"
"""What the records of people are listed by; an alias is a record that leads to a person's."""

MOST_PEOPLE = 100_000


class People(Protocol):
    """Who is known."""

    async def person(self, id_: str) -> Person | None:
        """Return the person of that id or alias, disabled or not, or None.

        Raises:
            StoreUnavailableError: the store cannot answer, here and below.
        """
        ...

    async def members(self, group: str) -> Sequence[Person]:
        """Return the known people of *group* who are not disabled, by id."""
        ...


class Roles(Protocol):
    """Who may do what here; a policy of its own (``policy.roles``)."""

    def allows(
        self, person: Person, action: ConsoleAction, request: RequestRecord | None = None
    ) -> bool:
        """Return whether *person* may do that at all; which vote counts is said elsewhere."""
        ...


@dataclass(frozen=True, slots=True)
class KeptPerson:
    """A person, and the revision of their record, to be changed."""

    person: Person
    revision: int

    def change(self, person: Person) -> RecordChange:
        """Return the wish to keep *person* instead."""
        return person_change(person, self.revision)


def person_change(person: Person, seen: int) -> RecordChange:
    """Return the wish to keep *person*; seen: the revision that it changes, 0 for a new one."""
    state = DISABLED if person.disabled else ACTIVE
    return RecordChange(RecordKind.PERSON, person.id, seen, state, write_person(person))


def alias_change(alias: str, person: str) -> RecordChange:
    """Return the wish to make *alias* another name of *person*; a taken name makes it stale."""
    return RecordChange(RecordKind.PERSON, alias, 0, ALIAS, write_alias(person))


@dataclass(frozen=True, slots=True)
class KnownPeople:
    """The people in the store."""

    records: Records

    async def person(self, id_: str) -> Person | None:
        """See ``People``."""
        kept = await self.kept(id_)
        return None if kept is None else kept.person

    async def kept(self, id_: str) -> KeptPerson | None:
        """Return the person of that id or alias together with the revision of their record."""
        record = await self.records.record(RecordKind.PERSON, id_)
        if record is not None and record.state == ALIAS:
            record = await self.records.record(RecordKind.PERSON, read_alias(record.text))
        if record is None or record.state == ALIAS:  # an alias never leads to another
            return None
        return KeptPerson(read_person(record.text), record.revision)

    async def members(self, group: str) -> Sequence[Person]:
        """See ``People``."""
        return [person for person in await self.all(ACTIVE) if group in person.groups]

    async def all(self, *states: str) -> Sequence[Person]:
        """Return everyone, by id; states: only those who are active, or disabled."""
        found = await self.records.records(
            RecordKind.PERSON, states=states or (ACTIVE, DISABLED), limit=MOST_PEOPLE
        )
        return sorted((read_person(it.text) for it in found), key=lambda person: person.id)
