import asyncio

import pytest

from fleeting.core.evidence import EntryKind
from fleeting.usecases import calling
from tests.simulator import REFUND, claims_of, eventually, granted, new_key, refused

SCOPE = {"grant_type": "client_credentials", "scope": "payments:read"}


async def test_a_client_without_a_nonce_is_given_one(sim):
    bot = sim.caller()
    response = await bot.post("/token", SCOPE, retry=False)
    refused(response, "use_dpop_nonce")
    assert response.headers["dpop-nonce"]
    assert await sim.recorded() == []  # asking for a nonce is no refusal
    granted(await bot.post("/token", SCOPE, retry=False))


async def test_a_nonce_serves_for_five_minutes(sim):
    bot = sim.caller()
    await bot.token(REFUND)
    nonce = bot.nonce
    sim.clock.wind(minutes=5)
    granted(await bot.post("/token", SCOPE, retry=False))
    bot.nonce = nonce
    sim.clock.wind(seconds=31)
    refused(await bot.post("/token", SCOPE, retry=False), "use_dpop_nonce")


async def test_a_proof_is_good_once(sim):
    bot = sim.caller()
    await bot.token(REFUND)
    proof = bot.proof()
    granted(await bot.post("/token", SCOPE, proofs=[proof]))
    again = await bot.post("/token", SCOPE, proofs=[proof])
    assert "used before" in refused(again, "invalid_dpop_proof")
    *_, entry = await sim.recorded(EntryKind.REQUEST_REFUSED)
    assert entry.body["error"]["error"] == "invalid_dpop_proof"


async def test_of_many_racing_with_one_proof_exactly_one_gets_a_token(sim):
    bot = sim.caller()
    await bot.token(REFUND)
    proof = bot.proof()
    racing = (bot.post("/token", SCOPE, proofs=[proof]) for _ in range(10))
    statuses = [response.status_code for response in await asyncio.gather(*racing)]
    assert sorted(statuses) == [200] + [400] * 9
    assert len(await sim.recorded(EntryKind.TOKEN_ISSUED)) == 2


async def test_an_assertion_is_good_once_at_every_endpoint(sim):
    bot = sim.caller()
    token = await bot.token(REFUND)
    credentials = bot.credentials()
    granted(await bot.post("/token", SCOPE, credentials=credentials))
    challenge = {"transaction_challenge": sim.challenge()}
    spend = {"token": token, "use_id": "1", "operation": REFUND}
    for path, form in {
        "/token": SCOPE,
        "/transaction-authorization": challenge,
        "/introspect": {"token": token},
        "/revoke": {"token": token},
        "/spend": spend,
    }.items():
        response = await bot.post(path, form, credentials=credentials)
        assert "used before" in refused(response, "invalid_client", 401)
    assert (await sim.guard.introspect(token)).json()["active"] is True


async def test_an_assertion_is_used_up_by_a_refusal_too(sim):
    bot = sim.caller()
    await bot.token(REFUND)
    credentials = bot.credentials()
    form = {**SCOPE, "scope": "nothing"}
    refused(await bot.post("/token", form, credentials=credentials), "invalid_scope")
    refused(await bot.post("/token", SCOPE, credentials=credentials), "invalid_client", 401)


async def test_an_assertion_stays_used_until_it_is_expired_skew_included(sim):
    bot = sim.caller()
    await bot.token(REFUND)
    credentials = bot.credentials(exp=int(sim.clock.now().timestamp()) + 60)
    granted(await bot.post("/token", SCOPE, credentials=credentials))
    sim.clock.wind(seconds=69)
    await sim.worker.store.prune(sim.clock.now(), ledger_before=None, limit=100)
    response = await bot.post("/token", SCOPE, credentials=credentials)
    assert "used before" in refused(response, "invalid_client", 401)
    sim.clock.wind(seconds=1)
    response = await bot.post("/token", SCOPE, credentials=credentials)
    assert "expired" in refused(response, "invalid_client", 401)


@pytest.mark.parametrize("secret", ["wrong", ""])
async def test_a_wrong_secret_is_answered_with_the_scheme_to_use(sim, secret):
    response = await sim.caller("legacy", secret=secret).ask(scope="payments:read")
    refused(response, "invalid_client", 401)
    assert response.headers["www-authenticate"] == 'Basic realm="fleeting", charset="UTF-8"'
    (entry,) = await sim.recorded()
    assert entry.body["client"] is None
    assert "legacy" in entry.body["error"]["detail"]


