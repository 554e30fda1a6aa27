import asyncio
import shutil

from tests.simulator import REFUND, eventually, granted


async def ready(sim):
    sim.clock.wind(seconds=1)
    response = await sim.get("/readyz")
    body = response.json()
    assert response.status_code == (200 if body["ready"] else 503)
    return body["troubles"]


async def test_a_worker_that_could_do_its_work_is_ready(sim):
    assert await ready(sim) == {}


async def test_without_its_database_it_is_not_and_then_is_again(sim):
    sim.worker.store.available = False
    assert list(await ready(sim)) == ["database"]
    assert (await sim.get("/healthz")).status_code == 200
    sim.worker.store.available = True
    assert await ready(sim) == {}


async def test_all_who_ask_within_a_second_share_one_check(sim, monkeypatch):
    pings, go_on = [], asyncio.Event()

    async def ping():
        pings.append(sim.clock.now())
        await go_on.wait()

    monkeypatch.setattr(sim.worker.store, "ping", ping)
    asked = [asyncio.create_task(sim.get("/readyz")) for _ in range(20)]
    await eventually(lambda: pings)
    asked.pop().cancel()  # who goes away ends the check for nobody else
    sim.clock.wind(seconds=3)
    asked.append(asyncio.create_task(sim.get("/readyz")))  # nor begins another beside it
    await asyncio.sleep(0.01)
    go_on.set()
    assert {response.status_code for response in await asyncio.gather(*asked)} == {200}
    assert len(pings) == 1
    for seconds in (0, 0.999):
        sim.clock.wind(seconds=seconds)
        await sim.get("/readyz")
    assert len(pings) == 2
    sim.clock.wind(seconds=0.001)
    await sim.get("/readyz")
    assert len(pings) == 3


async def test_without_its_policies_it_says_so_and_the_loaded_set_stays(sim):
    policies = sim.installation.directory / "policies"
    policies.rename(policies.with_name("gone"))
    assert "stays in force" in (await ready(sim))["policies"]
    granted(await sim.caller().ask(REFUND))
    policies.with_name("gone").rename(policies)
    assert await ready(sim) == {}


async def test_without_its_keys_it_says_so_and_signs_on_with_those_it_has(sim):
    keys = sim.worker.settings.signing_keys
    shutil.move(keys, keys.with_name("gone"))
    assert list(await ready(sim)) == ["keys"]
    granted(await sim.caller().ask(REFUND))
    shutil.move(keys.with_name("gone"), keys)
    assert await ready(sim) == {}


async def test_what_exactly_is_wrong_only_the_log_is_told(sim, log):
    (path,) = sim.worker.settings.signing_keys.glob("*.json")
    path.chmod(0o644)
    (path.parent / "other.json").write_text("{}")
    told = (await ready(sim))["keys"]
    assert str(sim.installation.directory) not in told
    (line,) = [each for each in log if each["event"] == "not ready"]
    assert "chmod 600" in line["cause"]
