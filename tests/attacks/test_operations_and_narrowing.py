"""What is asked for: malformed operations, and every way to get more than was granted."""

import json

import pytest

from fleeting.core.operations import contains
from fleeting.usecases.guarding import read_own_token
from tests.attacks.scene import CALL
from tests.simulator import DEPLOYMENT, PAYOUT, REFUND, claims_of

DETAILS = "invalid_authorization_details"


@pytest.fixture
async def bot(sim):
    caller = sim.caller()
    await caller.ask(scope="payments:read")
    return caller


def text(operation):
    return json.dumps([operation])


MALFORMED = {
    "unknown type": text({**REFUND, "type": "payment_refunds"}),
    "type in capitals": text({**REFUND, "type": "PAYMENT_REFUND"}),
    "type with a look-alike": text({**REFUND, "type": "p\u0430yment_refund"}),
    "type of full width": text({**REFUND, "type": "\uff50ayment_refund"}),
    "type with a space": text({**REFUND, "type": "payment_refund "}),
    "type with U+0000": text({**REFUND, "type": "payment_refund\x00"}),
    "no type": text({"payment_id": "42"}),
    "type a list": text({**REFUND, "type": ["payment_refund"]}),
    "the type of scopes": text({"type": "scope", "actions": ["payments:read"]}),
    "type null": text({**REFUND, "type": None}),
    "unknown field": text({**REFUND, "amounts": 1}),
    "empty field name": text({**REFUND, "": 1}),
    "field with a look-alike": text({**REFUND, "\u0430mount": 1}),
    "extra escape": text({**REFUND, "__entity": {"type": "Group", "id": "admins"}}),
    "extra extension": text({**REFUND, "__extn": {"fn": "decimal", "arg": "1"}}),
    "missing field": text({k: v for k, v in REFUND.items() if k != "amount"}),
    "null field": text({**REFUND, "amount": None}),
    "amount as text": text({**REFUND, "amount": "5000"}),
    "amount as float": f'[{json.dumps(REFUND)[:-1]},"note":"x"}}]'.replace("5000", "5000.0"),
    "amount with exponent": f"[{json.dumps(REFUND)}]".replace("5000", "5e3"),
    "amount beyond all": f"[{json.dumps(REFUND)}]".replace("5000", "1e999"),
    "amount of many digits": f"[{json.dumps(REFUND)}]".replace("5000", "9" * 5000),
    "amount beyond 64 bits": text({**REFUND, "amount": 2**63}),
    "negative amount": text({**REFUND, "amount": -1}),
    "amount true": text({**REFUND, "amount": True}),
    "amount a list": text({**REFUND, "amount": [5000]}),
    "amount an object": text({**REFUND, "amount": {"__extn": {"fn": "decimal", "arg": "1"}}}),
    "NaN": f"[{json.dumps(REFUND)}]".replace("5000", "NaN"),
    "Infinity": f"[{json.dumps(REFUND)}]".replace("5000", "Infinity"),
    "-Infinity": f"[{json.dumps(REFUND)}]".replace("5000", "-Infinity"),
    "hexadecimal": f"[{json.dumps(REFUND)}]".replace("5000", "0x10"),
    "leading zero": f"[{json.dumps(REFUND)}]".replace("5000", "05000"),
    "plus sign": f"[{json.dumps(REFUND)}]".replace("5000", "+5000"),
    "unknown currency": text({**REFUND, "currency": "GBP"}),
    "currency in lower case": text({**REFUND, "currency": "eur"}),
    "currency of full width": text({**REFUND, "currency": "\uff25UR"}),
    "no currency": text({**REFUND, "currency": []}),
    "currency twice": text({**REFUND, "currency": ["EUR", "EUR"]}),
    "currency nested": text({**REFUND, "currency": [["EUR"]]}),
    "id as number": text({**REFUND, "payment_id": 42}),
    "id too long": text({**REFUND, "payment_id": "4" * 257}),
    "id with CRLF": text({**REFUND, "payment_id": "42\r\nX: y"}),
    "id with U+0000": text({**REFUND, "payment_id": "42\x00"}),
    "id reordered": text({**REFUND, "payment_id": "\u202e24"}),
    "id half a character": '[{"type":"payment_refund","payment_id":"\\ud800","amount":1}]',
    "note too long": text({**REFUND, "note": "n" * 2001}),
    "note an object": text({**REFUND, "note": {}}),
    "unknown action": text({**REFUND, "actions": ["refund", "pay"]}),
    "no action": text({**REFUND, "actions": []}),
    "action twice": text({**REFUND, "actions": ["refund", "refund"]}),
    "any action": text({**REFUND, "actions": ["*"]}),
    "actions as text": text({**REFUND, "actions": "refund"}),
    "actions null": text({**REFUND, "actions": None}),
    "duplicate key": '[{"type":"payment_refund","amount":1,"amount":5000}]',
    "duplicate key by escape": '[{"type":"payment_refund","amount":1,"\\u0061mount":5000}]',
    "not JSON": "[{",
    "JavaScript": "[{'type':'payment_refund'}]",
    "comment": f"[{json.dumps(REFUND)}/**/]",
    "trailing comma": f"[{json.dumps(REFUND)},]",
    "two documents": f"[{json.dumps(REFUND)}][]",
    "byte order mark": f"\ufeff[{json.dumps(REFUND)}]",
    "an object": json.dumps(REFUND),
    "empty array": "[]",
    "null": "null",
    "true": "true",
    "text": '"payment_refund"',
    "array of arrays": f"[[{json.dumps(REFUND)}]]",
    "array of null": "[null]",
    "the same twice": json.dumps([REFUND, REFUND]),
    "seventeen": json.dumps([{**REFUND, "payment_id": str(n)} for n in range(17)]),
    "thousands": json.dumps([{}] * 4000),
    "deep": "[" * 9_000 + "]" * 9_000,
    "deep in a field": text({**REFUND, "note": None}).replace("null", "[" * 20 + "]" * 20),
    "locations elsewhere": text({**REFUND, "locations": ["https://evil.example"]}),
    "locations empty": text({**REFUND, "locations": []}),
    "locations as text": text({**REFUND, "locations": "http://127.0.0.1:8401"}),
}


