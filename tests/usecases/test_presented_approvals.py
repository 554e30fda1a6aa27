"""An approval is an input of a decision: policy of the moment, and the very question, decide."""

import copy
from dataclasses import replace

import pytest

from fleeting.core.authzen import EVALUATIONS_PATH
from fleeting.core.lifecycle import Status
from fleeting.core.offers import Narrowing
from fleeting.core.operations import parse_operation
from fleeting.core.reevaluating import APPROVAL_TYP
from fleeting.core.request_deeds import Deed
from tests.people import office
from tests.simulator import POLICIES, claims_of, simulator
from tests.tasks import ALICE, LARGE, Enforcement, echo, question

SEVERAL = (
    POLICIES
    + """
@id("clerks-pay") @lifetime("4m") @uses("3") @approval("1 of payments-leads")
permit (principal in Group::"clerks", action == Action::"payout:send", resource)
when { context.operation.amount.lessThanOrEqual(decimal("999.0")) };
@id("listing") @lifetime("5m") @approval("1 of payments-leads")
permit (principal in Group::"support", action == Action::"scope:payments:list", resource);
"""
)
LIST = question(action={"name": "payments:list"}, resource={"type": "scope", "id": "all"})
PAYOUT = question(
    action={"name": "send"},
    resource={"type": "payout", "id": "x", "properties": {"account": "DE02", "amount": "50.00"}},
    subject={**ALICE, "properties": {"groups": ["clerks"], "cnf": {"jkt": "thumb"}}},
)


@pytest.fixture
async def sim(tmp_path):
    async with simulator(tmp_path, policies=SEVERAL) as running:
        yield running


@pytest.fixture
async def people(sim):
    return await office(sim)


@pytest.fixture
def pep(sim):
    return Enforcement(sim)


async def approved(pep, people, asked=None, *who, **more):
    task = await pep.ask_people(asked, **more)
    await people.approve(task["id"], *who)
    return await pep.approval(task)


def why(told):
    assert told["decision"] is False
    assert "limits" not in told["context"]
    return told["context"]["reason"], told["context"]["next_action"]


async def test_what_people_approved_is_permitted_as_often_as_they_said(pep, people):
    approval = await approved(pep, people, PAYOUT, "lena")
    for left in (2, 1, 0):
        told = await pep.decide(PAYOUT, approval)
        assert told["decision"] is True
        limits = told["context"]["limits"]
        assert (limits["uses"], limits["uses_left"], limits["bound"]) == (1, left, "dpop")
        until = told["context"]["approval"]["approved_until"]
        assert until == approval["approved_until"]
    assert why(await pep.decide(PAYOUT, approval)) == ("approval_expired", "request")
    assert (await people.record(approval["id"])).status is Status.ENDED


async def test_without_a_limit_of_uses_it_is_good_for_its_time(sim, pep, people):
    approval = await approved(pep, people, LIST, "lena")
    told = await pep.decide(LIST, approval)
    assert told["context"]["limits"] == {"lifetime": 300, "bound": "none"}
    sim.clock.wind(minutes=4, seconds=58)
    told = await pep.decide(LIST, approval)
    assert told["context"]["limits"]["lifetime"] == 2
    assert (await people.record(approval["id"])).calls == 2
    sim.clock.wind(seconds=1.5)
    assert why(await pep.decide(LIST, approval)) == ("approval_expired", "request")


async def test_no_longer_than_it_was_wanted(sim, pep, people):
    wanted = {"requested_until": "2026-01-01T12:02:00Z"}
    approval = await approved(pep, people, LIST, "lena", requested_access=wanted)
    assert approval["approved_until"] == "2026-01-01T12:02:00Z"
    sim.clock.wind(minutes=2)
    assert why(await pep.decide(LIST, approval)) == ("approval_expired", "request")


async def test_a_denial_stays_one_until_it_is_approved_and_asks_for_the_approval_itself(
    pep, people
):
    task = await pep.ask_people()
    assert (await pep.decide(question()))["decision"] is False
    guessed = {"id": task["id"], "approved_until": "2027-01-01T00:00:00Z"}
    assert why(await pep.decide(question(), guessed)) == ("approval_unverifiable", "none")
    await people.approve(task["id"])
    assert (await pep.decide(question()))["decision"] is False
    assert (await pep.decide(question(), guessed))["decision"] is True


