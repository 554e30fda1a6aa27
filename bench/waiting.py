"""Waiting for people: from the last vote to the token, with thousands of requests that wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bench import load, wire
from bench.fleeting_side import FleetingSide
from bench.report import say
from fleeting.core.access_requests import RequestRecord
from fleeting.core.approvals import offer_digest
from fleeting.core.people import ConsoleAction, Person, SignedIn
from fleeting.ports import Write
from fleeting.server.settings import load_settings
from fleeting.server.wiring import build_worker
from fleeting.usecases.approve_request import ApproveRequest
from fleeting.usecases.people import KnownPeople, person_change
from fleeting.usecases.request_desk import RequestDesk

_LEAD = Person("lead", "Lead", frozenset({"leads"}))
_HOLD_SECONDS = 20
_PAUSE_SECONDS = 0.005
_LONGEST_SECONDS = 60.0


class Everything:
    """Roles by which everybody may do everything: whose vote counts is said elsewhere."""

    def allows(
        self, _person: Person, _action: ConsoleAction, _request: RequestRecord | None = None
    ) -> bool:
        """See ``usecases.people.Roles``."""
        return True


@dataclass(slots=True)
class Crowd:
    """Clients that wait, each for a request of its own; got: when which had its token."""

    got: dict[str, float] = field(default_factory=dict)

    async def wait(self, url: str, id_: str, request: bytes) -> None:
        """Ask, held back by the server, until the token is there."""
        connection = await wire.open_connection(url)
        while True:
            answer = await connection.exchange(request)
            if answer.status == 200:
                break
            load.check_all([answer], _is_pending)
        self.got[id_] = time.perf_counter()
        connection.close()


async def measure(side: FleetingSide, pending: int, waiting: int) -> list[float]:
    """Return the milliseconds from each vote's commit to the token, in order."""
    forms = side.callers.forms(pending)
    say(f"approvals: {pending:,} requests that wait for people")
    url = side.callers.token_url
    answers = await load.gather_answers(url, side.callers.reviewed(forms))
    load.check_all(answers, _is_pending)
    ids = [answer.json()["access_request_id"] for answer in answers][:waiting]
    again = [{**form, "access_request_id": id_} for form, id_ in zip(forms, ids, strict=False)]
    requests = side.callers.reviewed(again, wait=_HOLD_SECONDS)
    crowd = Crowd()
    say(f"approvals: {waiting:,} clients wait, and are answered one after the other")
    tasks = [
        asyncio.create_task(crowd.wait(url, id_, request))
        for id_, request in zip(ids, requests, strict=True)
    ]
    await asyncio.sleep(1)
    async with _approver(side) as approver, asyncio.timeout(_LONGEST_SECONDS):
        voted = await approver.approve_all(ids)
        await asyncio.gather(*tasks)
    return sorted((crowd.got[id_] - voted[id_]) * 1000 for id_ in ids)


def _is_pending(answer: wire.Response) -> bool:
    return answer.status == 400 and answer.json()["error"] == "authorization_pending"


@dataclass(frozen=True, slots=True)
class Approver:
    """One who says yes, as another worker on the same database has them do it."""

    desk: RequestDesk
    who: SignedIn

    async def approve_all(self, ids: Sequence[str]) -> dict[str, float]:
        """Approve each, one after the other, and return when each vote was committed."""
        voted: dict[str, float] = {}
        for id_ in ids:
            digest = offer_digest(await self.desk.found(id_))
            await ApproveRequest(self.desk)(self.who, id_, digest)
            voted[id_] = time.perf_counter()
            await asyncio.sleep(_PAUSE_SECONDS)
        return voted


@asynccontextmanager
async def _approver(side: FleetingSide) -> AsyncIterator[Approver]:
    worker = build_worker(load_settings(side.directory / "fleeting.toml"))
    await worker.store.open()
    await worker.store.commit(Write(changes=(person_change(_LEAD, 0),)))
    people = KnownPeople(worker.store)
    desk = RequestDesk(worker.store, worker.clock, worker.policy, people, Everything())
    try:
        yield Approver(desk, SignedIn(_LEAD, "bench", datetime.now(UTC)))
    finally:
        await worker.store.close()
        await worker.http.aclose()