async def test_an_operation_that_is_not_as_declared_is_refused(scene, bot):
    """ATTACKS 26: RFC 9396 §5, at the token endpoint and in a challenge's place."""
    for name, details in MALFORMED.items():
        scene.at = name
        form = {"grant_type": "client_credentials", "authorization_details": details}
        await scene.refuses(bot.post("/token", form), DETAILS)


async def test_a_megabyte_is_not_read(scene, bot):
    """ATTACKS 26, 33."""
    form = {"grant_type": "client_credentials", "authorization_details": f"[{'1,' * 500_000}1]"}
    await scene.refuses(bot.post("/token", form), "invalid_request", 413, recorded=False)


async def test_a_spend_is_for_an_operation_of_its_token(scene, bot):
    """ATTACKS 26, 27: what a guard says it serves is held against the token, too."""
    guard, token = scene.sim.guard, await bot.token(REFUND)
    for name, details in MALFORMED.items():
        if details[:2] == "[{" and details[-2:] == "}]" and "," not in details[-3:]:
            scene.at = name
            malformed = details[1:-1]
            state = scene.state()
            response = await guard.spend(token, malformed)
            assert response.status_code == 400, response.text
            assert scene.state() == state
    for wider in (
        {**REFUND, "amount": 5001},
        {**REFUND, "payment_id": "43"},
        {**REFUND, "payment_id": "4\u0662"},
        {**REFUND, "currency": ["EUR", "USD"]},
        {"type": "scope", "actions": ["payments:read"]},
        {"type": "scope", "actions": []},
        {"type": "scope"},
        PAYOUT,
        DEPLOYMENT,
    ):
        await scene.refuses(guard.spend(token, wider), DETAILS)
    spent = await guard.spend(token, {**REFUND, "amount": 4999})
    assert spent.json() == {"active": True, "use": 1, "uses": 1}


async def test_asking_for_nothing_is_not_asking_for_everything(scene, bot):
    """ATTACKS 27: no default scope, no empty set that means all."""
    empty = {"grant_type": "client_credentials"}
    for more in ({}, {"scope": ""}, {"authorization_details": ""}, {"resource": "http://x"}):
        await scene.refuses(bot.post("/token", {**empty, **more}), "invalid_request")
    scopes = (" ", "  ", "payments:read ", "payments:read  payments:list", "*", "payments:*",
              "payments:READ", "payments:read\tpayments:list", "openid", "payment_refund:refund",
              "a" * 5000, " ".join(f"s{n}" for n in range(40)), "payments:read\x00")  # fmt: skip
    for scope in scopes:
        attack = bot.post("/token", {**empty, "scope": scope})
        await scene.refuses(attack, "invalid_scope")


