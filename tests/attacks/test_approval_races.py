"""Collecting against every end, in two workers on one database of each kind (ATTACKS 1, 28)."""

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import pytest

from fleeting.core.durations import parse_duration
from fleeting.core.errors import OAuthError
from fleeting.core.evidence import EntryKind
from fleeting.core.lifecycle import Status
from fleeting.core.offers import Narrowing
from tests.attacks.test_single_use_and_races import PostgresServer
from tests.people import office
from tests.simulator import (
    POLICIES,
    REFUND,
    Installation,
    WoundClock,
    claims_of,
    new_key,
    start,
)
from tests.usecases.test_collect_token import LARGE, asked, pending
from tests.usecases.test_manage_request import manage

PLANS = POLICIES.replace(
    '@lifetime("5m") @uses("1") @approval',
    '@lifetime("5m") @uses("1") @plan("20 in 4h") @approval',
)
OVER = {Status.CANCELLED, Status.RETURNED, Status.REVOKED, Status.EXPIRED, Status.ENDED}


@dataclass
class Two:
    """Two workers on one database, a client with one key at both, and two approvers."""

    sims: list
    callers: list
    people: object

    @property
    def sim(self):
        return self.sims[0]

    async def approved(self, **fields):
        id_ = pending(await self.callers[0].ask(LARGE, **fields))["access_request_id"]
        await self.people.approve(id_)
        return id_

    async def collect(self, id_, times):
        """Return the tokens that came of *times* attempts, and the other answers."""
        asking = [self.callers[n % 2].ask(LARGE, access_request_id=id_) for n in range(times)]
        answers = await asyncio.gather(*asking)
        tokens = [it.json()["access_token"] for it in answers if it.status_code == 200]
        return tokens, [it.json() for it in answers if it.status_code != 200]

    async def issued(self, id_):
        entries = await self.sim.recorded(EntryKind.TOKEN_ISSUED)
        return [it for it in entries if it.request_id == id_]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def two(request, tmp_path):
    if request.param == "sqlite":
        database = "sqlite:///fleeting.db"
    else:
        database = PostgresServer(request.getfixturevalue("cluster")).url
    installation = Installation(tmp_path, database=database, policies=PLANS).write()
    clock, key = WoundClock(), new_key()
    async with AsyncExitStack() as stack:
        sims = [await start(installation, stack, clock) for _ in range(2)]
        callers = [each.caller(proof_key=key) for each in sims]
        for caller in callers:
            await caller.ask(REFUND)  # for its nonce
        yield Two(sims, callers, await office(sims[1]))


async def revoke(two, id_):
    await two.people.deeds.revoke(two.people.who("lena"), id_, "stop")


async def revoke_client(two, _id):
    await two.people.deeds.revoke_all(two.people.who("lena"), "client", "support-bot", "stolen")


async def revoke_approver(two, _id):
    await two.people.deeds.revoke_all(two.people.who("lena"), "approver", "luis", "stolen")


async def give_back(two, id_):
    await manage(two.callers[1], id_, "return")


async def cancel(two, id_):
    await manage(two.callers[1], id_, "cancel")


async def run_out(two, _id):
    two.sim.clock.wind(minutes=15)


@pytest.mark.parametrize(
    ("end", "planned"),
    [
        (revoke, True),
        (revoke_client, False),
        (revoke_approver, True),
        (give_back, True),
        (cancel, False),
        (run_out, False),
    ],
)
async def test_what_ends_while_it_is_collected_has_one_outcome_and_its_tokens_end_with_it(
    two, end, planned
):
    fields = {"plan": json.dumps({"calls": 3, "duration": "2h"})} if planned else {}
    id_ = await two.approved(**fields)

    async def ends():
        await asyncio.sleep(0.01)
        try:
            await end(two, id_)
        except OAuthError as error:
            assert error.status < 500  # noqa: PT017 -- whoever comes too late is told so

    (tokens, _), _ = await asyncio.gather(two.collect(id_, 4), ends())
    record = await two.people.record(id_)
    assert len(await two.issued(id_)) == record.calls == len(tokens)
    assert len(tokens) <= (3 if planned else 1)
    for token in tokens:
        active = (await two.sim.guard.spend(token)).json()["active"]
        assert active is (record.status is Status.GRANTED and end is not run_out)
    if record.status in OVER:
        late, _ = await two.collect(id_, 2)
        assert late == []


async def test_a_plan_gives_as_many_tokens_as_it_says_to_however_many_come_at_once(two):
    amount = 2 * LARGE["amount"]
    plan = {"calls": 5, "duration": "2h", "totals": {"payment_refund.amount": amount}}
    id_ = await two.approved(plan=json.dumps(plan))
    tokens, others = await two.collect(id_, 8)
    assert len(tokens) == 2
    record = await two.people.record(id_)
    assert (record.calls, dict(record.spent)) == (2, {"payment_refund.amount": amount})
    assert {each["access_request_id"] for each in others}.isdisjoint({id_})
    assert len({each["access_request_id"] for each in others}) == 1  # beyond it asks once more


async def test_a_plan_is_longer_and_never_larger_whatever_is_collected_meanwhile(two):
    id_ = await two.approved(plan=json.dumps({"calls": 3, "duration": "2h"}))
    first, _ = await two.collect(id_, 1)
    hour = parse_duration("1h")
    extension = await two.people.deeds.extend(two.people.who("lena"), id_, hour)
    await two.people.approve(extension.id, "lena")
    before = (await two.people.record(id_)).not_after
    (tokens, _), _ = await asyncio.gather(
        two.collect(id_, 6), two.people.approve(extension.id, "luis")
    )
    record = await two.people.record(id_)
    assert len(first) + len(tokens) == record.calls == 3
    assert record.not_after - before == hour


async def test_one_more_token_is_given_once_by_an_extension_of_one(two):
    id_ = await two.approved()
    first, _ = await two.collect(id_, 1)
    minute = parse_duration("1m")
    extension = await two.people.deeds.extend(two.people.who("lena"), id_, minute)
    (before, _), _ = await asyncio.gather(two.collect(id_, 4), two.people.approve(extension.id))
    after, _ = await two.collect(id_, 4)
    assert len(first) + len(before) + len(after) == (await two.people.record(id_)).calls == 2


async def test_of_an_offer_that_was_narrowed_no_more_is_given_whatever_is_asked(two):
    id_ = await asked(two.callers[0], LARGE)
    record = await two.people.record(id_)
    (operation,) = record.offer.operations
    less = replace(operation, fields={**operation.fields, "amount": 20_000})
    narrowing = Narrowing(operations=(less,), lifetime=parse_duration("30s"))
    await two.people.deeds.narrow(two.people.who("lena"), id_, narrowing)
    await two.people.approve(id_)
    tokens, _ = await two.collect(id_, 4)
    (claims,) = [claims_of(token) for token in tokens]
    assert claims["authorization_details"][0]["amount"] == 20_000
    assert claims["exp"] - claims["iat"] == 30
