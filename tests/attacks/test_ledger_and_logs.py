"""The ledger and the log: forged, read by the wrong people, or asked for too much."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import delete, insert

from fleeting.core.evidence import (
    CHECKPOINT_TYP,
    PRUNING_TYP,
    EntryKind,
    checkpoint_body,
    extend,
)
from fleeting.core.jose import JoseError, UnverifiedJwt
from fleeting.core.ledger_verification import FindingKind, verify_ledger
from fleeting.server import logs
from fleeting.server.housekeeping import sign_checkpoint
from fleeting.stores.engines import database_engine
from fleeting.stores.pruning import new_chain, pruned_entry
from fleeting.stores.schema import chains, ledger
from tests.attacks.scene import private_values
from tests.simulator import REFUND, new_key, sign

ASK = {"grant_type": "client_credentials", "authorization_details": [REFUND]}


def verifier(sim):
    """Return what checks signatures of checkpoints, as the command line does."""

    def verify(typ, text):
        keys = sim.worker.signing_keys.everything()
        try:
            jwt = UnverifiedJwt.parse(text, max_bytes=10**6)
            return jwt.verify(keys, algs=frozenset({"ES256"}), typ=(typ,)).claims
        except JoseError:
            return None

    return verify


@pytest.fixture
async def story(sqlite_sim):
    """A ledger with tokens, uses and refusals, and a signed checkpoint over them."""
    sim = sqlite_sim
    bot = sim.caller()
    token = await bot.token(REFUND)
    await sim.guard.spend(token)
    await bot.ask({**REFUND, "currency": "USD"})
    await bot.revoke(await bot.token(REFUND))
    await sign_checkpoint(sim.worker)
    await bot.token(REFUND)
    return sim


async def findings(sim, *statements):
    """Return what verifying finds after somebody with the database was at it."""
    engine = database_engine(sim.installation.load().database, sim.installation.directory)
    with engine.begin() as connection:
        for statement in statements:
            assert connection.exec_driver_sql(statement).rowcount > 0, statement
    engine.dispose()
    verify = verifier(sim)
    found = await sim.worker.store.examine(lambda snapshot: verify_ledger(snapshot, verify=verify))
    return {finding.kind for finding in found.findings}


async def test_an_honest_ledger_is_whole(story):
    """ATTACKS 35."""
    assert await findings(story) == set()


FORGERIES = {
    "a body": ("UPDATE ledger SET body = '{}' WHERE kind = 'token.issued'", FindingKind.ALTERED),
    "a kind": (
        "UPDATE ledger SET kind = 'call.served' WHERE kind = 'request.refused'",
        FindingKind.ALTERED,
    ),
    "a name": ("UPDATE ledger SET jti = 'x' WHERE kind = 'token.spent'", FindingKind.ALTERED),
    "a time": ("UPDATE ledger SET at = at - 1 WHERE kind = 'token.spent'", FindingKind.ALTERED),
    "a refusal removed": (
        "DELETE FROM ledger WHERE kind = 'request.refused'",
        FindingKind.REMOVED,
    ),
    "the end removed": (
        "DELETE FROM ledger WHERE sequence = (SELECT max(sequence) FROM ledger)",
        FindingKind.TRUNCATED,
    ),
    "all removed": ("DELETE FROM ledger", FindingKind.TRUNCATED),
    "a signature": (
        "UPDATE ledger SET body = replace(body, 'signature', 'x') WHERE kind = 'checkpoint'",
        FindingKind.UNSIGNED,
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_whoever_writes_to_the_ledger_behind_our_back_is_found(story, name):
    """ATTACKS 35: edits, removals, truncation."""
    statement, kind = FORGERIES[name]
    assert kind in await findings(story, statement)


async def test_a_checkpoint_of_another_key_is_no_checkpoint(story):
    """ATTACKS 35: an intruder signs what they wrote themselves."""
    intruder = new_key()
    store, now = story.worker.store, story.clock.now()

    def forge(typ, claims):
        return sign(intruder, claims, typ=typ)

    body = checkpoint_body(await store.heads(), now=now, sign=forge)
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    forged = f"UPDATE ledger SET body = '{text}' WHERE kind = 'checkpoint'"
    assert FindingKind.UNSIGNED in await findings(story, forged)


async def test_a_token_slipped_into_the_database_is_found_and_cannot_be_used(story):
    """ATTACKS 35: without our signature it is nothing; without an entry it is noticed."""
    intruder = (
        "INSERT INTO tokens SELECT 'forged', txn, request_id, client_id, subject, audience, "
        "issued_at, expires_at + 86400000000, 1000, 0, NULL FROM tokens LIMIT 1"
    )
    assert FindingKind.UNRECORDED in await findings(story, intruder)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tokens SET used = 0 WHERE used = 1",
        "UPDATE tokens SET used = 0, issued_at = 0 WHERE used = 1",
        "UPDATE tokens SET used = used + 1",
        "UPDATE tokens SET uses = 1000",
        "UPDATE tokens SET uses = NULL",
        "UPDATE tokens SET revoked_at = NULL WHERE revoked_at IS NOT NULL",
        "UPDATE tokens SET revoked_at = 1 WHERE revoked_at IS NULL",
    ],
)
async def test_a_token_given_its_uses_or_its_life_back_is_found(story, statement):
    """ATTACKS 35, 1: what the store says of a token is held against what was recorded."""
    assert await findings(story, statement) == {FindingKind.ALTERED}


CRLF = 'x\r\nSet-Cookie: a=b\r\n\r\n{"event":"forged"}'
FIELDS = ("grant_type", "scope", "resource", "authorization_details", "request_context",
          "client_id", "client_assertion", "client_assertion_type", "subject_token",
          "subject_token_type", "token", "use_id", "operation", "outcome", "reason",
          "transaction_challenge", CRLF)  # fmt: skip


async def test_no_line_can_be_forged_by_any_field(scene):
    """ATTACKS 35: CRLF, terminal escapes and reordering, in each parameter of each endpoint."""
    sim = scene.sim
    bot = sim.caller()
    token = await bot.token(REFUND)
    forms = {
        "/token": ASK,
        "/transaction-authorization": {"transaction_challenge": sim.challenge()},
        "/spend": {"token": token, "use_id": "x", "operation": REFUND},
        "/introspect": {"token": token},
        "/revoke": {"token": token},
        "/report": {"token": token, "outcome": "served", "reason": "r"},
    }
    for evil in (CRLF, "\x1b[2J\x1b]0;x\x07", "\u202e\u2066", "\x00", "\ud7ff\ue000\ufffe"):
        for path, form in forms.items():
            client = bot if path in ("/token", "/transaction-authorization") else sim.guard
            for field in FIELDS:
                response = await client.post(path, {**form, field: evil})
                assert response.status_code in (200, 400, 401), (path, field)
                assert "set-cookie" not in response.headers
                assert evil not in response.text
                bot.nonce = bot.nonce or response.headers.get("dpop-nonce")
    for entry in await sim.recorded():
        said = json.dumps(dict(entry.body), ensure_ascii=True)
        assert "Set-Cookie" not in said or "\\r" in said
    context = {"purpose": CRLF}
    await scene.refuses(bot.ask(REFUND, request_context=context), "invalid_request")


def test_the_log_is_one_json_object_a_line_whatever_is_said():
    """ATTACKS 35: as the real formatter writes it."""
    for evil in (
        CRLF,
        "\u2028",
        "\x85",
        "\x1b[2J",
        "\ufffe",
        "\x00",
        b"\xff",
        10**40,
        {CRLF: CRLF},
    ):
        line = logs._json_line(None, "info", {"event": "refused", "detail": evil})
        assert "refused" in json.loads(line)["event"]
        assert not {b"\n", b"\r", b"\x1b"} & {line[at : at + 1] for at in range(len(line))}


async def test_no_secret_is_told_to_the_ledger_or_the_log(scene):
    """ATTACKS 35: through every endpoint, whether it goes well or not."""
    sim = scene.sim
    bot, guard = sim.caller(), sim.guard
    responses = [await bot.ask(REFUND), await bot.exchange(sim.user_token(), REFUND)]
    token = responses[0].json()["access_token"]
    responses += [
        await guard.introspect(token),
        await guard.spend(token),
        await guard.spend(token),
        await guard.report(token, "refused", reason="r", operation=REFUND),
        await bot.authorize(sim.challenge()),
        await bot.revoke(token),
        await bot.exchange(sim.user_token(aud="x"), REFUND),
        await bot.post("/token", ASK, authorization=["Bearer " + token]),
        await bot.post("/token", ASK, authorization=["DPoP " + token]),
        await bot.post("/token", {**ASK, "client_secret": "my-secret-0123456789"}),
        await bot.post("/nowhere", {"token": token}),
        await bot.http.get(f"{bot.issuer}/token?access_token={token}"),
    ]
    entries = "\n".join(json.dumps(dict(entry.body)) for entry in await sim.recorded())
    issued = {it.json().get("access_token", "x" * 99) for it in responses if it.content}
    for response in responses:
        scene.check_silence(private_values(response.request) | issued, entries)
    scene.check_silence(["my-secret-0123456789"], entries)


async def test_what_a_guard_reports_is_bounded_and_stored_as_data(scene):
    """ATTACKS 35, 33: a malicious resource server's word; numbers that no ledger can keep."""
    sim = scene.sim
    token = await sim.caller().token(REFUND)
    for operation in ("1e999", "-1e999", "[1e999]", "NaN", "{", "[" * 5000, '"\\ud800"',
                      '{"a":1,"a":2}', '"\\u0000"'):  # fmt: skip
        await scene.refuses(sim.guard.report(token, operation=operation), "invalid_request")
    for reason in (CRLF, "\x1b[2J", "\u202e", "x" * 501):
        await scene.refuses(sim.guard.report(token, reason=reason), "invalid_request")
    for outcome in ("", "SERVED", "served\n", "maybe"):
        await scene.refuses(sim.guard.report(token, outcome), "invalid_request")
    assert (await sim.guard.report(token, operation="9" * 4000)).status_code == 200


