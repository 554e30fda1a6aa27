import pytest

from fleeting.core.evidence import EntryKind
from fleeting.policy.refusals import Refusals
from tests.simulator import REFUND, refused, simulator


async def test_a_refused_caller_reads_what_would_be_allowed_and_the_ledger_keeps_it(sim):
    response = await sim.caller().ask({**REFUND, "amount": 500_001})
    refused(response, "access_denied")
    told = response.json()["would_allow"]
    about = {"type": "payment_refund", "action": "refund", "operation": 0}
    assert {**about, "fields": {"amount": 5000}} in told
    (entry,) = [
        each.entry for each in await sim.ledger() if each.entry.kind is EntryKind.REQUEST_REFUSED
    ]
    assert entry.body["error"]["would_allow"] == told


async def test_a_refusal_that_nothing_would_change_says_nothing_of_it(sim):
    response = await sim.caller().ask({**REFUND, "amount": 5001, "payment_id": ""}, scope="x")
    assert "would_allow" not in response.json()


async def test_a_stranger_reads_nothing_of_it(sim):
    response = await sim.caller().ask({**REFUND, "amount": 500_001}, client_assertion="x")
    assert response.json()["error"] != "access_denied"
    assert "would_allow" not in response.json()


async def test_it_can_be_left_out_of_every_refusal(tmp_path):
    async with simulator(tmp_path, settings="refusal_hints = false") as sim:
        response = await sim.caller().ask({**REFUND, "amount": 500_001})
        refused(response, "access_denied")
        assert "would_allow" not in response.json()


PERMIT = """\
@id("p") @lifetime("60s") @uses("1")
permit (principal in Group::"support", action == Action::"payment_refund:refund", resource)
when {{ {} }};
"""


@pytest.mark.parametrize(
    "condition",
    [
        'context.now > datetime("9999-12-31T23:59:59Z")',
        'context.now > datetime("9999-12-31T23:59:59-2359")',
        'context.now < datetime("0000-01-01")',
        'context.now.toTime() > duration("106751991167d")',
        'context.now > datetime("2024-10-15").offset(duration("3000000d"))',
    ],
)
async def test_the_ends_of_time_in_a_policy_leave_a_refusal_a_refusal(tmp_path, condition):
    """A recorded one: what fails while hints are sought would be in no ledger."""
    async with simulator(tmp_path, policies=PERMIT.format(condition)) as sim:
        refused(await sim.caller().ask(REFUND), "access_denied")
        assert [each.kind for each in await sim.recorded()] == [EntryKind.REQUEST_REFUSED]


async def test_a_fault_of_the_hints_leaves_a_refusal_a_refusal(sim, log, monkeypatch):
    def faulty(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(Refusals, "would_allow", faulty)
    response = await sim.caller().ask({**REFUND, "amount": 500_001})
    refused(response, "access_denied")
    assert "would_allow" not in response.json()
    assert [each.kind for each in await sim.recorded()] == [EntryKind.REQUEST_REFUSED]
    assert [each["deed"] for each in log if each["event"] == "bug"] == ["hint"]
