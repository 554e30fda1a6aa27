import asyncio
from datetime import UTC, datetime
from types import MappingProxyType

import pytest

from fleeting.core.evidence import EntryKind
from fleeting.core.policy_deeds import Origin
from fleeting.policy import PolicySet, PolicySource
from fleeting.ports import StoreUnavailableError
from fleeting.stores.memory import MemoryStore
from fleeting.usecases.change_policy import ChangePolicy, PolicyChangeError

WHO = Origin("alice@here", "test", 1, "/somewhere")
PLACE = "here:/etc/policies"


class Still:
    def now(self):
        return datetime(2026, 1, 1, tzinfo=UTC)


def a_set(name):
    return PolicySet((PolicySource("a.cedar", f"// {name}"),), MappingProxyType({}))


ONE, TWO, THREE = map(a_set, ("one", "two", "three"))


@pytest.fixture
def store():
    return MemoryStore(clock=Still())


@pytest.fixture
def deeds(store):
    return ChangePolicy(store, Still())


async def recorded(store):
    return [(it.entry.kind, it.entry.body["digest"]) async for it in store.entries()]


async def in_force(store):
    state = await store.policy_state()
    return state.live, state.candidate


async def test_a_set_is_loaded_kept_and_recorded_in_one(store, deeds):
    change = await deeds.load(ONE, WHO)
    assert change.happened
    assert await in_force(store) == (ONE.digest, None)
    assert await store.policy_text(ONE.digest) == ONE.text
    assert await recorded(store) == [(EntryKind.POLICY_LOADED, ONE.digest)]


async def test_to_load_what_is_live_changes_and_records_nothing(store, deeds):
    await deeds.load(ONE, WHO, place=PLACE)
    before = await store.policy_state()
    for place in (None, PLACE):
        assert not (await deeds.load(ONE, WHO, place=place)).happened
    assert await store.policy_state() == before
    assert len(await recorded(store)) == 1


async def test_to_load_the_directory_that_holds_what_is_live_is_remembered(store, deeds):
    await deeds.load(ONE, WHO)
    await deeds.take_directory(TWO, WHO, PLACE)
    await deeds.load(ONE, WHO)
    change = await deeds.load(ONE, WHO, place=PLACE)
    assert not change.happened
    assert (await store.last_seen(PLACE)).digest == ONE.digest
    assert len(await recorded(store)) == 3


async def test_a_candidate_is_promoted(store, deeds):
    await deeds.load(ONE, WHO)
    await deeds.shadow(TWO.digest, WHO, TWO)
    assert await in_force(store) == (ONE.digest, TWO.digest)
    assert not (await deeds.shadow(TWO.digest, WHO)).happened
    await deeds.promote(WHO)
    assert await in_force(store) == (TWO.digest, None)
    assert [kind for kind, _ in await recorded(store)] == [
        EntryKind.POLICY_LOADED,
        EntryKind.POLICY_SHADOWED,
        EntryKind.POLICY_PROMOTED,
    ]


async def test_a_candidate_is_let_go(store, deeds):
    await deeds.load(ONE, WHO)
    await deeds.shadow(TWO.digest, WHO, TWO)
    await deeds.stop_shadowing(WHO)
    assert await in_force(store) == (ONE.digest, None)
    assert (await recorded(store))[-1] == (EntryKind.POLICY_UNSHADOWED, TWO.digest)


async def test_without_a_candidate_there_is_nothing_to_promote_or_stop(deeds):
    await deeds.load(ONE, WHO)
    for deed in (deeds.promote, deeds.stop_shadowing):
        with pytest.raises(PolicyChangeError, match="there is no candidate"):
            await deed(WHO)


async def test_what_is_live_is_no_candidate(store, deeds):
    await deeds.load(ONE, WHO)
    with pytest.raises(PolicyChangeError, match="is live"):
        await deeds.shadow(ONE.digest, WHO)
    await deeds.shadow(TWO.digest, WHO, TWO)
    await deeds.load(TWO, WHO)
    assert await in_force(store) == (TWO.digest, None)


async def test_a_candidate_stays_while_the_live_set_changes(store, deeds):
    await deeds.load(ONE, WHO)
    await deeds.shadow(TWO.digest, WHO, TWO)
    await deeds.load(THREE, WHO)
    assert await in_force(store) == (THREE.digest, TWO.digest)