@pytest.mark.parametrize(
    "approval", [{}, {"id": 7}, {"id": ""}, {"id": "made-up"}, {"id": "x", "state": "y"}]
)
async def test_what_leads_nowhere_helps_nothing(pep, approval):
    told = await pep.decide(question(), approval)
    assert why(told) == ("approval_unverifiable", "none")
    assert "access_request" not in told["context"]


@pytest.mark.parametrize("approval", [None, "an-id", ["an-id"], True])
async def test_what_is_no_object_is_no_approval(pep, approval):
    told = await pep.decide({**question(), "context": {"approval": approval}})
    assert told["context"]["reason"] == "approval_required"


async def test_its_state_is_ours_or_it_is_none(sim, pep, people):
    approval = await approved(pep, people, LIST, "lena")
    other = await approved(pep, people, PAYOUT, "lena")
    claims = claims_of(approval["state"])
    sign = sim.worker.signing_keys.sign
    for state in (
        other["state"],
        "nonsense",
        7,
        sign("at+jwt", claims),
        sign(APPROVAL_TYP, {**claims, "aud": "https://other.example.com"}),
        sign(APPROVAL_TYP, {**claims, "binding_hash": "other"}),
    ):
        told = await pep.decide(LIST, {**approval, "state": state})
        assert why(told) == ("approval_unverifiable", "none")
    assert (await pep.decide(LIST, approval))["decision"] is True


def bent(change):
    asked = copy.deepcopy(question(context={"purpose": "claim"}))
    change(asked)
    return asked


@pytest.mark.parametrize(
    "change",
    [
        lambda asked: asked["subject"].update(id="bob"),
        lambda asked: asked["subject"]["properties"]["groups"].append("finance"),
        lambda asked: asked["subject"].update(extra=1),
        lambda asked: asked["resource"].update(id="other"),
        lambda asked: asked["resource"]["properties"].update(amount=50_001),
        lambda asked: asked["resource"]["properties"].update(amount=49_999),
        lambda asked: asked["resource"]["properties"].update(payment_id="43"),
        lambda asked: asked["resource"]["properties"].update(undeclared=1),
        lambda asked: asked["action"].update(properties={}),
        lambda asked: asked["context"].update(purpose="other"),
        lambda asked: asked["context"].pop("purpose"),
        lambda asked: asked["context"].update(ticket="A-1"),
        lambda asked: asked["subject"]["properties"].update(cnf={"jkt": "other"}),
    ],
)
async def test_an_approval_is_for_the_very_question(pep, people, change):
    approval = await approved(pep, people, question(context={"purpose": "claim"}))
    told = await pep.decide(bent(change), approval)
    assert why(told) == ("out_of_scope", "request")
    assert told["context"]["access_request"]["binding_token"]
    again = question(context={"purpose": "claim", "time": "later"})
    assert (await pep.decide(again, approval))["decision"] is True


async def test_of_what_people_made_smaller_what_is_left_is_permitted(sim, pep, people):
    task = await pep.ask_people()
    types = sim.worker.policy.rules().installation.catalogue.types
    less = {
        **LARGE["properties"],
        "type": "payment_refund",
        "actions": ["refund"],
        "amount": 40_000,
    }
    narrowing = Narrowing(operations=(parse_operation(less, types),))
    await people.deeds.narrow(people.who("lena"), task["id"], narrowing)
    assert "400.00" in str((await pep.look(task))["task"]["display"]) or "40000" in str(
        (await pep.look(task))["task"]["display"]
    )
    await people.approve(task["id"])
    approval = await pep.approval(task)

    def asking(amount, **more):
        properties = {**LARGE["properties"], "amount": amount}
        return question(resource={**LARGE, "properties": properties, **more})

    assert why(await pep.decide(question(), approval)) == ("out_of_scope", "request")
    assert why(await pep.decide(asking(40_001), approval)) == ("out_of_scope", "request")
    assert why(await pep.decide(asking(39_000, id="other"), approval))[0] == "out_of_scope"
    other = {"type": "user", "id": "bob", "properties": {"groups": ["support"]}}
    told = await pep.decide({**asking(39_000), "subject": other}, approval)
    assert why(told) == ("out_of_scope", "request")
    assert (await pep.decide(asking(39_000), approval))["decision"] is True


async def test_what_is_taken_back_is_denied_at_once(pep, people):
    for end in (people.deeds.revoke, people.deeds.return_):
        approval = await approved(pep, people, LIST, "lena")
        assert (await pep.decide(LIST, approval))["decision"] is True
        await end(people.who("luis"), approval["id"], "over")
        assert why(await pep.decide(LIST, approval)) == ("approval_expired", "request")