async def test_nothing_is_granted_beyond_what_was_asked_and_permitted(scene, bot):
    """ATTACKS 27: partly permitted requests carry the permitted part only."""
    response = await bot.ask(REFUND, {**REFUND, "payment_id": "43", "amount": 500_001},
                             scope="payments:read payments:list")  # fmt: skip
    claims = claims_of(response.json()["access_token"])
    assert claims["authorization_details"] == [REFUND]
    assert (claims["scope"], claims["uses"]) == ("payments:read", 1)
    assert claims["exp"] - claims["iat"] == 60
    told = json.dumps(response.json()["refused"])
    assert "payments:list" in told and "43" not in told  # noqa: PT018 -- one answer
    for asked, reason in (
        ({**REFUND, "currency": "USD"}, "refunds in USD are for treasury"),
        ({**REFUND, "currency": ["EUR", "USD"]}, "refunds in USD are for treasury"),
        ({**REFUND, "amount": 500_001}, "no policy permits"),
        ({**PAYOUT, "amount": "1000.01"}, "no policy permits"),
    ):
        assert reason in await scene.refuses(bot.ask(asked), "access_denied")
    for foreign in ("release-bot",):
        other = scene.sim.caller(foreign)
        await other.ask(scope="deployments:read")
        await scene.refuses(other.ask(REFUND), "access_denied")
    await scene.refuses(bot.ask(DEPLOYMENT), "access_denied")


async def test_numbers_are_compared_as_numbers(sim):
    """ATTACKS 27: "5000.0" is not "5000.00" as text, and neither is more than the other."""
    bot, guard = sim.caller(), sim.guard
    token = await bot.token({**PAYOUT, "amount": "50.0"})
    for amount, status in (("50.0001", 400), ("50.000", 200), ("-0.0", 200), ("500", 400),
                           ("5E1", 400), ("\u0665", 400), ("050", 400)):  # fmt: skip
        response = await guard.spend(token, {**PAYOUT, "amount": amount})
        assert response.status_code == status, amount
    types = sim.installation.load().types
    installation = sim.worker.policy.rules().installation
    operations = read_own_token(installation, sim.worker.signing_keys, token).operations
    assert contains(operations[0], operations[0], types["payout"])


async def test_a_sensitive_type_is_never_unbound_or_unlimited(scene):
    """ATTACKS 27: not even for a client that is declared bearer."""
    legacy = scene.sim.caller("legacy")
    await scene.refuses(legacy.ask(PAYOUT), "invalid_dpop_proof")
    mixed = await legacy.ask(PAYOUT, scope="payments:read")
    claims = claims_of(mixed.json()["access_token"])
    assert "authorization_details" not in claims
    assert claims["scope"] == "payments:read"


CALLS = (
    {"json": {**CALL, "amount": 5001}},
    {"json": {**CALL, "currency": "USD"}},
    {"json": {**CALL, "currency": ["EUR", "USD"]}},
    {"where": "/payments/43/refunds"},
)
UNREADABLE = (
    {"json": {**CALL, "amount": "5000"}},
    {"json": {**CALL, "amount": 5000.0}},
    {"json": {"amount": 5000}},
    {"json": [CALL]},
    {"content": b'{"amount":1,"amount":9000,"currency":"EUR"}'},
    {"content": b'{"amount":1,"\\u0061mount":9000,"currency":"EUR"}'},
    {"content": json.dumps(CALL).encode("utf-16")},
    {"content": b"amount=1"},
    {"content": b""},
    {"content": b"[" * 50_000},
)


async def test_a_call_beyond_its_token_is_not_served_and_spends_nothing(scene, api, bot):
    """ATTACKS 27: every parameter of the call, also where two readers could differ."""
    token = await bot.token(REFUND)
    state = scene.state()
    for call in CALLS:
        where = call.get("where")
        proof = {"uri": f"http://127.0.0.1:8401{where}"} if where else {}
        headers = api.headers(bot, token, **proof)
        await api.refuses(headers, "insufficient_scope", 403, **call)
    for call in UNREADABLE:
        json_type = [("Content-Type", "application/json")]
        headers = [*api.headers(bot, token), *(json_type if "content" in call else [])]
        changes = {"json": None, **call} if "content" in call else call
        await api.refuses(headers, "invalid_request", 400, **changes)
    elsewhere = ("/payments/42//refunds", "/payments/4%2f2/refunds", "/payments/42%5crefunds",
                 "/PAYMENTS/42/refunds", "/payments/42/refunds/")  # fmt: skip
    for where in elsewhere:
        answer = await api.call(api.headers(bot, token), where=where)
        assert answer.status_code in (400, 403, 404), where
        assert api.served == []
    assert scene.state() == state
