"""What the ledger keeps of people: who came, who went, and what was changed of whom."""

from datetime import datetime
from enum import StrEnum

from fleeting.core.errors import OAuthError
from fleeting.core.evidence import Entry, EntryKind
from fleeting.core.model import Json
from fleeting.core.people import ConsoleAction, Person
from fleeting.core.recording import error_json


class PersonDeed(StrEnum):
    """What was done to a person's account."""

    ADDED = "added"
    UPDATED = "updated"
    DISABLED = "disabled"
    ENABLED = "enabled"
    REMOVED = "removed"
    LINKED = "linked"
    """A one-time link was made for them."""
    PASSKEY_ADDED = "passkey_added"
    SESSIONS_ENDED = "sessions_ended"


class SignInMethod(StrEnum):
    """How a person proved who they are."""

    PROVIDER = "provider"
    PASSKEY = "passkey"
    LINK = "link"
    DEVICE = "device"


def person_json(person: Person) -> dict[str, Json]:
    """Return what the ledger keeps of a person: who they are, and what follows from it."""
    members: dict[str, Json] = {
        "person": person.id,
        "name": person.name,
        "groups": [*sorted(person.groups)],
        "aliases": [*sorted(person.aliases)],
        "issuer": person.issuer,
        "disabled": person.disabled,
    }
    return members


def person_entry(deed: PersonDeed, person: Person, by: str, at: datetime, **more: Json) -> Entry:
    """Record a change of a person; by: who made it, and with what."""
    body: dict[str, Json] = {"deed": deed.value, "by": by, **person_json(person), **more}
    return Entry(EntryKind.PERSON_CHANGED, at, "", body)


def signed_in_entry(
    person: Person, method: SignInMethod, session: str, signed_in_at: datetime, at: datetime
) -> Entry:
    """Record a login; session: what names it, which is good for nothing."""
    body: dict[str, Json] = {
        **person_json(person),
        "method": method.value,
        "session": session,
        "signed_in_at": signed_in_at.isoformat(),
    }
    return Entry(EntryKind.PERSON_SIGNED_IN, at, "", body)


def signed_out_entry(person: str, session: str, at: datetime) -> Entry:
    """Record that a person ended their session."""
    body: dict[str, Json] = {"person": person, "session": session}
    return Entry(EntryKind.PERSON_SIGNED_OUT, at, "", body)


def sign_in_refused_entry(
    error: OAuthError, method: SignInMethod, at: datetime, *, person: str | None = None
) -> Entry:
    """Record that a login was refused; person: who they said, or seemed, to be."""
    body: dict[str, Json] = {
        "method": method.value,
        "person": person,
        "error": error_json(error),
    }
    return Entry(EntryKind.SIGN_IN_REFUSED, at, "", body)


def action_refused_entry(
    person: Person, action: ConsoleAction, error: OAuthError, at: datetime, request_id: str = ""
) -> Entry:
    """Record that a person was not let do something."""
    body: dict[str, Json] = {
        "person": person.id,
        "action": action.value,
        "error": error_json(error),
    }
    return Entry(EntryKind.ACTION_REFUSED, at, request_id, body)
