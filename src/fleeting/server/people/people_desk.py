"""What every way to sign in needs, and the one write in which a login becomes a session."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from fleeting.core.errors import OAuthError, SignInRefused, SlowDown
from fleeting.core.evidence import Entry
from fleeting.core.people import Person
from fleeting.core.people_deeds import SignInMethod, sign_in_refused_entry
from fleeting.core.people_text import read_sign_in, write_sign_in
from fleeting.core.signing_in import SignIn, SignInKind, digest, same_secret
from fleeting.ports import Clock, RecordChange, RecordKind, Write, unless_stale
from fleeting.server.people.sessions import NewSession, Sessions, SessionStore, new_token
from fleeting.usecases.calling import Budget, unavailable
from fleeting.usecases.people import KnownPeople

SIGN_IN_LIFE = timedelta(minutes=10)
"""How long somebody may take at the provider, or before a passkey is touched."""
_ATTEMPTS = 8
_EXPIRED = "this login took too long, or was finished already: begin it again"


@dataclass(frozen=True, slots=True)
class Begun:
    """A login that was begun. state, browser: secrets, for the address and for the cookie."""

    state: str
    browser: str
    sign_in: SignIn


@dataclass(frozen=True, slots=True)
class Login:
    """A login that came out well, about to be committed with all that it changes."""

    person: Person
    session: NewSession
    changes: tuple[RecordChange, ...] = ()
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class PeopleDesk:
    """The store of people, their sessions, and bounds on what strangers can make it grow by.

    strangers: on logins that begin. refusals: on refused ones in the ledger; of its own, so that
    nobody is kept out by whoever sends nonsense.
    """

    store: SessionStore
    sessions: Sessions
    clock: Clock
    strangers: Budget
    refusals: Budget

    @property
    def people(self) -> KnownPeople:
        """Who is known."""
        return KnownPeople(self.store)

    async def begin(self, sign_in: SignIn, browser: str = "") -> Begun:
        """Keep a login that begins now, bound to a cookie that only this browser has.

        browser: what it has already, of another login that it began; "" gives it a new one.

        Raises:
            SlowDown: too many begin at once.
        """
        if not self.strangers.allows(sign_in.started_at):
            raise SlowDown("too many people are signing in just now: try again in a moment")
        state, browser = new_token(), browser or new_token()
        kept = replace(sign_in, browser=digest(browser))
        change = RecordChange(
            RecordKind.SIGN_IN,
            digest(state),
            0,
            sign_in.kind.value,
            write_sign_in(kept),
            sign_in.started_at + SIGN_IN_LIFE,
        )
        await self.store.commit(Write(changes=(change,)))
        return Begun(state, browser, kept)

    async def take(self, kind: SignInKind, state: str, browser: str, now: datetime) -> SignIn:
        """Return the login that *state* names, once: whoever comes again comes too late.

        Raises:
            SignInRefused: there is none, it is over, or it was begun in another browser.
        """
        record = await self.store.record(RecordKind.SIGN_IN, digest(state))
        if record is None:
            raise SignInRefused(_EXPIRED)
        sign_in = read_sign_in(record.text)
        if not same_secret(browser, sign_in.browser):  # RFC 9700 §4.7: CSRF of the login
            raise SignInRefused("this login was begun in another browser: begin it in this one")
        if sign_in.kind is not kind or now >= sign_in.started_at + SIGN_IN_LIFE:
            raise SignInRefused(_EXPIRED)
        gone = RecordChange(RecordKind.SIGN_IN, record.id, record.revision)
        if (await self.store.commit(Write(changes=(gone,)))).stale:
            raise SignInRefused(_EXPIRED)
        return sign_in

    async def refused(
        self, error: OAuthError, method: SignInMethod, person: str | None = None
    ) -> None:
        """Record a refused login, as far as strangers may fill the ledger."""
        now = self.clock.now()
        if self.refusals.allows(now):
            entry = sign_in_refused_entry(error, method, now, person=person)
            await self.store.commit(Write(record=lambda _: (entry,)))

    async def complete(
        self, decide: Callable[[], Awaitable[Login]], method: SignInMethod
    ) -> NewSession:
        """Commit the login that *decide* comes to, anew where another write came between.

        Raises:
            OAuthError: what *decide* raises.
            TemporarilyUnavailable: the records do not stand still.
        """
        for _ in range(_ATTEMPTS):
            login = await decide()
            entries = (login.session.entry(login.person, method), *login.entries)
            write = Write(
                changes=(login.session.change, *login.changes), record=unless_stale(*entries)
            )
            if not (await self.store.commit(write)).stale:
                return login.session
        raise unavailable(RuntimeError("the record of a person changes all the time"))
