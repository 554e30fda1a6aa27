"""Races over real HTTP: two workers, many callers, restarts, and databases that go away."""

import asyncio
import json
import time
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from fleeting.core.ledger_verification import verify_ledger
from fleeting.server.health import CHECK_EVERY
from fleeting.stores import open_store
from fleeting.stores.migrate import upgrade
from tests.attacks.scene import CALL, REFUNDS
from tests.attacks.world import World, client, guarded_apis, wait_until
from tests.simulator import REFUND, Installation, free_port

PARALLEL = 20
ASK = {"grant_type": "client_credentials", "authorization_details": [REFUND]}
_NUMBERS = count(1)


class SqliteFile:
    """A SQLite database in a directory that can be taken away."""

    def __init__(self, directory: Path) -> None:
        self.url = "sqlite:///data/fleeting.db"
        self.here, self.away = directory / "data", directory / "gone"
        self.here.mkdir()

    def take_away(self):
        self.here.rename(self.away)

    def bring_back(self):
        self.away.rename(self.here)


class PostgresServer:
    """A PostgreSQL server that can be stopped."""

    def __init__(self, cluster) -> None:
        self.cluster = cluster
        name = f"attacks_{next(_NUMBERS)}"
        cluster.execute(f"CREATE DATABASE {name}")
        self.url = f"{cluster.url}/{name}"
        upgrade(self.url)

    def take_away(self):
        self.cluster.stop()

    def bring_back(self):
        self.cluster.start()


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def world(request, tmp_path_factory):
    """Two workers on one database."""
    directory = tmp_path_factory.mktemp(f"world-{request.param}")
    if request.param == "sqlite":
        database = SqliteFile(directory)
    else:
        database = PostgresServer(request.getfixturevalue("cluster"))
    issuer = f"http://127.0.0.1:{free_port()}"
    world = World(Installation(directory, issuer=issuer, database=database.url).write(), database)
    world.start()
    yield world
    world.stop()


@asynccontextmanager
async def crowd(world, size=PARALLEL):
    """Yield *size* sets of callers, each with connections of its own."""
    async with AsyncExitStack() as stack:
        https = [await stack.enter_async_context(client()) for _ in range(size)]
        yield [world.parties(http) for http in https]


async def at_once(attacks):
    return await asyncio.gather(*attacks)


async def test_of_parallel_spends_exactly_one_succeeds_also_after_a_restart(world):
    """ATTACKS 3, 6: two workers, twenty guards; again after both workers were replaced."""
    async with crowd(world) as parties:
        bot = parties[0].caller()
        token = await bot.token(REFUND)
        spends = await at_once(it.guard.spend(token, use_id=f"use-{n}")
                               for n, it in enumerate(parties))  # fmt: skip
        answers = [spend.json() for spend in spends]
        assert answers.count({"active": True, "use": 1, "uses": 1}) == 1
        assert answers.count({"active": False, "reason": "spent"}) == PARALLEL - 1
        winner = next(n for n, answer in enumerate(answers) if answer["active"])
        world.stop()
        world.start()
        again = await at_once(it.guard.spend(token, use_id=f"use-{n}")
                              for n, it in enumerate(parties))  # fmt: skip
        active = [n for n, spend in enumerate(again) if spend.json()["active"]]
        assert active == [winner], "the winner's lost answer is repeated, and nothing else"
        late = await at_once(it.guard.spend(token) for it in parties)
        assert {spend.json()["reason"] for spend in late} == {"spent"}
    assert token not in world.said()


async def test_one_use_id_is_one_use_however_often_it_is_sent(world):
    """ATTACKS 3: a retry is no second use, and takes nobody else's."""
    async with crowd(world) as parties:
        token = await parties[0].caller().token(REFUND)
        spends = await at_once(it.guard.spend(token, use_id="same") for it in parties)
        assert {json.dumps(it.json()) for it in spends} == {'{"active": true, "use": 1, "uses": 1}'}
        other = await parties[0].guard.spend(token, use_id="other")
        assert other.json() == {"active": False, "reason": "spent"}


async def test_of_parallel_replays_exactly_one_succeeds(world):
    """ATTACKS 1, 6, 8: one assertion, one proof, one challenge, sent to both workers at once."""
    async with crowd(world, 10) as parties:
        bots = [it.caller() for it in parties]
        first = bots[0]
        await first.ask(scope="payments:read")
        for bot in bots:
            bot.nonce, bot.proof_key = first.nonce, first.proof_key
        assertion = first.credentials()
        proof, challenge = first.proof(), parties[0].challenge()
        for attacks, error in (
            ([bot.post("/token", ASK, credentials=assertion) for bot in bots], "invalid_client"),
            ([bot.post("/token", ASK, proofs=[proof]) for bot in bots], "invalid_dpop_proof"),
            ([bot.authorize(challenge) for bot in bots], "invalid_transaction_challenge"),
        ):
            answers = await at_once(attacks)
            errors = sorted(answer.json().get("error", "") for answer in answers)
            assert errors == ["", *[error] * 9]
        token = await first.token(REFUND)
        races = [it.guard.introspect(token, **assertion) for it in parties[:5]]
        used = [bot.revoke(token) for bot in bots[:1]]
        answers = await at_once([*races, *used])
        assert {answer.status_code for answer in answers[:5]} == {400}  # two methods at once
    for private in (assertion["client_assertion"], proof, challenge, token):
        assert private not in world.said()