async def test_an_approver_s_approvals_end_with_them(pep, people):
    approval = await approved(pep, people, LIST, "lena")
    await people.deeds.revoke_all(people.who("luis"), "approver", "lena", "left")
    assert why(await pep.decide(LIST, approval)) == ("approval_expired", "request")


async def test_what_policy_permits_by_itself_uses_nothing_up(pep, people):
    approval = await approved(pep, people)
    small = {**LARGE, "properties": {**LARGE["properties"], "amount": 5_000}}
    told = await pep.decide(question(resource=small), approval)
    assert told["decision"] is True
    assert "approval" not in told["context"]
    assert (await people.record(approval["id"])).calls == 0


async def test_what_policy_denies_no_approval_permits(pep, people):
    approval = await approved(pep, people)
    huge = {**LARGE, "properties": {**LARGE["properties"], "amount": 900_000}}
    assert why(await pep.decide(question(resource=huge), approval)) == ("out_of_scope", "none")


async def test_it_can_be_made_longer_by_who_approved_it(sim, pep, people):
    approval = await approved(pep, people, PAYOUT, "lena")
    who = people.who("sam")
    await people.know("sam")
    assert (await pep.decide(PAYOUT, approval))["decision"] is True
    longer = await people.deeds.extend(
        who, approval["id"], (await people.record(approval["id"])).offer.lifetime
    )
    await people.approve(longer.id, "lena")
    sim.clock.wind(minutes=6)
    told = await pep.decide(PAYOUT, approval)
    assert told["decision"] is True
    assert told["context"]["limits"]["uses_left"] == 4


async def test_in_one_call_an_approval_is_used_up_one_by_one(pep, people):
    approval = await approved(pep, people)
    context = {"approval": approval}
    body = {**question(), "context": context, "evaluations": [{}, {}]}
    answer = await pep.send("POST", EVALUATIONS_PATH, body)
    first, second = answer.json()["evaluations"]
    assert first["decision"] is True
    assert why(second) == ("approval_expired", "request")


async def test_the_story_of_an_approval_has_what_it_was_used_for(sim, pep, people):
    denied = await pep.decide(question())
    answer = await pep.submit({**question(), "denial": echo(denied)})
    id_ = answer.json()["task"]["id"]
    await people.approve(id_)
    told = await pep.decide(question(), await pep.approval(answer.json()["task"]))
    kinds = [it.entry.kind for it in await sim.worker.store.story(id_)]
    assert kinds == [
        "request.pending",
        "request.voted",
        "request.voted",
        "request.approved",
        "access.evaluated",
        "request.ended",
    ]
    story = await sim.worker.store.story(told["context"]["evaluation_id"])
    kept = story[-1].entry.body["approval"]
    assert (kept["id"], kept["call"]) == (id_, 1)
    assert [vote["by"] for vote in kept["votes"]] == ["lena", "luis"]
    first = await sim.worker.store.story(denied["context"]["evaluation_id"])
    assert {it.entry.kind for it in first} >= {"access.evaluated", "request.approved"}


async def test_a_lost_race_is_decided_again(sim, pep, people):
    approval = await approved(pep, people)
    store, turn = sim.worker.store, []
    read = store.record

    async def record(kind, id_):
        row = await read(kind, id_)
        if id_ == approval["id"] and not turn:
            turn.append(1)
            await people.deeds.revoke(people.who("luis"), approval["id"], "meanwhile")
        return row

    store.record = record
    try:
        told = await pep.decide(question(), approval)
    finally:
        del store.record
    assert why(told) == ("approval_expired", "request")
    kinds = [entry.kind for entry in await sim.recorded()]
    assert kinds.count("access.evaluated") == 2  # the denial, and what was answered


async def test_a_request_that_was_asked_for_a_token_approves_no_decision(sim, pep, people):
    large = {**LARGE["properties"], "type": "payment_refund", "actions": ["refund"]}
    waiting = (await sim.caller().ask(large)).json()["access_request_id"]
    await people.approve(waiting)
    assert why(await pep.decide(question(), {"id": waiting})) == ("approval_unverifiable", "none")


async def test_a_record_without_its_end_is_no_approval(sim, pep, people):
    approval = await approved(pep, people)
    record = await people.record(approval["id"])
    await people.deeds.desk.commit(Deed(replace(record, not_after=None), ()), sim.clock.now())
    assert why(await pep.decide(question(), {"id": record.id}))[0] == "approval_expired"
