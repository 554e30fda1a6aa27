"""The exact end of a token, of all that a client or a user has, of what an approver let through."""

from dataclasses import dataclass, replace

import pytest

from fleeting.core.errors import InvalidRequest
from fleeting.core.evidence import EntryKind
from fleeting.core.lifecycle import Status
from fleeting.ports import RecordChange, RecordKind, Write
from fleeting.usecases.request_index import RequestIndex
from fleeting.usecases.view_requests import ViewRequests
from tests.people import office
from tests.simulator import REFUND, claims_of

LARGE = {**REFUND, "amount": 50_000}


@pytest.fixture
async def people(sim):
    return await office(sim)


async def ask(sim, *, approved=False, collected=False, people=None):
    caller = sim.caller()
    id_ = (await caller.ask(LARGE)).json()["access_request_id"]
    token = None
    if approved or collected:
        await people.approve(id_)
    if collected:
        token = (await caller.ask(LARGE, access_request_id=id_)).json()["access_token"]
    return id_, token


async def test_everything_of_a_client_ends_at_once(sim, people):
    simple = await sim.caller().token(REFUND)
    waiting, _ = await ask(sim)
    approved, _ = await ask(sim, approved=True, people=people)
    granted, token = await ask(sim, collected=True, people=people)
    moved = await people.deeds.revoke_all(people.who("lena"), "client", "support-bot", "key lost")
    assert set(moved) == {waiting, approved, granted}
    for each in (simple, token):
        assert (await sim.guard.spend(each)).json()["reason"] == "revoked"
    statuses = {id_: (await people.record(id_)).status for id_ in moved}
    assert statuses == {
        waiting: Status.CANCELLED,
        approved: Status.REVOKED,
        granted: Status.REVOKED,
    }
    entries = [it.entry for it in await sim.ledger()]
    (entry,) = [it for it in entries if it.kind is EntryKind.ACCESS_REVOKED]
    assert (entry.body["kind"], entry.body["value"]) == ("client", "support-bot")
    assert set(entry.body["requests"]) == set(moved)
    sim.clock.wind(seconds=1)
    fresh = await sim.caller().token(REFUND)
    assert (await sim.guard.spend(fresh)).json()["active"] is True


@dataclass
class JustBefore:
    """A store that does something more just before all of somebody's tokens end."""

    store: object
    first: object

    def __getattr__(self, name):
        return getattr(self.store, name)

    async def commit(self, write):
        if write.cutoffs and self.first is not None:
            first, self.first = self.first, None
            await first()
        return await self.store.commit(write)


async def test_what_a_client_asks_while_everything_of_it_ends_ends_too(sim, people):
    late = []

    async def one_more():
        late.extend(await ask(sim))

    store = JustBefore(people.deeds.desk.store, one_more)
    people.deeds = replace(people.deeds, desk=replace(people.deeds.desk, store=store))
    moved = await people.deeds.revoke_all(people.who("lena"), "client", "support-bot", "key lost")
    assert moved == late[:1]
    assert (await people.record(late[0])).status is Status.CANCELLED


async def test_everything_of_a_subject_ends_and_nothing_of_others(sim, people):
    granted, token = await ask(sim, collected=True, people=people)
    assert await people.deeds.revoke_all(people.who("lena"), "subject", "other", "gone") == []
    assert (await people.record(granted)).status is Status.GRANTED
    moved = await people.deeds.revoke_all(people.who("lena"), "subject", "support-bot", "gone")
    assert moved == [granted]
    assert (await sim.guard.spend(token)).json()["reason"] == "revoked"


async def test_all_that_an_approver_let_through_ends_and_their_pending_votes_are_gone(sim, people):
    waiting, _ = await ask(sim)
    await people.approve(waiting, "luis")
    granted, token = await ask(sim, collected=True, people=people)
    untouched, _ = await ask(sim)
    await people.approve(untouched, "lena")
    moved = await people.deeds.revoke_all(people.who("lena"), "approver", "luis", "account stolen")
    assert set(moved) == {waiting, granted}
    assert (await sim.guard.spend(token)).json()["reason"] == "revoked"
    assert (await people.record(granted)).status is Status.REVOKED
    record = await people.record(waiting)
    assert (record.status, record.votes) == (Status.PENDING, ())
    assert len((await people.record(untouched)).votes) == 1


async def test_one_token_ends_by_its_name(sim, people):
    token = await sim.caller().token(REFUND)
    jti = claims_of(token)["jti"]
    assert await people.deeds.revoke_all(people.who("lena"), "token", jti, "leaked") == []
    assert (await sim.guard.spend(token)).json()["reason"] == "revoked"
    entries = await sim.recorded(EntryKind.TOKEN_REVOKED)
    assert [(it.jti, it.body["by"], it.body["ended"]) for it in entries] == [(jti, "lena", True)]


@pytest.mark.parametrize(
    ("kind", "value", "reason", "told"),
    [
        ("token", "none", "x", "no such token"),
        ("clients", "support-bot", "x", "one of: token, client"),
        ("client", "support-bot", "", "reason is needed"),
    ],
)
async def test_what_cannot_be_revoked_is_told(sim, people, kind, value, reason, told):
    with pytest.raises(InvalidRequest, match=told):
        await people.deeds.revoke_all(people.who("lena"), kind, value, reason)


async def test_a_request_altered_beyond_reading_keeps_nobodys_access_alive(sim, people):
    token = await sim.caller().token(REFUND)
    altered, _ = await ask(sim)
    row = await sim.worker.store.record(RecordKind.REQUEST, altered)
    change = RecordChange(RecordKind.REQUEST, altered, row.revision, row.state, "{}", row.due_at)
    await sim.worker.store.commit(Write(changes=(change,)))
    assert await people.deeds.revoke_all(people.who("lena"), "client", "support-bot", "lost") == []
    assert (await sim.guard.spend(token)).json()["reason"] == "revoked"
    store = sim.worker.store
    view = ViewRequests(people.deeds.desk, store, RequestIndex(store))
    assert await view.listed(people.who("lena"), "open") == []
