"""Access at once for a reason: recorded, alarmed, and reviewed by somebody else."""

import asyncio
import json

import httpx
import pytest

from fleeting.core.errors import NotAllowed
from fleeting.core.evidence import EntryKind
from fleeting.core.lifecycle import Status
from tests.people import office
from tests.simulator import REFUND, granted, simulator
from tests.usecases.test_collect_token import pending, refusal

POLICIES = """
@id("large-refunds")
@lifetime("5m") @uses("1") @approval("1 of payments-leads")
permit (principal in Group::"support", action == Action::"payment_refund:refund", resource);

@id("refunds-in-an-emergency")
@lifetime("60s") @uses("1") @break_glass("alarm payments-leads, review in 24h")
permit (principal in Group::"support", action == Action::"payment_refund:refund", resource)
when { context.operation.amount <= 100000 };
"""
ALARMS = """
[[alarms]]
group = "payments-leads"
url = "http://127.0.0.1:9/alarm"
[[alarms]]
group = "others"
url = "http://127.0.0.1:9/others"
"""
REASON = "the queue is stuck and customers wait"


@pytest.fixture
def posted():
    return []


@pytest.fixture
async def sim(tmp_path, posted):
    def take(request):
        posted.append((str(request.url), json.loads(request.content)))
        return httpx.Response(204)

    http = httpx.AsyncClient(transport=httpx.MockTransport(take))
    async with simulator(tmp_path, policies=POLICIES, tables=ALARMS, http=http) as running:
        yield running


@pytest.fixture
async def people(sim):
    return await office(sim)


async def test_glass_is_broken_at_once_and_a_review_is_open(sim, people, posted, log):
    response = await sim.caller().ask(REFUND, break_glass=REASON)
    claims = granted(response)
    assert claims["exp"] - claims["iat"] == 60
    id_ = response.json()["access_request_id"]
    record = await people.record(id_)
    assert (record.status, record.break_glass) == (Status.GRANTED, REASON)
    assert record.review.group == "payments-leads"
    assert record.review.closed_by is None
    kinds = [entry.kind for entry in await sim.recorded()]
    assert kinds == [EntryKind.TOKEN_ISSUED, EntryKind.REVIEW_OPENED]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    ((url, told),) = posted
    assert url == "http://127.0.0.1:9/alarm"
    assert (told["event"], told["access_request_id"], told["reason"]) == (
        "break_glass",
        id_,
        REASON,
    )
    (line,) = [line for line in log if line["event"] == "break glass"]
    assert line["log_level"] == "warning"


async def test_without_a_reason_people_must_approve(sim):
    pending(await sim.caller().ask(REFUND))


async def test_a_reason_opens_no_other_path(sim):
    pending(await sim.caller().ask({**REFUND, "amount": 100_001}, break_glass=REASON))
    response = await sim.caller("release-bot").ask(scope="deployments:read", break_glass=REASON)
    refusal(response, "access_denied")


@pytest.mark.parametrize("reason", ["short", " " * 20, "x" * 501, "a reason\nof two lines"])
async def test_a_reason_is_a_line_of_text(sim, reason):
    refusal(await sim.caller().ask(REFUND, break_glass=reason), "invalid_request")


async def test_a_plan_never_breaks_glass(sim):
    plan = json.dumps({"calls": 2, "duration": "1h"})
    response = await sim.caller().ask(REFUND, break_glass=REASON, plan=plan)
    refusal(response, "invalid_request")


async def test_the_review_is_closed_by_someone_else(sim, people):
    token = sim.user_token(sub="lena")
    response = await sim.caller().exchange(token, REFUND, break_glass=REASON)
    id_ = response.json()["access_request_id"]
    with pytest.raises(NotAllowed):
        await people.deeds.close_review(people.who("lena"), id_, "it was me, and fine")
    await people.deeds.close_review(people.who("luis"), id_, "it was right")
    assert (await people.record(id_)).review.closed_by == "luis"


async def test_an_overdue_review_is_said_to_be_so_once_a_day(sim, people, posted, log):
    id_ = (await sim.caller().ask(REFUND, break_glass=REASON)).json()["access_request_id"]
    rounds = sim.worker.asking.rounds
    sim.clock.wind(minutes=1)
    assert await rounds.go() == 1
    assert (await people.record(id_)).status is Status.ENDED
    assert await rounds.go() == 0
    sim.clock.wind(hours=24)
    assert await rounds.go() == 1
    assert await rounds.go() == 0
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [told["event"] for _, told in posted] == ["break_glass", "review_overdue"]
    sim.clock.wind(hours=24)
    assert await rounds.go() == 1
    await people.deeds.close_review(people.who("luis"), id_, "late, but right")
    sim.clock.wind(hours=24)
    assert await rounds.go() == 0
    assert len([line for line in log if line["event"] == "review overdue"]) == 2