async def test_a_rollback_brings_back_an_earlier_set(store, deeds):
    await deeds.load(ONE, WHO)
    await deeds.load(TWO, WHO)
    assert not (await deeds.roll_back(TWO.digest, WHO)).happened
    await deeds.roll_back(ONE.digest, WHO)
    assert await in_force(store) == (ONE.digest, None)
    assert (await recorded(store))[-1] == (EntryKind.POLICY_ROLLED_BACK, ONE.digest)


async def test_what_a_rollback_took_out_stays_out_until_its_directory_changes(store, deeds):
    await deeds.take_directory(ONE, WHO, PLACE)
    await deeds.take_directory(TWO, WHO, PLACE)
    await deeds.roll_back(ONE.digest, WHO)
    assert (await deeds.take_directory(TWO, WHO, PLACE)).live == ONE.digest
    assert (await deeds.take_directory(TWO, WHO, "a new machine")).live == ONE.digest
    assert (await deeds.take_directory(THREE, WHO, PLACE)).live == THREE.digest


async def test_an_older_directory_of_another_machine_undoes_nothing_when_it_starts(deeds):
    await deeds.take_directory(ONE, WHO, "one")
    await deeds.take_directory(ONE, WHO, "two")
    await deeds.take_directory(TWO, WHO, "one")
    assert (await deeds.take_directory(ONE, WHO, "two")).live == TWO.digest
    assert (await deeds.take_directory(THREE, WHO, "two")).live == THREE.digest


async def test_of_workers_that_see_one_change_one_loads_it(store, deeds):
    await deeds.take_directory(ONE, WHO, PLACE)
    states = await asyncio.gather(*(deeds.take_directory(TWO, WHO, PLACE) for _ in range(5)))
    assert {state.live for state in states} == {TWO.digest}
    assert len({state.revision for state in states}) == 1
    assert [digest for _, digest in await recorded(store)] == [ONE.digest, TWO.digest]


async def test_a_directory_that_is_wrong_is_recorded_once_and_changes_nothing(store, deeds):
    await deeds.take_directory(ONE, WHO, PLACE)
    for _ in range(3):
        await deeds.refuse_directory("unread:1", None, "bad", WHO, PLACE)
    assert await in_force(store) == (ONE.digest, None)
    assert [kind for kind, _ in await recorded(store)] == [
        EntryKind.POLICY_LOADED,
        EntryKind.POLICY_REFUSED,
    ]
    assert (await deeds.take_directory(ONE, WHO, PLACE)).live == ONE.digest
    assert len(await recorded(store)) == 2


async def test_what_was_refused_is_loaded_once_it_is_right(store, deeds):
    await deeds.take_directory(ONE, WHO, PLACE)
    await deeds.refuse_directory(TWO.digest, TWO.digest, "needs a restart", WHO, PLACE)
    assert (await deeds.take_directory(TWO, WHO, PLACE)).live == TWO.digest
    assert (await deeds.take_directory(TWO, WHO, PLACE)).live == TWO.digest


async def test_a_slip_that_is_taken_back_undoes_no_promotion(store, deeds):
    await deeds.take_directory(ONE, WHO, PLACE)
    await deeds.shadow(TWO.digest, WHO, TWO)
    await deeds.promote(WHO)
    for _ in range(2):
        await deeds.refuse_directory("unread:1", None, "bad", WHO, PLACE)
        assert (await deeds.take_directory(ONE, WHO, PLACE)).live == TWO.digest
    kinds = [kind for kind, _ in await recorded(store)]
    assert kinds.count(EntryKind.POLICY_REFUSED) == 2
    assert (await deeds.take_directory(THREE, WHO, PLACE)).live == THREE.digest


class Racing(MemoryStore):
    """A store in which somebody else always comes first."""

    async def policy_state(self):
        state = await super().policy_state()
        others = ChangePolicy(self.tables_store(), Still())
        await others.load(a_set(f"other {state.revision}"), WHO)
        return state

    def tables_store(self):
        return MemoryStore(clock=Still(), tables=self.tables)


async def test_of_two_commands_at_once_one_is_told_that_it_came_late():
    deeds = ChangePolicy(Racing(clock=Still()), Still())
    with pytest.raises(PolicyChangeError, match="another change of the policies came between"):
        await deeds.load(ONE, WHO)
    assert await deeds.store.policy_text(ONE.digest) is None


async def test_a_worker_that_is_always_late_tries_again_later():
    deeds = ChangePolicy(Racing(clock=Still()), Still())
    with pytest.raises(StoreUnavailableError, match="all the time"):
        await deeds.take_directory(ONE, WHO, PLACE)