async def test_strangers_learn_nothing_from_the_open_documents(scene):
    """ATTACKS 37, 35: no cookies, no paths, no private key, no token."""
    sim = scene.sim
    token = await sim.caller().token(REFUND)
    sim.worker.store.available = False
    try:
        for path in ("/jwks", "/healthz", "/readyz", "/metrics",
                     "/.well-known/oauth-authorization-server"):  # fmt: skip
            answer = await sim.get(path)
            assert "set-cookie" not in answer.headers
            for secret in (token, str(sim.installation.directory), '"d"', "payments-api-secret"):
                assert secret not in answer.text
        assert (await sim.get("/readyz")).status_code == 503
    finally:
        sim.worker.store.available = True
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "TRACE"):
        answer = await sim.http.request(method, f"{sim.installation.issuer}/token")
        assert answer.status_code == 405


def unsigned(_story, entry):
    return entry


def signed_by_another(_story, entry):
    signature = sign(new_key(), dict(entry.body), typ=PRUNING_TYP)
    return replace(entry, body={**entry.body, "signature": signature})


def signed_as_a_checkpoint(story, entry):
    """Return a genuine signature over these very words, made for something else."""
    signature = story.worker.signing_keys.sign(CHECKPOINT_TYP, entry.body)
    return replace(entry, body={**entry.body, "signature": signature})


