from fleeting.core.people import Person
from fleeting.ports import Write
from fleeting.stores.memory import MemoryStore
from fleeting.usecases.people import KnownPeople, alias_change, person_change
from tests.simulator import WoundClock

ALICE = Person("alice", "Alice", frozenset({"leads"}), aliases=frozenset({"idp#alice"}))
BOB = Person("bob", "Bob", frozenset({"leads", "finance"}))
GONE = Person("gone", "Gone", frozenset({"leads"}), disabled=True)


async def known(*people):
    store = MemoryStore(clock=WoundClock())
    changes = [person_change(person, 0) for person in people]
    changes += [alias_change(alias, person.id) for person in people for alias in person.aliases]
    assert not (await store.commit(Write(changes=tuple(changes)))).stale
    return store, KnownPeople(store)


async def test_a_person_is_found_by_each_of_their_names():
    _, people = await known(ALICE, BOB)
    assert await people.person("alice") == ALICE
    assert await people.person("idp#alice") == ALICE
    assert await people.person("carol") is None


async def test_members_are_those_who_are_not_disabled():
    _, people = await known(BOB, GONE, ALICE)
    assert await people.members("leads") == [ALICE, BOB]
    assert await people.members("finance") == [BOB]
    assert [person.id for person in await people.all()] == ["alice", "bob", "gone"]


async def test_an_alias_is_nobodys_other_name():
    store, _ = await known(ALICE, BOB)
    outcome = await store.commit(Write(changes=(alias_change("bob", "alice"),)))
    assert outcome.stale


async def test_an_alias_that_leads_nowhere_is_nobody():
    store, people = await known()
    await store.commit(Write(changes=(alias_change("a", "b"), alias_change("b", "a"))))
    await store.commit(Write(changes=(alias_change("c", "nobody"),)))
    assert await people.person("a") is None
    assert await people.person("c") is None


async def test_a_person_is_changed_as_they_were_read():
    store, people = await known(BOB)
    kept = await people.kept("bob")
    first, second = kept.change(GONE), kept.change(BOB)
    assert first.seen == 1
    assert not (await store.commit(Write(changes=(second,)))).stale
    assert (await store.commit(Write(changes=(second,)))).stale
