"""Be away: somebody else votes in a person's place until a time, and never for themselves twice."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from fleeting.core.errors import InvalidRequest, NotAllowed, TemporarilyUnavailable
from fleeting.core.model import Json
from fleeting.core.people import ConsoleAction, Delegation, Person, SignedIn
from fleeting.core.people_deeds import PersonDeed, person_entry
from fleeting.ports import Write, unless_stale
from fleeting.usecases.people import KnownPeople
from fleeting.usecases.request_desk import RequestDesk

LONGEST_AWAY = timedelta(days=60)
_REMEMBERED = timedelta(days=1)
MOST_REMEMBERED = 50
"""How often somebody may change it in a day: every vote looks at all of them."""
_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class BeAway:
    """Name who stands in, or be back."""

    desk: RequestDesk

    async def __call__(self, who: SignedIn, to: str | None, until: datetime | None) -> Person:
        """Return the person with *to* standing in until then; None: nobody does from now on.

        Raises:
            InvalidRequest: nobody that could, or not a time to come. NotAllowed: by role.
        """
        action = ConsoleAction.DELEGATE
        async with self.desk.refusals(who, action):
            for _ in range(_ATTEMPTS):
                await self.desk.allowed(who, action)
                person = await self._once(who, to, until)
                if person is not None:
                    return person
            raise TemporarilyUnavailable("your record is being changed all the time: try again")

    async def _once(self, who: SignedIn, to: str | None, until: datetime | None) -> Person | None:
        kept = await KnownPeople(self.desk.store).kept(who.person.id)
        now = self.desk.clock.now()
        if kept is None:
            raise NotAllowed("you are not known here any more")
        wanted = None if to is None else await self._delegation(kept.person, to, until, now)
        delegations = _delegations(kept.person, wanted, now)
        if wanted is not None and len(delegations) > MOST_REMEMBERED:
            raise InvalidRequest("you named somebody too often today: leave it as it is")
        person = replace(kept.person, delegations=delegations)
        entry = person_entry(PersonDeed.UPDATED, person, person.id, now, away=_json(wanted))
        outcome = await self.desk.store.commit(
            Write(
                changes=(kept.change(person),),
                record=unless_stale(entry),
            )
        )
        return None if outcome.stale else person

    async def _delegation(
        self, person: Person, to: str, until: datetime | None, now: datetime
    ) -> Delegation:
        other = await self.desk.people.person(to)
        if other is None or other.disabled or not other.ids.isdisjoint(person.ids):
            raise InvalidRequest("name another person who is known here")
        if until is None or not now < until <= now + LONGEST_AWAY:
            raise InvalidRequest(f"say until when: within the next {LONGEST_AWAY.days} days")
        return Delegation(other.id, now, until)


def _delegations(
    person: Person, wanted: Delegation | None, now: datetime
) -> tuple[Delegation, ...]:
    """Return all of them; what was in force ends now, so that votes it gave stay votes."""
    earlier = [
        replace(each, until=min(each.until, now))
        for each in person.delegations
        if each.since < now and each.until > now - _REMEMBERED
    ]
    return (*earlier, *_some(wanted))


def _some(wanted: Delegation | None) -> Sequence[Delegation]:
    return () if wanted is None else (wanted,)


def _json(wanted: Delegation | None) -> Json:
    return None if wanted is None else {"to": wanted.to, "until": wanted.until.isoformat()}