async def test_spending_and_revoking_at_once_end_the_token(world):
    """ATTACKS 3, 7: whatever comes first, afterwards there is nothing left of it."""
    async with crowd(world, 10) as parties:
        bot = parties[0].caller()
        for _ in range(3):
            token = await bot.token(REFUND)
            bots = [it.caller(key=bot.key) for it in parties[5:]]
            answers = await at_once(
                [*(it.guard.spend(token) for it in parties[:5]), *(it.revoke(token) for it in bots)]
            )
            assert sum(it.json()["active"] for it in answers[:5]) <= 1
            assert {it.status_code for it in answers} == {200}
            assert (await parties[0].guard.spend(token)).json()["reason"] == "revoked"


async def test_of_two_guard_processes_one_serves(world):
    """ATTACKS 3: one token, twenty honest proofs, two processes of the resource server."""
    if not isinstance(world.database, SqliteFile):
        return  # a guard does not know its issuer's database
    async with crowd(world, 1) as [parties]:
        with guarded_apis(world, 2) as urls:
            bot = parties.caller()
            nonces = {}
            for url in urls:
                hello = await parties.http.post(url + REFUNDS, json=CALL)
                nonces[url] = hello.headers["dpop-nonce"]
            token = await bot.token(REFUND)

            def call(url):
                proof = bot.proof(uri=url + REFUNDS, access_token=token, nonce=nonces[url])
                headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
                return parties.http.post(url + REFUNDS, json=CALL, headers=headers)

            answers = await at_once(call(urls[n % 2]) for n in range(PARALLEL))
            statuses = sorted(answer.status_code for answer in answers)
            assert statuses == [201, *[401] * (PARALLEL - 1)]


async def test_a_database_that_goes_away_stops_everything_and_loses_nothing(world):
    """ATTACKS 7: 503 and not ready; nothing issued; well again by itself once it is back."""
    async with crowd(world, 4) as parties:
        bot, guard = parties[0].caller(), parties[0].guard
        before = [await bot.token(REFUND) for _ in range(2)]
        assert (await guard.spend(before[0])).json()["active"] is True
        world.database.take_away()
        try:
            started = time.monotonic()
            broken = await at_once(
                [
                    bot.ask(REFUND),
                    bot.authorize(parties[1].challenge()),
                    guard.spend(before[0]),
                    guard.spend(before[1]),
                    bot.revoke(before[1]),
                    guard.introspect(before[1]),
                    guard.report(before[1]),
                ]
            )
            for answer in broken:
                assert answer.status_code == 503, answer.text
                assert answer.json()["error"] == "temporarily_unavailable"
                assert answer.headers["retry-after"] == "1"
                for secret in (str(world.installation.directory), "attacks_", *before):
                    assert secret not in answer.text
            await asyncio.sleep(CHECK_EVERY.total_seconds())
            ready = await parties[0].http.get(f"{world.url}/readyz")
            assert (ready.status_code, ready.json()["ready"]) == (503, False)
            assert str(world.installation.directory) not in ready.text
            assert (await parties[0].http.get(f"{world.url}/healthz")).status_code == 200
            assert time.monotonic() - started < 20
        finally:
            world.database.bring_back()
        wait_until(world.is_ready, world.logs[-1], 20)
        assert (await guard.spend(before[0])).json() == {"active": False, "reason": "spent"}
        assert (await guard.spend(before[1])).json()["active"] is True
        assert (await bot.ask(REFUND)).status_code == 200


async def test_a_policy_directory_that_goes_away_leaves_the_set_in_force(world):
    """ATTACKS 7: not ready, and no wider than before; ready again by itself."""
    policies = world.installation.directory / "policies"
    hidden = policies.with_name("hidden")
    async with crowd(world, 1) as [parties]:
        bot = parties.caller()
        policies.rename(hidden)
        try:
            await asyncio.sleep(CHECK_EVERY.total_seconds())
            ready = await parties.http.get(f"{world.url}/readyz")
            assert (ready.status_code, ready.json()["troubles"].keys()) == (503, {"policies"})
            assert (await bot.ask(REFUND)).status_code == 200
            assert (await bot.ask({**REFUND, "currency": "USD"})).status_code == 400
        finally:
            hidden.rename(policies)
        wait_until(world.is_ready, world.logs[-1], 20)


async def test_the_ledger_of_it_all_is_whole_and_tells_no_secret(world):
    """ATTACKS 35: after races, restarts and faults."""
    directory = world.installation.directory
    url = world.installation.load().database
    store = open_store(url, clock=SimpleNamespace(now=None), base_dir=directory)
    verification = await store.examine(verify_ledger)
    assert verification.findings == ()
    assert verification.chains >= 2
    everything = [json.dumps(dict(it.entry.body)) async for it in store.entries()]
    tokens = [text for text in everything if "eyJ" in text and "fleeting-checkpoint" not in text]
    leaked = [text for text in tokens if '"signature"' not in text]
    assert leaked == []
    await store.close()
    for line in world.said().splitlines():
        assert "eyJ" not in line
        assert "Traceback" not in line
        json.loads(line)


def test_a_flood_of_header_fields_is_cut_off(world):
    """ATTACKS 33: over real sockets."""
    flood = httpx.Client(trust_env=False, verify=False)
    headers = [(f"x-{number}", "y" * 1000) for number in range(200)]
    with flood:
        answer = flood.get(f"{world.url}/healthz", headers=headers)
    assert answer.status_code in (200, 400)
    wait_until(world.is_ready, world.logs[-1], 5)  # each worker may remember a second-old answer
