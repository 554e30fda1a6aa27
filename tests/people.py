"""People who say yes or no, for tests of what waits for them: by the deeds that people have."""

from collections.abc import Sequence
from dataclasses import dataclass

from fleeting.core.access_requests import RequestRecord
from fleeting.core.approvals import offer_digest
from fleeting.core.people import ConsoleAction, Person, SignedIn
from fleeting.ports import Write
from fleeting.server.world import SystemIds
from fleeting.usecases.decide_request import DecideRequest
from fleeting.usecases.people import KnownPeople, person_change
from fleeting.usecases.request_desk import RequestDesk
from tests.simulator import Simulator

LEADS = ("lena", "luis")


@dataclass(frozen=True)
class Everybody:
    """Roles that let everybody do everything: what counts besides is tested."""

    def allows(
        self, person: Person, action: ConsoleAction, request: RequestRecord | None = None
    ) -> bool:
        """See ``usecases.people.Roles``."""
        return bool(person and action) or request is None


@dataclass
class Office:
    """The people of one installation, at one of its workers."""

    sim: Simulator
    deeds: DecideRequest

    def who(self, id_: str, *groups: str) -> SignedIn:
        """Return a person who has just logged in."""
        now = self.sim.clock.now()
        person = Person(id_, id_.title(), frozenset(groups or {"payments-leads"}), signed_in_at=now)
        return SignedIn(person, f"session-{id_}", now)

    async def know(self, *ids: str, groups: Sequence[str] = ("payments-leads",)) -> None:
        """Make people known."""
        changes = tuple(person_change(self.who(id_, *groups).person, 0) for id_ in ids)
        await self.sim.worker.store.commit(Write(changes=changes))

    async def record(self, id_: str) -> RequestRecord:
        """Return a request as it is."""
        return await self.deeds.desk.found(id_)

    async def approve(self, id_: str, *who: str) -> RequestRecord:
        """Give the votes of *who*, by default of two leads, for the offer as it is."""
        record = await self.record(id_)
        for each in who or LEADS:
            record = await self.deeds.approve(self.who(each), id_, offer_digest(record))
        return record

    async def deny(self, id_: str, reason: str = "not this one") -> RequestRecord:
        """Say no."""
        return await self.deeds.deny(self.who("lena"), id_, reason)


async def office(sim: Simulator) -> Office:
    """Return an office in which two leads are known."""
    worker = sim.worker
    desk = RequestDesk(
        worker.store,
        sim.clock,
        worker.policy,
        KnownPeople(worker.store),
        Everybody(),
        changed=worker.asking.counter.waiting.wake,
    )
    found = Office(sim, DecideRequest(desk, SystemIds()))
    await found.know(*LEADS)
    return found
