"""One-time links: to make a passkey, or to sign in once; looking at one does not use it up."""

from dataclasses import dataclass, replace
from datetime import datetime

from fleeting.core.errors import SignInRefused
from fleeting.core.people import Person
from fleeting.core.people_deeds import SignInMethod
from fleeting.core.people_text import read_enrolment
from fleeting.core.signing_in import Enrolment, LinkKind, digest
from fleeting.ports import RecordChange, RecordKind
from fleeting.server.people.people_desk import Login, PeopleDesk
from fleeting.server.people.sessions import NewSession
from fleeting.usecases.people import KeptPerson

_GONE = "this link was used, or is older than 15 minutes: ask for a new one"


@dataclass(frozen=True, slots=True)
class OpenLink:
    """A link that is still good, whose it is, and what uses it up."""

    enrolment: Enrolment
    kept: KeptPerson
    used_up: RecordChange

    @property
    def person(self) -> Person:
        """Whose it is."""
        return self.kept.person


@dataclass(frozen=True, slots=True)
class Links:
    """The links that were handed out."""

    desk: PeopleDesk

    async def look(self, token: str, now: datetime) -> OpenLink:
        """Return what the link *token* is good for; it stays good (ATTACKS 38: mail scanners).

        Raises:
            SignInRefused: there is none, it is over, or its person is disabled.
        """
        record = await self.desk.store.record(RecordKind.ENROLMENT, digest(token))
        enrolment = None if record is None else read_enrolment(record.text)
        if record is None or enrolment is None or now >= enrolment.expires_at:
            raise SignInRefused(_GONE)
        kept = await self.desk.people.kept(enrolment.person)
        if kept is None or kept.person.disabled:
            raise SignInRefused("whom this link is for is not, or no longer, allowed in")
        used_up = RecordChange(RecordKind.ENROLMENT, record.id, record.revision)
        return OpenLink(enrolment, kept, used_up)

    async def open(self, token: str, kind: LinkKind, now: datetime) -> OpenLink:
        """Return the link if it is of *kind*.

        Raises:
            SignInRefused: it is not; or see ``look``.
        """
        link = await self.look(token, now)
        if link.enrolment.kind is not kind:
            raise SignInRefused("this link is good for something else")
        return link

    async def sign_in(self, token: str) -> NewSession:
        """Return a session of the person whom a sign-in link is for; the link is used up.

        Raises:
            SignInRefused: it is not good; recorded.
        """
        now = self.desk.clock.now()

        async def login() -> Login:
            link = await self.open(token, LinkKind.SIGN_IN, now)
            person = replace(link.person, signed_in_at=now)
            session = self.desk.sessions.begin(person, now)
            return Login(person, session, (link.used_up, link.kept.change(person)))

        try:
            return await self.desk.complete(login, SignInMethod.LINK)
        except SignInRefused as error:
            await self.desk.refused(error, SignInMethod.LINK)
            raise


def passkey_trouble(host: str) -> str | None:
    """Say why browsers would make no passkeys for *host*, if they would not (WebAuthn §5.1.2)."""
    if ":" in host or host.replace(".", "").isdecimal():
        return f"browsers make passkeys for host names only, and {host} is an address"
    return None
