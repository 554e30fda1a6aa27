"""What every deed of a person on an access request has in common: found, allowed, committed once.

A race is settled by the store: read (revision n), decide, commit as a change of revision n. Whoever
comes second reads again, and finds that there is something else to decide.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from fleeting.core.access_requests import RequestRecord
from fleeting.core.approvals import DEFAULT_MAX_AGE
from fleeting.core.asking import behind
from fleeting.core.declaring import shown
from fleeting.core.errors import NoSuchRequest, NotAllowed, OAuthError, TemporarilyUnavailable
from fleeting.core.people import ConsoleAction, Person, SignedIn
from fleeting.core.people_deeds import action_refused_entry
from fleeting.core.request_deeds import Deed, happenings, lapsed
from fleeting.ports import (
    Clock,
    Ledger,
    Record,
    RecordKind,
    Records,
    StoreUnavailableError,
    Tokens,
    Write,
)
from fleeting.usecases.calling import unavailable
from fleeting.usecases.people import People, Roles
from fleeting.usecases.request_rows import read_row, write_of
from fleeting.usecases.rules import RulesSource

_ATTEMPTS = 8
_SERVER_ERROR = 500


class RequestStore(Ledger, Records, Tokens, Protocol):
    """What these deeds need of a store."""


def _tell_nobody(_what: str) -> None:
    """Leave it at the commit."""


@dataclass(frozen=True, slots=True)
class Doing:
    """One person's deed at one instant, on the request as it is. person: as they are known now."""

    who: SignedIn
    person: Person
    record: RequestRecord
    now: datetime


Decide: TypeAlias = Callable[[Doing], Awaitable[Deed]]


@dataclass(frozen=True, slots=True)
class RequestDesk:
    """What these deeds need of the world.

    max_age: of an approver's login, where policy does not say.
    changed: told the id of a request once its change is committed, to wake who waits for it.
    happened: told then what was done, in a word, to count it.
    """

    store: RequestStore
    clock: Clock
    rules: RulesSource
    people: People
    roles: Roles
    max_age: timedelta = DEFAULT_MAX_AGE
    changed: Callable[[str], None] = _tell_nobody
    happened: Callable[[str], None] = _tell_nobody

    async def do(
        self, who: SignedIn, id_: str, action: ConsoleAction, decide: Decide
    ) -> RequestRecord:
        """Return the request after what *decide* makes of it, committed with its entry in one.

        Raises:
            NoSuchRequest, NotAllowed: by role. OAuthError: what *decide* raises.
            TemporarilyUnavailable: the store cannot answer, or others change it all the time.
        """
        async with self.refusals(who, action, id_):
            for _ in range(_ATTEMPTS):
                record = await self.found(id_)
                now = self.clock.now()
                person = await self.allowed(who, action, record)
                over = lapsed(record, now)
                if over is not None:
                    await self.commit(over, now)
                    continue
                done = await self.commit(await decide(Doing(who, person, record, now)), now)
                if done is not None:
                    return done
            raise TemporarilyUnavailable("this request is being changed all the time: try again")

    async def found(self, id_: str) -> RequestRecord:
        """Return the request.

        Raises:
            NoSuchRequest: there is none.
        """
        row = await self.store.record(RecordKind.REQUEST, id_)
        if row is None:
            raise no_such_request(id_)
        return self.read(row)

    def read(self, row: Record) -> RequestRecord:
        """Return the request that a row is of, with all who stand behind it by now."""
        installation = self.rules.rules().installation
        record = read_row(row, installation.catalogue.types)
        clients = {name: it.client for name, it in installation.registrations.items()}
        prefixes = {name: it.subject_prefix for name, it in installation.providers.items()}
        # Who answers for a client by now may not decide for it, either.
        now = behind(record.request, clients, prefixes)
        return replace(record, behind=record.behind | now)

    async def allowed(
        self, who: SignedIn, action: ConsoleAction, record: RequestRecord | None = None
    ) -> Person:
        """Return the person as they are known now, if their roles let them do that.

        Raises:
            NotAllowed: they are not known any more, or may not.
            NoSuchRequest: they may not even see it.
        """
        person = await self.people.person(who.person.id)
        if person is None or person.disabled:
            raise NotAllowed("you are not known here any more")
        if record is not None and not self.roles.allows(person, ConsoleAction.VIEW, record):
            raise no_such_request(record.id)
        if not self.roles.allows(person, action, record):
            raise NotAllowed(f"your roles do not let you {action.value.replace('_', ' ')} here")
        return person

    async def commit(self, deed: Deed, now: datetime) -> RequestRecord | None:
        """Make *deed* durable, all of it or nothing; None: somebody else was first."""
        outcome = await self.store.commit(write_of(deed, now=now))
        if outcome.stale:
            return None
        for record in (deed.record, *deed.also):
            self.changed(record.id)
        for event in happenings(deed):
            self.happened(event)
        return replace(deed.record, revision=deed.record.revision + 1)

    @asynccontextmanager
    async def refusals(
        self, who: SignedIn, action: ConsoleAction, id_: str = ""
    ) -> AsyncIterator[None]:
        """Record a refusal before it leaves (house rule 3)."""
        try:
            yield
        except StoreUnavailableError as error:
            raise unavailable(error) from error
        except OAuthError as error:
            await self._record(who, action, error, id_)
            raise

    async def _record(
        self, who: SignedIn, action: ConsoleAction, error: OAuthError, id_: str
    ) -> None:
        if error.status >= _SERVER_ERROR:
            return
        story = "" if isinstance(error, NoSuchRequest) else id_
        entry = action_refused_entry(who.person, action, error, self.clock.now(), story)
        try:
            await self.store.commit(Write(record=lambda _: (entry,)))
        except StoreUnavailableError as gone:
            raise unavailable(gone) from gone


def no_such_request(id_: str) -> NoSuchRequest:
    """Return the refusal that tells who may not see a request no more than who made its id up."""
    return NoSuchRequest("there is no such request, or it is not yours to see", detail=shown(id_))
