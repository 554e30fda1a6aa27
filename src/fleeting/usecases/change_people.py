"""Change who is known here: add, disable, enable, remove, regroup, and hand out one-time links."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from fleeting.core.declaring import UNSAFE, shown
from fleeting.core.evidence import Entry
from fleeting.core.model import Json
from fleeting.core.people import Person
from fleeting.core.people_deeds import PersonDeed, person_entry
from fleeting.core.people_text import read_device, read_enrolment, write_enrolment
from fleeting.core.signing_in import Enrolment, LinkKind, digest, whose
from fleeting.core.validation import LONGEST_NAME
from fleeting.ports import (
    Clock,
    Ledger,
    Record,
    RecordChange,
    RecordKind,
    Records,
    Write,
    unless_stale,
)
from fleeting.usecases.people import KeptPerson, KnownPeople, alias_change, person_change

LINK_LIFE = timedelta(minutes=15)
_ATTEMPTS = 8
_MOST = 10_000


class PeopleChangeError(Exception):
    """Nobody was changed; the message says why and what to do."""


class PeopleStore(Ledger, Records, Protocol):
    """What these deeds need of a store."""


@dataclass(frozen=True, slots=True)
class ChangePeople:
    """The deeds. The record, what hangs on it and the ledger entry are one transaction.

    by: who does them, for the ledger. reserved: names that no person may have: the clients'.
    """

    store: PeopleStore
    clock: Clock
    by: str
    reserved: Collection[str] = ()

    async def add(self, person: Person) -> Person:
        """Add somebody who will sign in with a passkey.

        Raises:
            PeopleChangeError: a name of theirs is taken, is a client's, or is none.
        """
        for name in (person.id, person.name, *person.groups, *person.aliases):
            _check_name(name)
        for name in person.ids & frozenset(self.reserved):
            raise PeopleChangeError(f"{shown(name)} is the name of a client: choose another")
        changes = (
            person_change(person, 0),
            *(alias_change(alias, person.id) for alias in sorted(person.aliases)),
        )
        if not await self._commit(changes, self._entry(PersonDeed.ADDED, person)):
            raise PeopleChangeError(f"one of {', '.join(map(shown, sorted(person.ids)))} is taken")
        return person

    async def disable(self, id_: str) -> Person:
        """Let somebody in no more, whatever sessions they have; their votes count no longer."""
        return await self._change(
            id_, PersonDeed.DISABLED, lambda person: replace(person, disabled=True)
        )

    async def enable(self, id_: str) -> Person:
        """Let somebody in again."""
        return await self._change(
            id_, PersonDeed.ENABLED, lambda person: replace(person, disabled=False)
        )

    async def regroup(self, id_: str, *, add: Collection[str], remove: Collection[str]) -> Person:
        """Change the groups of somebody who was added here; a provider's person has the provider's.

        Raises:
            PeopleChangeError: nobody of that name; or their groups are not ours to change.
        """
        for name in add:
            _check_name(name)

        def regrouped(person: Person) -> Person:
            if person.issuer is not None:
                raise PeopleChangeError(
                    f"the groups of {shown(person.id)} come from {person.issuer}, at each login"
                )
            return replace(person, groups=(person.groups | set(add)) - set(remove))

        return await self._change(id_, PersonDeed.UPDATED, regrouped)

    async def remove(self, id_: str) -> Person:
        """Forget somebody, their other names, passkeys and sessions, at once; the ledger does not.

        What is left of them would be good again for whoever gets their name: so nothing is.
        """
        for _ in range(_ATTEMPTS):
            kept = await self._kept(id_)
            changes = [RecordChange(RecordKind.PERSON, kept.person.id, kept.revision)]
            changes += [
                RecordChange.deletion(record) for record in await self._belongings(kept.person)
            ]
            changes += await self._without_stand_in(kept.person)
            if await self._commit(changes, self._entry(PersonDeed.REMOVED, kept.person)):
                return kept.person
        raise _restless(id_)

    async def _belongings(self, person: Person) -> list[Record]:
        """Return the records of the other names of *person*, and of all by which they sign in."""
        names = [await self.store.record(RecordKind.PERSON, each) for each in person.aliases]
        found = [record for record in names if record is not None]
        for kind in (RecordKind.PASSKEY, RecordKind.SESSION):
            found += await self.store.records(kind, states=(whose(person.id),), limit=_MOST)
        for record in await self.store.records(RecordKind.ENROLMENT, limit=_MOST):
            found += [record] if read_enrolment(record.text).person == person.id else []
        for record in await self.store.records(RecordKind.DEVICE, limit=_MOST):
            found += [record] if read_device(record.text).person == person.id else []
        return found

    async def _without_stand_in(self, person: Person) -> list[RecordChange]:
        """Return the changes by which nobody's place is *person*'s to vote in any more."""
        changes = []
        for other in await KnownPeople(self.store).all():
            kept = tuple(each for each in other.delegations if each.to not in person.ids)
            if kept != other.delegations and other.id != person.id:
                known = await self._kept(other.id)
                changes.append(known.change(replace(known.person, delegations=kept)))
        return changes

    async def link(self, id_: str, kind: LinkKind, token: str) -> Person:
        """Make *token* a link for somebody, good once and for 15 minutes; only its digest is kept.

        Raises:
            PeopleChangeError: nobody of that name, or they are disabled.
        """
        kept = await self._kept(id_)
        if kept.person.disabled:
            raise PeopleChangeError(f"{shown(kept.person.id)} is disabled: enable them first")
        expires_at = self.clock.now() + LINK_LIFE
        change = RecordChange(
            RecordKind.ENROLMENT,
            digest(token),
            0,
            kind.value,
            write_enrolment(Enrolment(kept.person.id, kind, expires_at)),
            expires_at,
        )
        entry = self._entry(
            PersonDeed.LINKED, kept.person, link=kind.value, until=expires_at.isoformat()
        )
        await self._commit([change], entry)
        return kept.person

    async def _change(
        self, id_: str, deed: PersonDeed, changed: Callable[[Person], Person]
    ) -> Person:
        for _ in range(_ATTEMPTS):
            kept = await self._kept(id_)
            person = changed(kept.person)
            if await self._commit([kept.change(person)], self._entry(deed, person)):
                return person
        raise _restless(id_)

    async def _kept(self, id_: str) -> KeptPerson:
        kept = await KnownPeople(self.store).kept(id_)
        if kept is None:
            raise nobody(id_)
        return kept

    def _entry(self, deed: PersonDeed, person: Person, **more: Json) -> Entry:
        return person_entry(deed, person, self.by, self.clock.now(), **more)

    async def _commit(self, changes: Sequence[RecordChange], entry: Entry) -> bool:
        write = Write(changes=tuple(changes), record=unless_stale(entry))
        outcome = await self.store.commit(write)
        return not outcome.stale


def _check_name(name: str) -> None:
    if not name.strip() or name != name.strip() or len(name) > LONGEST_NAME:
        raise PeopleChangeError(f"{shown(name)} is no name: write 1 to {LONGEST_NAME} characters")
    if UNSAFE.search(name):
        raise PeopleChangeError(f"{shown(name)} has control or text direction characters")


def nobody(name: str) -> PeopleChangeError:
    """Return what to raise where nobody has that name."""
    told = f"nobody is called {shown(name)} here: 'fleeting people list' says who is"
    return PeopleChangeError(told)


def _restless(id_: str) -> PeopleChangeError:
    return PeopleChangeError(f"{shown(id_)} is being changed all the time: try again")