def signed_for_less(story, entry):
    signature = story.worker.signing_keys.sign(PRUNING_TYP, {**entry.body, "chains": []})
    return replace(entry, body={**entry.body, "signature": signature})


@pytest.mark.parametrize(
    "forge", [unsigned, signed_by_another, signed_as_a_checkpoint, signed_for_less]
)
async def test_a_forged_pruning_hides_nothing(story, forge):
    """ATTACKS 35: the beginning of a chain is removed, and a pruning made up for it."""
    rows = [row async for row in story.worker.store.entries()]
    last = next(row for row in rows if row.entry.kind == EntryKind.REQUEST_REFUSED)
    at = story.clock.wind(seconds=1)
    forged = forge(story, pruned_entry(at, at, {last.writer: (last.sequence, last.hash)}))
    [row] = extend(new_chain(), [forged])
    engine = database_engine(story.installation.load().database, story.installation.directory)
    with engine.begin() as connection:
        gone = (ledger.c.writer == last.writer, ledger.c.sequence <= last.sequence)
        connection.execute(delete(ledger).where(*gone))
        connection.execute(insert(ledger).values(tuple(row)))
        connection.execute(insert(chains).values((row.writer, 1, row.hash, row.at_us)))
    engine.dispose()
    found = await findings(story, "UPDATE tokens SET used = used")
    assert found & {FindingKind.UNSIGNED, FindingKind.ALTERED}
    assert FindingKind.REMOVED in found
