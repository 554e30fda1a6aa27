from fleeting.core.evidence import EntryKind
from tests.simulator import REFUND, refused, simulator


async def test_a_refused_caller_reads_what_would_be_allowed_and_the_ledger_keeps_it(sim):
    response = await sim.caller().ask({**REFUND, "amount": 5001})
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
    response = await sim.caller().ask({**REFUND, "amount": 5001}, client_assertion="x")
    assert response.json()["error"] != "access_denied"
    assert "would_allow" not in response.json()


async def test_it_can_be_left_out_of_every_refusal(tmp_path):
    async with simulator(tmp_path, settings="refusal_hints = false") as sim:
        response = await sim.caller().ask({**REFUND, "amount": 5001})
        refused(response, "access_denied")
        assert "would_allow" not in response.json()
