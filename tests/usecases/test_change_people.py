import pytest

from fleeting.core.evidence import EntryKind
from fleeting.core.people import Person
from fleeting.core.signing_in import LinkKind, SessionTerms
from fleeting.ports import RecordKind, Write
from fleeting.server.people.sessions import Sessions
from fleeting.stores.memory import MemoryStore
from fleeting.usecases.change_people import ChangePeople, PeopleChangeError
from fleeting.usecases.people import KnownPeople, person_change
from tests.simulator import WoundClock

ALICE = Person("alice", "Alice", frozenset({"leads"}), aliases=frozenset({"idp#alice"}))


@pytest.fixture
def deeds():
    clock = WoundClock()
    return ChangePeople(MemoryStore(clock=clock), clock, "root@host", {"support-bot"})


async def recorded(deeds):
    return [it.entry.body["deed"] async for it in deeds.store.entries()]


async def test_every_deed_is_recorded_with_who_did_it(deeds):
    await deeds.add(ALICE)
    await deeds.disable("idp#alice")
    await deeds.enable("alice")
    await deeds.regroup("alice", add=["finance"], remove=["leads", "nothing"])
    await deeds.link("alice", LinkKind.ENROL, "token")
    removed = await deeds.remove("alice")
    assert removed.groups == {"finance"}
    assert await recorded(deeds) == ["added", "disabled", "enabled", "updated", "linked", "removed"]
    entries = [it.entry async for it in deeds.store.entries()]
    assert {(e.kind, e.body["by"], e.body["person"]) for e in entries} == {
        (EntryKind.PERSON_CHANGED, "root@host", "alice")
    }
    assert "token" not in str([e.body["link"] for e in entries if "link" in e.body])


@pytest.mark.parametrize(
    "person",
    [
        Person("alice", "Another"),
        Person("idp#alice", "Another"),
        Person("other", "Another", aliases=frozenset({"alice"})),
        Person("other", "Another", aliases=frozenset({"idp#alice"})),
        Person("support-bot", "Robot"),
        Person("other", "Robot", aliases=frozenset({"support-bot"})),
        Person("", "Nobody"),
        Person(" x", "Space"),
        Person("a\nb", "Line"),
        Person("a", "\u202eevil"),
        Person("a", "A", frozenset({""})),
        Person("a" * 1001, "Long"),
    ],
)
async def test_a_name_that_is_taken_or_none_adds_nobody(deeds, person):
    await deeds.add(ALICE)
    with pytest.raises(PeopleChangeError):
        await deeds.add(person)
    assert await KnownPeople(deeds.store).all() == [ALICE]
    assert await recorded(deeds) == ["added"]


async def test_nobody_is_changed_who_is_not_known(deeds):
    for deed in (deeds.disable, deeds.enable, deeds.remove):
        with pytest.raises(PeopleChangeError, match="nobody is called 'bob'"):
            await deed("bob")


async def test_a_providers_groups_are_the_providers(deeds):
    person = Person("p:bob", "Bob", issuer="https://idp.example.com")
    await deeds.store.commit(Write(changes=(person_change(person, 0),)))
    with pytest.raises(PeopleChangeError, match="come from https://idp"):
        await deeds.regroup("p:bob", add=["finance"], remove=[])


async def test_who_is_disabled_gets_no_link(deeds):
    await deeds.add(ALICE)
    await deeds.disable("alice")
    with pytest.raises(PeopleChangeError, match="enable them first"):
        await deeds.link("alice", LinkKind.SIGN_IN, "token")


async def test_only_the_digest_of_a_link_is_kept(deeds):
    await deeds.add(ALICE)
    await deeds.link("alice", LinkKind.ENROL, "the-very-token")
    (record,) = await deeds.store.records(RecordKind.ENROLMENT)
    assert "the-very-token" not in repr(record)


async def test_nothing_is_left_of_who_is_removed(deeds):
    await deeds.add(ALICE)
    session = Sessions(deeds.store, SessionTerms(), list).begin(ALICE, deeds.clock.now())
    await deeds.store.commit(Write(changes=(session.change,)))
    await deeds.remove("alice")
    for kind in (RecordKind.PERSON, RecordKind.SESSION, RecordKind.PASSKEY):
        assert await deeds.store.records(kind) == []
    await deeds.add(ALICE)  # and all names are free again
