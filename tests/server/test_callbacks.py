"""An end is told where it was asked for, signed, once, and nowhere else."""

import asyncio
import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from fleeting.core.jose import UnverifiedJwt
from fleeting.ports import RecordKind, StoreUnavailableError
from fleeting.server.callbacks import CALLBACK_TYP, Callbacks, Post, system_addresses
from tests.people import office
from tests.simulator import ISSUER, eventually, simulator
from tests.tasks import ALICE, LARGE, Enforcement, problem, question

URI = "https://pep.example.com/told?by=us"
LOCAL = "http://127.0.0.1:9/told"
GUARD = 'jwks_file = "keys/payments-api.jwks.json"'
DECLARED = {GUARD: f'{GUARD}\ncallback_uris = ["{URI}", "{LOCAL}"]'}


class Pep:
    """An enforcement point that listens; answers: what to answer first, then 204."""

    def __init__(self, *answers):
        self.requests = []
        self.answers = [*answers]

    async def serve(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0) if self.answers else 204
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer, headers={"Location": "http://127.0.0.1:9/stolen"})

    def http(self):
        return httpx.AsyncClient(transport=httpx.MockTransport(self.serve), follow_redirects=False)


@pytest.fixture
def listening():
    return Pep()


@pytest.fixture
async def sim(tmp_path, listening):
    async with simulator(tmp_path, http=listening.http(), replace=DECLARED) as running:
        yield running


@pytest.fixture
async def people(sim):
    return await office(sim)


async def follow(sim, callbacks=None):
    """Show every request to the worker, and let it finish what comes of it."""
    callbacks = callbacks or sim.worker.asking.callbacks
    for row in await sim.worker.store.records(RecordKind.REQUEST):
        callbacks.notice(row)
    await eventually(lambda: not callbacks._background)


async def asked(sim, uri=LOCAL, **more):
    return await Enforcement(sim).ask_people(callback={"endpoint": uri, **more})


async def test_an_approval_is_told_signed_and_gives_nothing_away(sim, people, listening):
    task = await asked(sim, state="mine")
    await follow(sim)
    assert listening.requests == []
    await people.approve(task["id"])
    await follow(sim)
    (request,) = listening.requests
    assert (request.method, str(request.url)) == ("POST", LOCAL)
    told = json.loads(request.content)
    assert told["state"] == "mine"
    assert told["task"] == {
        "id": task["id"],
        "status": "approved",
        "status_endpoint": task["status_endpoint"],
    }
    assert "result" not in told
    token = request.headers["authorization"].removeprefix("Bearer ")
    jwt = UnverifiedJwt.parse(token).verify(
        sim.worker.signing_keys.keys(), algs=frozenset({"ES256"}), typ=(CALLBACK_TYP,)
    )
    assert (jwt.string("iss"), jwt.audience(), jwt.string("sub")) == (ISSUER, (LOCAL,), task["id"])
    assert jwt.string("body_sha256") == hashlib.sha256(request.content).hexdigest()
    assert jwt.instant("exp") - jwt.instant("iat") == timedelta(seconds=60)


async def test_it_is_told_once_whatever_comes_after_and_whoever_sees_it(sim, people, listening):
    task = await asked(sim)
    await people.approve(task["id"])
    worker = sim.worker
    post = Post(worker.http, worker.signing_keys, worker.clock, ISSUER)
    sibling = Callbacks(worker.store, worker.policy, post)
    await asyncio.gather(follow(sim), follow(sim, sibling))
    await people.deeds.revoke(people.who("luis"), task["id"], "over")
    await follow(sim)
    assert len(listening.requests) == 1


@pytest.mark.parametrize(("events", "told"), [(["denied"], 1), (["approved", "expired"], 0)])
async def test_only_what_was_asked_for_is_told(sim, people, listening, events, told):
    task = await asked(sim, events=events)
    await people.deny(task["id"])
    await follow(sim)
    assert len(listening.requests) == told


async def test_an_approval_is_told_as_one_though_it_is_used_up_by_then(sim, people, listening):
    pep, task = Enforcement(sim), await asked(sim, events=["approved"])
    await people.approve(task["id"])
    assert (await pep.decide(question(), await pep.approval(task)))["decision"] is True
    await follow(sim)
    (request,) = listening.requests
    assert json.loads(request.content)["task"]["status"] == "approved"


async def test_a_bundle_is_told_when_all_of_it_is_decided(sim, people, listening):
    pep = Enforcement(sim)
    other = {**LARGE, "properties": {**LARGE["properties"], "payment_id": "43"}}
    items = [
        {"resource": it["resource"], "action": it["action"], "denial": await pep.denied(it)}
        for it in (question(), question(resource=other))
    ]
    body = {"subject": ALICE, "items": items, "callback": {"endpoint": LOCAL}}
    task = (await pep.submit(body)).json()["task"]
    await people.approve(f"{task['id']}.1")
    await follow(sim)
    assert listening.requests == []
    await people.deny(f"{task['id']}.2")
    await follow(sim)
    (request,) = listening.requests
    assert json.loads(request.content)["task"]["status"] == "partial"


async def test_the_worker_sees_it_by_itself(sim, people, listening):
    task = await asked(sim)
    await people.deny(task["id"])
    await eventually(lambda: listening.requests)


async def test_only_a_declared_place_can_be_asked_for(sim):
    pep = Enforcement(sim)
    for uri in (URI + "x", "https://pep.example.com/told", "http://169.254.169.254/latest"):
        denial = await pep.denied(question())
        answer = await pep.submit({**question(), "denial": denial, "callback": {"endpoint": uri}})
        assert "callback_uris" in problem(answer, "", 400)


