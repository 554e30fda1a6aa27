"""Who stands behind a request under a name that its token tells otherwise (ATTACKS 5, 28, 32)."""

import asyncio
from dataclasses import replace

import pytest

from fleeting.core.errors import InvalidRequest, NotAllowed
from fleeting.core.evidence import EntryKind
from fleeting.core.lifecycle import Status
from fleeting.core.request_deeds import MOST_SAID
from tests.people import office
from tests.simulator import simulator
from tests.usecases.test_collect_token import LARGE, asked, pending, refusal
from tests.usecases.test_manage_request import manage

IDP2 = "https://idp2.example.com"
SECOND = f"""
[[identity_providers]]
issuer = "{IDP2}"
jwks_file = "keys/release-bot.jwks.json"
audience = "fleeting"
subject_prefix = "two:"
[identity_providers.claims]
groups = "groups"
"""


@pytest.fixture
async def sim(tmp_path):
    async with simulator(tmp_path, tables=SECOND) as running:
        yield running


@pytest.fixture
async def people(sim):
    return await office(sim)


@pytest.mark.parametrize("act", [{"sub": "bob"}, {"sub": "bob", "iss": IDP2}])
async def test_an_earlier_actor_of_a_second_provider_does_not_approve(sim, people, act):
    token = sim.user_token(key=sim.keys["release-bot"], iss=IDP2, sub="carla", act=act)
    id_ = pending(await sim.caller().exchange(token, LARGE))["access_request_id"]
    await people.know("two:bob", "two:lena")
    with pytest.raises(NotAllowed, match="stand behind"):
        await people.approve(id_, "two:bob")
    await people.approve(id_, "two:lena", "lena")  # a namesake of nobody in the chain


async def test_nobody_fills_a_request_with_words(sim, people):
    caller = sim.caller()
    id_ = await asked(caller)
    for _ in range(MOST_SAID):
        assert (await manage(caller, id_, "answer", text="x" * 1000)).status_code == 200
    refusal(await manage(caller, id_, "answer", text="x"), "invalid_request")
    await people.deeds.ask(people.who("lena"), id_, "what is all that?")
    for _ in range(MOST_SAID - 1):
        await people.deeds.ask(people.who("lena"), id_, "again?")
    with pytest.raises(InvalidRequest, match="nobody reads more"):
        await people.deeds.ask(people.who("lena"), id_, "again?")
    assert (await people.approve(id_)).status is Status.APPROVED


class Between:
    """The store, with something that happens between a read and the cut."""

    def __init__(self, store, meanwhile):
        self._store, self._meanwhile = store, meanwhile

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def commit(self, write):
        if write.cutoffs and self._meanwhile is not None:
            meanwhile, self._meanwhile = self._meanwhile, None
            await meanwhile()
        return await self._store.commit(write)


async def test_what_begins_to_wait_while_its_client_is_revoked_goes_with_it(sim, people):
    caller, ids = sim.caller(), []

    async def ask():
        ids.append(await asked(caller))

    desk = people.deeds.desk
    deeds = replace(people.deeds, desk=replace(desk, store=Between(desk.store, ask)))
    moved = await deeds.revoke_all(people.who("lena"), "client", "support-bot", "stolen")
    assert moved == ids
    assert (await people.record(ids[0])).status is Status.CANCELLED


async def test_two_who_revoke_a_client_at_once_end_each_request_once(sim, people):
    id_ = await asked(sim.caller())
    both = await asyncio.gather(
        *(
            people.deeds.revoke_all(people.who(who), "client", "support-bot", "stolen")
            for who in ("lena", "luis")
        )
    )
    assert sorted(both) == [[], [id_]]


@pytest.mark.parametrize("kind", ["client", "subject", "approver"])
async def test_a_name_that_looks_like_another_is_not_said_to_be_revoked(sim, people, kind):
    """ATTACKS 35: whoever copies a name with something unseen in it is told, not reassured."""
    with pytest.raises(InvalidRequest, match="control characters"):
        await people.deeds.revoke_all(people.who("lena"), kind, "support\u202e-bot", "stolen")
    assert not await sim.recorded(EntryKind.ACCESS_REVOKED)
