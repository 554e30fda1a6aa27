import pytest

from fleeting.core.evidence import EntryKind
from tests.simulator import DEPLOYMENT, REFUND, claims_of, refused


async def test_a_call_that_was_served_is_recorded(sim):
    token = await sim.caller().token(scope="payments:read")
    response = await sim.guard.report(
        token, operation={"type": "scope", "actions": ["payments:read"]}
    )
    assert (response.status_code, response.content) == (200, b"")
    (entry,) = await sim.recorded(EntryKind.CALL_SERVED)
    assert entry.body == {
        "guard": "payments-api",
        "operation": {"type": "scope", "actions": ["payments:read"]},
    }
    assert entry.txn == claims_of(token)["txn"]


async def test_a_call_that_was_refused_is_recorded_with_its_reason(sim):
    token = await sim.caller().token(REFUND)
    await sim.guard.report(token, "refused", reason="amount 5001 is more than 5000")
    (entry,) = await sim.recorded(EntryKind.CALL_REFUSED)
    assert entry.body["reason"] == "amount 5001 is more than 5000"


@pytest.mark.parametrize(
    "fields",
    [
        {"outcome": "perhaps"},
        {"outcome": ""},
        {"reason": "x" * 501},
        {"reason": "one line\nand a forged one"},
        {"reason": "carriage\rreturn"},
        {"reason": "\x1b[2J"},
        {"reason": "\u202eesrever"},
        {"operation": "{"},
        {"operation": "[" * 20 + "]" * 20},
        {"token": "x"},
        {"token": ""},
    ],
)
async def test_a_malformed_report_is_refused_and_leaves_no_call(sim, fields):
    token = await sim.caller().token(REFUND)
    form = {"token": token, "outcome": "served", **fields}
    refused(await sim.guard.post("/report", form), "invalid_request")
    assert not await sim.recorded(EntryKind.CALL_SERVED)


async def test_a_guard_reports_about_tokens_of_its_own_resource(sim):
    token = await sim.caller("release-bot").token(DEPLOYMENT)
    refused(await sim.guard.report(token), "invalid_request")


async def test_only_guards_report(sim):
    token = await sim.caller().token(REFUND)
    refused(await sim.caller().report(token), "unauthorized_client")
