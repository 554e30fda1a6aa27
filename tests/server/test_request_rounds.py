"""What time does to access requests is done once, however many workers look."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import httpx
import pytest

from fleeting.core.evidence import EntryKind
from fleeting.core.lifecycle import Status
from fleeting.server.alarms import Alarms
from fleeting.server.declared_asking import AlarmDeclaration
from fleeting.server.endpoints import preferred_wait
from fleeting.server.settings import SettingsError
from tests.approving import pending as pending_record
from tests.installation import Installation
from tests.people import office
from tests.simulator import eventually, simulator, start
from tests.usecases.test_collect_token import LARGE, asked


async def test_what_nobody_decided_expires_once_in_two_workers(tmp_path):
    async with (
        simulator(tmp_path, database="sqlite:///fleeting.db") as sim,
        AsyncExitStack() as more,
    ):
        sibling = await start(sim.installation, more, sim.clock)
        id_ = await asked(sim.caller())
        assert await sim.worker.asking.rounds.go() == 0
        sim.clock.wind(minutes=15)
        rounds = [each.worker.asking.rounds.go() for each in (sim, sibling)]
        assert sum(await asyncio.gather(*rounds)) == 1
        assert (await (await office(sim)).record(id_)).status is Status.EXPIRED
        assert len(await sim.recorded(EntryKind.REQUEST_EXPIRED)) == 1


async def test_a_grant_ends_with_its_token_and_who_waits_is_woken(sim):
    people, caller = await office(sim), sim.caller()
    id_ = await asked(caller)
    await people.approve(id_)
    await caller.ask(LARGE, access_request_id=id_)
    sim.clock.wind(minutes=5)
    with sim.worker.asking.counter.waiting.waiter(id_) as changed:
        await sim.worker.asking.rounds.go()
        assert changed.done()
    assert (await people.record(id_)).status is Status.ENDED
    (entry,) = await sim.recorded(EntryKind.REQUEST_ENDED)
    assert entry.request_id == id_


async def test_it_is_all_counted(sim):
    await asked(sim.caller())
    sim.worker.asking.show()
    told = (await sim.get("/metrics")).text
    assert 'fleeting_access_requests_total{event="pending"} 1.0' in told
    assert "fleeting_access_requests_pending 1.0" in told
    assert "fleeting_callers_waiting 0.0" in told


async def test_what_waited_before_the_start_is_counted(tmp_path):
    async with simulator(tmp_path, database="sqlite:///fleeting.db") as sim:
        await asked(sim.caller())
        async with AsyncExitStack() as more:
            sibling = await start(sim.installation, more, sim.clock)
            assert len(sibling.worker.asking.counter.open.pending) == 1


async def test_an_alarm_that_cannot_be_posted_is_logged_and_tried_again(log):
    tries = []

    def fail(request):
        tries.append(request)
        if len(tries) == 1:
            raise httpx.ConnectError("nobody there")
        return httpx.Response(500 if len(tries) == 2 else 200)

    http = httpx.AsyncClient(transport=httpx.MockTransport(fail))
    declared = AlarmDeclaration("", "http://127.0.0.1/alarm")
    alarms = Alarms((declared,), "https://as", http, (timedelta(0), timedelta(0)))
    alarms.broken_glass(pending_record())
    await eventually(lambda: len(tries) == 3)
    assert [line["event"] for line in log].count("alarm not posted") == 2
    alarms = Alarms((declared,), "https://as", http, (timedelta(hours=1),))
    tries.clear()
    alarms.overdue(pending_record())
    await asyncio.sleep(0.05)
    await alarms.close()
    await http.aclose()


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ([b"wait=7"], 7),
        ([b"respond-async, wait=100"], 25),
        ([b"handling=lenient", b'Wait = "3"; x=y'], 3),
        ([b"wait"], 0),
        ([b"wait=-1"], 0),
        ([b"wait=1e9"], 0),
        ([b"\xff, wait=9999999"], 0),
    ],
)
def test_how_long_a_caller_would_rather_wait(fields, seconds):
    assert preferred_wait(fields).total_seconds() == seconds


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ('[[alarms]]\nurl = "https://x.example"', "group"),
        ('[[alarms]]\ngroup = "leads"', "url"),
        ('[[alarms]]\ngroup = "leads"\nurl = "http://x.example"', "https"),
        ('[[alarms]]\ngroup = "leads"\nurl = "https://x.example"\nwhen = 1', "unknown key"),
    ],
)
def test_an_alarm_goes_to_a_group_at_a_safe_url(tmp_path, tables, told):
    with pytest.raises(SettingsError, match=told):
        Installation(tmp_path, tables=tables).write().load()


def test_clients_name_who_answers_for_them(tmp_path):
    client = """
[[clients]]
client_id = "agent"
secret_sha256 = "{}"
owner = "alice"
sponsor = ["sam", "sue"]
manager = {}
"""
    good = client.format("ab" * 32, '["mia"]')
    settings = Installation(tmp_path, tables=good).write().load()
    (agent,) = [it.client for it in settings.clients if it.client.client_id == "agent"]
    assert (agent.owner, agent.sponsor, agent.manager) == ({"alice"}, {"sam", "sue"}, {"mia"})
    for bad in ("3", '""', '["a\\nb"]'):
        with pytest.raises(SettingsError, match="manager"):
            Installation(tmp_path, tables=client.format("ab" * 32, bad)).write().load()