async def test_a_client_has_the_one_method_it_was_declared_with(sim):
    refused(await sim.caller(secret="x", key=None).ask(scope="a"), "invalid_client", 401)
    refused(await sim.caller("legacy", key=new_key()).ask(scope="a"), "invalid_request")


@pytest.mark.parametrize(
    "bent",
    [
        {"proofs": []},
        {"proofs": [""]},
        {"proofs": ["a.b.c"]},
        {"proofs": ["a", "b"]},
    ],
)
async def test_a_proof_that_is_missing_or_malformed_is_refused(sim, bent):
    refused(await sim.caller().post("/token", SCOPE, **bent), "invalid_dpop_proof")


async def test_two_right_proofs_are_one_too_many(sim):
    bot = sim.caller()
    await bot.token(REFUND)
    response = await bot.post("/token", SCOPE, proofs=[bot.proof(), bot.proof()])
    refused(response, "invalid_dpop_proof")


async def test_a_host_header_does_not_make_a_proof_for_elsewhere_fit(sim):
    bot = sim.caller()
    await bot.token(REFUND)
    proof = bot.proof(uri="https://evil.example/token")
    hosts = [("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "https")]
    response = await bot.post(
        "/token", SCOPE, proofs=[proof], headers=[("Host", "evil.example"), *hosts]
    )
    refused(response, "invalid_dpop_proof")


async def test_what_strangers_make_the_ledger_grow_by_is_bounded(sim):
    for _ in range(210):
        refused(await sim.guard.post("/token", SCOPE, authorization=["x"]), "invalid_client", 401)
    assert len(await sim.recorded()) == 200
    sim.clock.wind(seconds=1)
    for _ in range(30):
        await sim.guard.post("/token", SCOPE, authorization=["x"])
    assert len(await sim.recorded()) == 220
    refused(await sim.caller().ask(scope="nothing"), "invalid_scope")
    assert len(await sim.recorded()) == 221  # a client's refusals are recorded still


async def test_while_the_store_is_gone_nothing_is_answered_and_nothing_lost(sim):
    bot = sim.caller()
    token = await bot.token(REFUND)
    sim.worker.store.available = False
    for response in (
        await bot.ask(REFUND),
        await bot.ask(scope="nothing"),
        await bot.authorize(sim.challenge()),
        await sim.guard.spend(token),
        await sim.guard.introspect(token),
        await sim.guard.report(token),
        await sim.guard.post("/token", SCOPE, authorization=["x"]),
    ):
        refused(response, "temporarily_unavailable", 503)
        assert response.headers["retry-after"] == "1"
        assert "available" not in response.json()["error_description"]
    sim.worker.store.available = True
    assert len(await sim.recorded()) == 1
    granted(await bot.ask(REFUND))
    assert (await sim.guard.spend(token)).json()["use"] == 1


class Slow:
    """A store whose commits wait to be let go."""

    def __init__(self, store):
        self.store, self.gate = store, asyncio.Event()
        self.waiting = 0

    async def commit(self, write):
        self.waiting += 1
        await self.gate.wait()
        return await self.store.commit(write)


async def test_nothing_is_answered_before_it_is_recorded(sim, monkeypatch):
    bot = sim.caller()
    await bot.token(REFUND)
    slow = Slow(sim.worker.store)
    original = sim.worker.store.commit
    slow.store = type("Kept", (), {"commit": staticmethod(original)})
    monkeypatch.setattr(sim.worker.store, "commit", slow.commit)
    asking = asyncio.create_task(bot.ask(REFUND))
    await eventually(lambda: slow.waiting)
    done, _ = await asyncio.wait([asking], timeout=0.05)
    assert not done
    assert len(await sim.recorded(EntryKind.TOKEN_ISSUED)) == 1
    slow.gate.set()
    token = (await asking).json()["access_token"]
    entries = await sim.recorded(EntryKind.TOKEN_ISSUED)
    assert entries[-1].jti == claims_of(token)["jti"]


async def test_a_caller_that_goes_away_leaves_a_ledger_that_is_right(sim):
    bot = sim.caller()
    await bot.token(REFUND)
    tasks = [asyncio.create_task(bot.ask(REFUND)) for _ in range(10)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    jtis = {granted(response)["jti"] for response in results[1::2]}
    await asyncio.sleep(0.02)
    entries = {entry.jti for entry in await sim.recorded(EntryKind.TOKEN_ISSUED)}
    assert jtis <= entries
    for jti in entries:
        assert await sim.worker.store.find(jti) is not None


async def test_a_bug_is_told_as_nothing_and_logged(sim, log, monkeypatch):
    def broken(*_args):
        raise ZeroDivisionError("the secret cause")

    monkeypatch.setattr(sim.worker.signing_keys, "sign", broken)
    response = await sim.caller().ask(REFUND)
    assert refused(response, "server_error", 500) == "a fault of ours"
    assert any(line["event"] == "bug" for line in log)
    (entry,) = await sim.recorded()
    assert entry.request_id == response.headers["x-request-id"]
    assert (entry.kind, entry.body["client"]) == (EntryKind.REQUEST_REFUSED, "support-bot")
    assert entry.body["operations"] == [REFUND]
    assert entry.body["error"] == {
        "error": "server_error",
        "description": "a fault of ours",
        "detail": "ZeroDivisionError",
    }
    assert "secret cause" not in str(entry.body)


async def test_a_bug_in_what_is_recorded_leaves_that_there_was_a_call(sim, monkeypatch):
    def broken(*_args):
        raise ZeroDivisionError

    monkeypatch.setattr("fleeting.core.recording.operations_json", broken)
    refused(await sim.caller().ask(REFUND), "server_error", 500)
    (entry,) = await sim.recorded()
    assert entry.body["error"]["error"] == "server_error"
    assert "operations" not in entry.body


async def test_a_ledger_that_hangs_holds_no_call_that_a_bug_ended(sim, log, monkeypatch):
    async def hang(_write):
        await asyncio.sleep(60)

    def broken(*_args):
        raise ZeroDivisionError

    monkeypatch.setattr(calling, "_FAULT_SECONDS", 0.01)
    monkeypatch.setattr(sim.worker.signing_keys, "sign", broken)
    with monkeypatch.context() as hung:
        hung.setattr(sim.worker.store, "commit", hang)
        response = await asyncio.wait_for(sim.caller().ask(REFUND), 5)
    refused(response, "server_error", 500)
    assert await sim.recorded() == []


async def test_bugs_that_strangers_find_fill_no_ledger(sim, monkeypatch):
    def broken(*_args, **_more):
        raise ZeroDivisionError

    monkeypatch.setattr(calling, "authenticate_client", broken)
    monkeypatch.setattr(sim.worker.use_cases.issue_token.desk.strangers, "left", 2.0)
    for _ in range(5):
        refused(await sim.caller().ask(REFUND), "server_error", 500)
    kinds = [entry.body["error"]["error"] for entry in await sim.recorded()]
    assert kinds == ["server_error"] * 2


async def test_where_the_store_fails_it_is_not_said_that_nothing_was_done(sim):
    bot = sim.caller()
    await bot.token(REFUND)
    sim.worker.store.available = False
    told = refused(await bot.post("/token", SCOPE), "temporarily_unavailable", 503)
    assert told == "it may not have been done; try again in a moment"
    sim.worker.store.available = True


async def test_what_was_written_is_kept_where_it_was_refused_before_it_was_understood(sim):
    bot = sim.caller()
    asked = {"type": "payment_refnd", "payment_id": "42"}
    response = await bot.ask(asked, scope="payments:read", request_context={"ticket": "INC-7"})
    refused(response, "invalid_authorization_details")
    (entry,) = await sim.recorded(EntryKind.REQUEST_REFUSED)
    assert entry.body["written"] == {
        "authorization_details": [asked],
        "scope": "payments:read",
        "request_context": {"ticket": "INC-7"},
    }


async def test_what_is_too_long_to_keep_is_not_kept(sim):
    bot = sim.caller()
    await bot.ask({"type": "payment_refnd", "payment_id": "4" * 3000})
    (entry,) = await sim.recorded(EntryKind.REQUEST_REFUSED)
    assert entry.body["written"] == {"authorization_details": "too long to keep"}
