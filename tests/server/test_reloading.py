"""A worker follows its directory and the store; requests in flight keep what they began with."""

import asyncio
import sqlite3
from contextlib import AsyncExitStack, closing
from datetime import timedelta

import httpx
import pytest

from fleeting.core.evidence import EntryKind
from fleeting.core.policy_deeds import Origin
from fleeting.policy import PolicyProblems, PolicySet
from fleeting.server import housekeeping, policy_directory
from fleeting.server.housekeeping import life
from fleeting.server.installing import policy_sources
from fleeting.server.metrics import MULTIPROCESS_VARIABLE
from fleeting.server.reloading import UnusableSetError
from fleeting.server.settings import SettingsError
from fleeting.server.wiring import build_worker
from fleeting.usecases.change_policy import ChangePolicy
from tests.simulator import (
    IDP,
    POLICIES,
    REFUND,
    Installation,
    WoundClock,
    eventually,
    granted,
    loopback,
    refused,
    simulator,
    start,
)

STOP = '@id("stop") @reason("closed today") forbid (principal, action, resource);'
SHORTER = POLICIES.replace('@lifetime("60s")', '@lifetime("30s")')
COLOUR = 'colour = { type = "string", required = false }'
WHO = Origin("alice@here", "test", 1, "the store")


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Look at the directory often, and take it as still at once."""
    monkeypatch.setattr(housekeeping, "_POLICIES_EVERY", timedelta(milliseconds=5))
    monkeypatch.setattr(policy_directory, "STILL_SECONDS", 0.0)
    monkeypatch.delenv(MULTIPROCESS_VARIABLE, raising=False)


def live(sim):
    return sim.worker.policy.bundle.digest


def file(sim):
    return sim.installation.directory / "policies" / "all.cedar"


async def change(sim, text, path=None):
    """Write the policies, and wait until another set is live."""
    before = live(sim)
    (path or file(sim)).write_text(text)
    await eventually(lambda: live(sim) != before)


async def ready(sim):
    sim.clock.wind(seconds=1)
    response = await sim.get("/readyz")
    assert response.status_code == 200
    return response.json()["policy"]


async def metric(sim, name):
    text = (await sim.get("/metrics")).text
    return [line for line in text.splitlines() if line.startswith(name)]


async def deeds(sim):
    kinds = [kind for kind in EntryKind if kind.startswith("policy.")]
    entries = [chained.entry for chained in await sim.ledger()]
    return [entry for entry in entries if entry.kind in kinds]


def types_with(sim, line):
    config = sim.installation.config
    text = config.read_text()
    return text.replace("[types.payment_refund]", f"[types.payment_refund]\n{line}")


# --------------------------------------------------------------------------- the directory


async def test_a_change_of_the_directory_is_decided_by_and_recorded(sim, log):
    before = live(sim)
    granted(await sim.caller().ask(REFUND))
    await change(sim, POLICIES + STOP)
    assert "closed today" in refused(await sim.caller().ask(REFUND), "access_denied")
    first, second = await deeds(sim)
    assert first.body["how"] == "start of the server"
    assert first.body["live_before"] is None
    assert second.kind == EntryKind.POLICY_LOADED
    assert second.body["how"] == "change of the directory"
    assert second.body["from"] == str(sim.installation.directory / "policies")
    assert (second.body["live_before"], second.body["live"]) == (before, live(sim))
    assert await sim.worker.store.policy_text(live(sim)) is not None
    assert await metric(sim, "fleeting_policy_reloads_total") == [
        'fleeting_policy_reloads_total{outcome="loaded"} 1.0'
    ]
    assert f'fleeting_policy_info{{digest="{before}",role="live"}} 0.0' in await metric(
        sim, "fleeting_policy_info"
    )
    (line,) = [each for each in log if each["event"] == "policies loaded"]
    assert (line["before"], line["policy"]) == (before, live(sim))


async def test_operation_types_are_reloaded_with_the_policies(sim):
    granted(await sim.caller().ask(REFUND))
    text = types_with(sim, 'max_lifetime = "10s"') + '\n[types.audit]\nactions = ["read"]\n'
    await change(sim, text, sim.installation.config)
    claims = granted(await sim.caller().ask(REFUND))
    assert claims["exp"] - claims["iat"] == 10
    metadata = (await sim.get("/.well-known/oauth-authorization-server")).json()
    assert "audit" in metadata["authorization_details_types_supported"]


async def test_a_request_in_flight_ends_under_the_set_it_began_with(tmp_path):
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def keys(_request):
        asked.set()
        await go_on.wait()
        return httpx.Response(200, content=(tmp_path / "keys" / "idp.jwks.json").read_bytes())

    client = httpx.AsyncClient(transport=httpx.MockTransport(keys))
    remote = {'jwks_file = "keys/idp.jwks.json"': f'jwks_uri = "{IDP}/jwks"'}
    async with simulator(tmp_path, http=client, replace=remote) as sim:
        before = live(sim)
        flying = asyncio.create_task(sim.caller().exchange(sim.user_token(), REFUND))
        await asyncio.wait_for(asked.wait(), 5)
        await change(sim, POLICIES + STOP)
        go_on.set()
        granted(await flying)
        (entry,) = await sim.recorded(EntryKind.TOKEN_ISSUED)
        assert entry.body["policy_digest"] == before
        refused(await sim.caller().exchange(sim.user_token(), REFUND), "access_denied")


async def test_a_set_that_is_wrong_changes_nothing_and_is_told_of_everywhere(sim, log):
    before = live(sim)
    file(sim).write_text(POLICIES.replace("operation.amount", "operation.amuont"))
    await eventually(lambda: sim.worker.reloading.report()["troubles"])
    assert live(sim) == before
    granted(await sim.caller().ask(REFUND))
    told = await ready(sim)
    assert told["live"] == before
    assert told["troubles"] == ["the directory holds a set that is wrong; the live one stays"]
    assert str(sim.installation.directory) not in str(told)
    (line,) = [each for each in log if each["event"].startswith("the policies are wrong")]
    assert "all.cedar:5:26" in line["cause"]
    assert "amount" in line["cause"]
    assert await metric(sim, "fleeting_policy_troubles ") == ["fleeting_policy_troubles 1.0"]
    assert 'outcome="refused"} 1.0' in str(await metric(sim, "fleeting_policy_reloads_total"))
    refusal = (await deeds(sim))[-1]
    assert refusal.kind == EntryKind.POLICY_REFUSED
    assert "amuont" in refusal.body["problem"]

    file(sim).write_text(POLICIES)
    await eventually(lambda: not sim.worker.reloading.report()["troubles"])
    assert (live(sim), len(await deeds(sim))) == (before, 2)
    assert await metric(sim, "fleeting_policy_troubles ") == ["fleeting_policy_troubles 0.0"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[types.payment_refund]", "[types.payment_refnd]", "payment_refund"),
        ("[types.payout]", "[types.payout", "is not TOML"),
        ('kind = "at_most"', 'kind = "at_least_some"', "kind"),
    ],
)
async def test_types_that_are_wrong_change_nothing(sim, log, old, new, words):
    before = live(sim)
    config = sim.installation.config
    config.write_text(config.read_text().replace(old, new))
    await eventually(lambda: sim.worker.reloading.report()["troubles"])
    assert live(sim) == before
    (line,) = [each for each in log if each["event"].startswith("the policies are wrong")]
    assert words in line["cause"]
    await asyncio.sleep(0.02)
    assert (await deeds(sim))[-1].body["digest"] is None


async def test_a_type_that_the_running_resources_need_cannot_go(sim, log):
    config = sim.installation.config
    text = config.read_text().replace('["payment_refund", "payout"]', '["payment_refund"]')
    start = text.index("[types.payout]")
    config.write_text(text[:start] + text[text.index("[[resources]]") :])
    file(sim).write_text(STOP)
    await eventually(lambda: sim.worker.reloading.report()["troubles"])
    assert "type 'payout' is not declared" in str(log)


async def test_what_else_changed_is_said_to_need_a_restart(sim, log):
    text = types_with(sim, 'max_lifetime = "10s"').replace(
        'policies = "policies"', 'policies = "policies"\nlog_level = "debug"\nmax_body_bytes = 9'
    )
    await change(sim, text, sim.installation.config)
    (line,) = [each for each in log if each["event"] == "settings that changed need a restart"]
    assert line["settings"] == ("log_level", "max_body_bytes")


async def test_a_file_that_is_only_touched_changes_nothing(sim):
    file(sim).touch()
    await asyncio.sleep(0.1)
    assert len(await deeds(sim)) == 1


async def test_on_sighup_the_directory_is_read_without_waiting_for_it_to_be_still(sim, monkeypatch):
    monkeypatch.setattr(policy_directory, "STILL_SECONDS", 3600.0)
    before = live(sim)
    file(sim).write_text(SHORTER)
    await asyncio.sleep(0.05)
    assert live(sim) == before
    sim.worker.reloading.wish()
    await eventually(lambda: live(sim) != before)
    assert (await deeds(sim))[-1].body["how"] == "SIGHUP"


async def test_what_could_not_be_stored_is_tried_again(sim):
    before = live(sim)
    sim.worker.store.available = False
    file(sim).write_text(SHORTER)
    await asyncio.sleep(0.1)
    assert live(sim) == before
    sim.worker.store.available = True
    await eventually(lambda: live(sim) != before)


# --------------------------------------------------------------------------- the store


def others(sim):
    """Return what a command on the terminal does to the same store."""
    return ChangePolicy(sim.worker.store, sim.clock)


def another(sim, text=SHORTER):
    """Return a set that no directory holds."""
    (source,) = policy_sources(sim.worker.settings.policies)
    source = type(source)("all.cedar", text)
    return PolicySet((source,), sim.worker.settings.types)


async def test_what_commands_put_in_force_is_followed(sim):
    first, second = live(sim), another(sim)
    await others(sim).load(second, WHO)
    await eventually(lambda: live(sim) == second.digest)
    claims = granted(await sim.caller().ask(REFUND))
    assert claims["exp"] - claims["iat"] == 30
    await others(sim).roll_back(first, WHO)
    await eventually(lambda: live(sim) == first)
    claims = granted(await sim.caller().ask(REFUND))
    assert claims["exp"] - claims["iat"] == 60


async def test_a_rollback_holds_over_a_touch_and_sighup_until_the_directory_changes(sim, log):
    first = live(sim)
    await change(sim, SHORTER)
    await others(sim).roll_back(first, WHO)
    await eventually(lambda: live(sim) == first)
    sim.worker.reloading.wish()
    await eventually(lambda: "another set" in str(log))
    assert live(sim) == first
    await change(sim, SHORTER + STOP)
    assert live(sim) != first


async def test_siblings_end_on_one_set_that_one_of_them_loaded(tmp_path):
    installation = Installation(tmp_path, database="sqlite:///fleeting.db").write()
    async with AsyncExitStack() as stack:
        one, two = [await start(installation, stack, WoundClock()) for _ in range(2)]
        assert live(one) == live(two)
        await change(one, SHORTER)
        await eventually(lambda: live(one) == live(two))
        assert live(one) in [entry.body["live"] for entry in await deeds(one)]
        assert len(await deeds(one)) == 2
        file(one).write_text("permit")
        for each in (one, two):
            await eventually(lambda it=each: it.worker.reloading.report()["troubles"])
        await asyncio.sleep(0.05)
        assert [entry.kind for entry in await deeds(two)].count(EntryKind.POLICY_REFUSED) == 1


async def test_a_rollback_outlives_a_restart_and_a_change_while_it_stood_is_loaded(tmp_path, log):
    installation = Installation(tmp_path, database="sqlite:///fleeting.db").write()
    async with AsyncExitStack() as stack:
        sim = await start(installation, stack, WoundClock())
        first = live(sim)
        await change(sim, SHORTER)
        await others(sim).roll_back(first, WHO)
    async with AsyncExitStack() as stack:
        sim = await start(installation, stack, WoundClock())
        assert live(sim) == first
        assert "the directory holds another set" in str(log)
        started = await sim.recorded(EntryKind.SERVER_STARTED)
        assert [entry.body["policy_digest"] for entry in started] == [first, first]
        file(sim).write_text(POLICIES + STOP)
    async with AsyncExitStack() as stack:
        sim = await start(installation, stack, WoundClock())
        refused(await sim.caller().ask(REFUND), "access_denied")
        loads = [entry.body for entry in await deeds(sim) if entry.body["live"] == live(sim)]
        assert [body["how"] for body in loads] == ["start of the server"]


async def test_what_only_a_restart_makes_right_is_loaded_by_the_restart(tmp_path, log):
    installation = Installation(tmp_path, database="sqlite:///fleeting.db").write()
    async with AsyncExitStack() as stack:
        sim = await start(installation, stack, WoundClock())
        text = installation.config.read_text()
        installation.config.write_text(text.replace("[context]", f"[context]\n{COLOUR}"))
        file(sim).write_text(POLICIES + STOP.replace(";", " when { context.request has colour };"))
        await eventually(lambda: sim.worker.reloading.report()["troubles"])
        assert "settings that changed need a restart" in str(log)
        first = live(sim)
    async with AsyncExitStack() as stack:
        sim = await start(installation, stack, WoundClock())
        assert live(sim) != first
        assert not (await ready(sim))["troubles"]


async def test_a_worker_that_replaces_another_serves_what_is_live_beside_a_wrong_directory(
    tmp_path,
):
    installation = Installation(tmp_path, database="sqlite:///fleeting.db").write()
    async with AsyncExitStack() as stack:
        sim = await start(installation, stack, WoundClock())
        first = live(sim)
    (tmp_path / "policies" / "all.cedar").write_text("permit")
    with pytest.raises(PolicyProblems):
        build_worker(installation.load())
    worker = build_worker(installation.load(), http=loopback(), replaces=True)
    async with life(worker):
        assert worker.policy.bundle.digest == first
        assert worker.reloading.report()["troubles"]


async def test_without_a_live_set_a_wrong_directory_stops_a_replacing_worker_too(tmp_path):
    installation = Installation(tmp_path, policies="permit").write()
    worker = build_worker(installation.load(), http=loopback(), replaces=True)
    with pytest.raises(PolicyProblems):
        async with life(worker):
            pass


# --------------------------------------------------------------------------- attacks on the store


@pytest.fixture
async def stored(tmp_path):
    """A worker on SQLite, and its database to tamper with."""
    async with simulator(tmp_path, database="sqlite:///fleeting.db") as sim:

        def tamper(statement):
            path = sim.installation.directory / "fleeting.db"
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                connection.execute(statement)

        yield sim, tamper


UNKNOWN = "f" * 64


async def test_a_state_that_names_an_unknown_set_changes_nothing_and_is_told(stored, log):
    sim, tamper = stored
    before = live(sim)
    tamper(f"UPDATE policy_state SET live = '{UNKNOWN}'")
    await eventually(lambda: sim.worker.reloading.report()["troubles"])
    await asyncio.sleep(0.05)
    assert live(sim) == before
    granted(await sim.caller().ask(REFUND))
    assert "stays" in (await ready(sim))["troubles"][0]
    (line,) = [each for each in log if "cannot be used here" in each["event"]]
    assert f"keeps no policy set {UNKNOWN}" in line["cause"]
    assert 'outcome="failed"} 1.0' in str(await metric(sim, "fleeting_policy_reloads_total"))
    tamper(f"UPDATE policy_state SET live = '{before}'")
    await eventually(lambda: not sim.worker.reloading.report()["troubles"])


async def test_a_set_whose_text_was_altered_is_not_used(stored, log):
    sim, tamper = stored
    before, wider = live(sim), another(sim, POLICIES.replace("5000", "9000"))
    tamper(
        "INSERT INTO policy_sets SELECT '" + wider.digest + "', stored_at, stored_by, source, "
        "replace(body, '5000', '9999') FROM policy_sets"
    )
    tamper(f"UPDATE policy_state SET live = '{wider.digest}', revision = 9")
    await eventually(lambda: sim.worker.reloading.report()["troubles"])
    assert live(sim) == before
    assert "it was altered" in str(log)


async def test_a_candidate_that_cannot_be_used_leaves_the_live_set_alone(stored, log):
    sim, tamper = stored
    tamper(f"UPDATE policy_state SET candidate = '{UNKNOWN}'")
    await eventually(lambda: sim.worker.reloading.report()["troubles"])
    assert (await ready(sim))["troubles"] == ["the candidate cannot be used"]
    assert (await ready(sim))["candidate"] is None
    granted(await sim.caller().ask(REFUND))
    tamper("UPDATE policy_state SET candidate = NULL")
    await eventually(lambda: not sim.worker.reloading.report()["troubles"])


async def test_nothing_is_served_by_a_set_that_cannot_be_had(tmp_path):
    installation = Installation(tmp_path, database="sqlite:///fleeting.db").write()
    async with AsyncExitStack() as stack:
        await start(installation, stack, WoundClock())
    with closing(sqlite3.connect(tmp_path / "fleeting.db", isolation_level=None)) as connection:
        connection.execute(f"UPDATE policy_state SET live = '{UNKNOWN}'")
    async with AsyncExitStack() as stack:
        with pytest.raises(UnusableSetError, match=r"no policy set .*\n'fleeting policy load'"):
            await start(installation, stack, WoundClock())


async def test_an_earlier_set_that_fits_no_longer_is_not_used(stored, log):
    sim, _ = stored
    old = another(sim, '@id("x") permit (principal, action == Action::"gone:do", resource);')
    before = live(sim)
    await others(sim).load(old, WHO)
    await eventually(lambda: sim.worker.reloading.report()["troubles"])
    assert live(sim) == before
    assert "gone:do" in str(log)


# --------------------------------------------------------------------------- the candidate


async def shadowed(sim, text):
    candidate = another(sim, text)
    await others(sim).shadow(candidate.digest, WHO, candidate)
    await eventually(lambda: sim.worker.policy.rules().shadow is not None)
    return candidate.digest


async def test_a_candidate_decides_beside_the_live_set_and_differences_are_recorded(sim):
    digest = await shadowed(sim, SHORTER + STOP)
    assert (await ready(sim))["candidate"] == digest
    granted(await sim.caller().ask(REFUND))
    issued, differed = await sim.recorded()
    assert (issued.kind, differed.kind) == (EntryKind.TOKEN_ISSUED, EntryKind.POLICY_DIFFERED)
    assert (differed.request_id, differed.txn) == (issued.request_id, issued.txn)
    assert differed.body["difference"] == "newly_denied"
    assert differed.body["candidate"]["policy_digest"] == digest
    assert differed.body["live"]["policy_digest"] == live(sim)
    assert differed.body["candidate"]["answers"][0]["verdict"] == "forbidden"
    assert await metric(sim, "fleeting_shadow_decisions_total") == [
        'fleeting_shadow_decisions_total{outcome="newly_denied"} 1.0'
    ]
    assert f'{{digest="{digest}",role="candidate"}} 1.0' in str(
        await metric(sim, "fleeting_policy_info")
    )


async def test_what_the_candidate_would_permit_is_recorded_with_what_waits(sim):
    await shadowed(sim, POLICIES.replace("amount <= 5000", "amount <= 9000"))
    response = await sim.caller().ask({**REFUND, "amount": 8000})
    assert response.json()["error"] == "authorization_pending"
    pending, differed = await sim.recorded()
    assert pending.kind == EntryKind.REQUEST_PENDING
    assert differed.body["difference"] == "newly_permitted"


async def test_where_both_agree_nothing_is_recorded(sim):
    await shadowed(sim, POLICIES + "// the same in other words")
    granted(await sim.caller().ask(REFUND))
    assert [entry.kind for entry in await sim.recorded()] == [EntryKind.TOKEN_ISSUED]
    assert 'outcome="same"} 1.0' in str(await metric(sim, "fleeting_shadow_decisions_total"))


async def test_a_promoted_candidate_is_live_and_no_candidate(sim):
    digest = await shadowed(sim, SHORTER)
    await others(sim).promote(WHO)
    await eventually(lambda: live(sim) == digest)
    assert sim.worker.policy.rules().shadow is None
    assert (await ready(sim))["candidate"] is None


async def test_a_candidate_stays_the_same_one_while_others_change(sim):
    await shadowed(sim, SHORTER)
    shadow = sim.worker.policy.rules().shadow
    await change(sim, POLICIES + STOP)
    assert sim.worker.policy.rules().shadow is shadow


async def test_a_settings_error_at_the_start_is_raised_as_such(tmp_path):
    installation = Installation(tmp_path).write()
    worker = build_worker(installation.load(), http=loopback())
    installation.config.write_text("issuer = 1")
    with pytest.raises(SettingsError, match="issuer"):
        async with life(worker):
            pass
