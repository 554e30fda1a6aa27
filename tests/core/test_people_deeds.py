from datetime import UTC, datetime

from fleeting.core.errors import AccessDenied
from fleeting.core.evidence import EntryKind, canonical_body
from fleeting.core.people import ConsoleAction, Person
from fleeting.core.people_deeds import (
    PersonDeed,
    SignInMethod,
    action_refused_entry,
    person_entry,
    sign_in_refused_entry,
    signed_in_entry,
    signed_out_entry,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ALICE = Person("alice", "Alice", frozenset({"b", "a"}))


def test_every_entry_is_json_and_says_who():
    refusal = AccessDenied("no", detail="why")
    entries = [
        person_entry(PersonDeed.ADDED, ALICE, "root@host", NOW, label="laptop"),
        signed_in_entry(ALICE, SignInMethod.PASSKEY, "session", NOW, NOW),
        signed_out_entry("alice", "session", NOW),
        sign_in_refused_entry(refusal, SignInMethod.PROVIDER, NOW, person="alice"),
        action_refused_entry(ALICE, ConsoleAction.APPROVE, refusal, NOW, "request-1"),
    ]
    assert [entry.kind for entry in entries] == [
        EntryKind.PERSON_CHANGED,
        EntryKind.PERSON_SIGNED_IN,
        EntryKind.PERSON_SIGNED_OUT,
        EntryKind.SIGN_IN_REFUSED,
        EntryKind.ACTION_REFUSED,
    ]
    for entry in entries:
        assert entry.body["person"] == "alice"
        assert canonical_body(entry.body)
    assert entries[0].body["groups"] == ["a", "b"]
    assert entries[0].body["label"] == "laptop"
    assert entries[-1].request_id == "request-1"