async def test_a_place_that_is_declared_no_more_is_told_nothing(sim, people, listening):
    task = await asked(sim)
    await people.deny(task["id"])
    rules = sim.worker.policy.rules()
    guards = dict(rules.installation.guards)
    guards["payments-api"] = replace(guards["payments-api"], callback_uris=frozenset())
    installation = replace(rules.installation, guards=guards)
    sim.worker.policy.swap(replace(rules, installation=installation))
    await follow(sim)
    assert listening.requests == []


async def test_a_broken_store_or_row_ends_nothing(sim, people, listening, monkeypatch):
    task = await asked(sim)
    await people.deny(task["id"])
    callbacks = sim.worker.asking.callbacks
    (row,) = await sim.worker.store.records(RecordKind.REQUEST)
    callbacks.notice(replace(row, text='{"callback":{}}'))
    read = sim.worker.store.record

    async def gone(kind, id_):
        raise StoreUnavailableError("gone")

    sim.worker.store.record = gone
    await follow(sim)
    del sim.worker.store.record
    assert read
    monkeypatch.setattr("fleeting.server.background.MOST", 0)
    callbacks.notice(row)
    assert listening.requests == []
    monkeypatch.undo()
    await follow(sim)
    assert len(listening.requests) == 1


# One attempt.


def post(sim, listening, *addresses):
    async def resolve(host, port):
        assert (host, port) in (("pep.example.com", 443), ("127.0.0.1", 9), ("localhost", 80))
        return addresses

    return Post(listening.http(), sim.worker.signing_keys, sim.clock, ISSUER, resolve)


TOLD = {"task": {"id": "task"}}


async def test_it_goes_to_the_address_that_was_checked_by_the_host_s_name(sim, listening):
    assert await post(sim, listening, "93.184.215.14", "10.0.0.1")(URI, TOLD) is not None
    assert listening.requests == []
    assert await post(sim, listening, "93.184.215.14")(URI, TOLD) is None
    (request,) = listening.requests
    assert str(request.url) == "https://93.184.215.14/told?by=us"
    assert request.headers["host"] == "pep.example.com"
    assert request.extensions["sni_hostname"] == "pep.example.com"
    assert await post(sim, listening, "2606:4700::1111")(URI, TOLD) is None
    assert listening.requests[-1].url.host == "2606:4700::1111"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:10.0.0.1",
        "ff02::1",
        "fec0::1",
        "::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "2002:a00:1::1",
        "not an address",
    ],
)
async def test_a_private_address_is_never_called(sim, listening, address):
    assert await post(sim, listening, address)(URI, TOLD) is not None
    assert listening.requests == []


async def test_a_name_without_an_address_is_a_failure(sim, listening):
    assert "not at a public address" in await post(sim, listening)(URI, TOLD)


async def test_loopback_is_called_where_it_is_declared_and_nothing_else_by_its_name(sim, listening):
    assert await post(sim, listening, "127.0.0.1")("http://localhost/told", TOLD) is None
    assert await post(sim, listening, "10.0.0.1")("http://localhost/told", TOLD) is not None


async def test_a_redirect_is_a_failure_and_not_followed(sim):
    listening = Pep(307)
    told = await post(sim, listening, "93.184.215.14")(URI, TOLD)
    assert told == "HTTP status 307"
    assert len(listening.requests) == 1


async def test_an_answer_that_trickles_in_is_not_waited_for(sim):
    class Slow(Pep):
        async def serve(self, request):
            await asyncio.sleep(60)
            return await super().serve(request)

    sending = replace(post(sim, Slow(), "93.184.215.14"), within=timedelta(milliseconds=10))
    assert (await sending(URI, TOLD)).startswith("TimeoutError")


async def test_it_is_tried_a_few_times(sim, people):
    listening = Pep(503, httpx.ConnectError("refused"), 204)
    task = await asked(sim)
    worker = sim.worker
    http = listening.http()
    sending = Post(http, worker.signing_keys, worker.clock, ISSUER)
    callbacks = Callbacks(worker.store, worker.policy, sending, (timedelta(0),) * 2)
    await people.deny(task["id"])
    await follow(sim, callbacks)
    assert len(listening.requests) == 3


async def test_who_never_answers_is_given_up(sim, people):
    listening = Pep(*[500] * 9)
    task = await asked(sim)
    worker = sim.worker
    sending = Post(listening.http(), worker.signing_keys, worker.clock, ISSUER)
    callbacks = Callbacks(worker.store, worker.policy, sending, (timedelta(0),) * 2)
    await people.deny(task["id"])
    await follow(sim, callbacks)
    assert len(listening.requests) == 3


async def test_what_is_under_way_is_let_go_at_the_end(sim, people):
    listening = Pep(500)
    task = await asked(sim)
    worker = sim.worker
    sending = Post(listening.http(), worker.signing_keys, worker.clock, ISSUER)
    callbacks = Callbacks(worker.store, worker.policy, sending, (timedelta(minutes=1),))
    await people.deny(task["id"])
    for row in await worker.store.records(RecordKind.REQUEST):
        callbacks.notice(row)
    await eventually(lambda: listening.requests)
    await callbacks.close()
    assert len(listening.requests) == 1
    await callbacks.close()


async def test_the_system_knows_addresses():
    assert "127.0.0.1" in await system_addresses("127.0.0.1", 80)
