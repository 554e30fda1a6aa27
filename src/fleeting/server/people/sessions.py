"""Sessions: random tokens whose digests are kept; they end by age, by idling, and by sign-out."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from fleeting.core.errors import InvalidDpopProof, InvalidToken
from fleeting.core.evidence import Entry
from fleeting.core.model import SenderConstraint
from fleeting.core.people import Person, SignedIn
from fleeting.core.people_deeds import (
    PersonDeed,
    SignInMethod,
    person_entry,
    signed_in_entry,
    signed_out_entry,
)
from fleeting.core.people_text import read_session, write_session
from fleeting.core.sender import Nonces, ProofContext, verify_proof
from fleeting.core.signing_in import Session, SessionTerms, csrf_token, digest, is_csrf_token, whose
from fleeting.core.validation import presented_token
from fleeting.ports import (
    Ledger,
    Record,
    RecordChange,
    RecordKind,
    Records,
    Write,
    unless_stale,
)
from fleeting.usecases.people import KnownPeople

SPACE = "session-proof"
"""Whose proof ids these are, in the store of claims."""
_MOST_SESSIONS = 10_000


class SessionStore(Ledger, Records, Protocol):
    """What sessions need of a store."""


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session about to be kept; token: for its holder alone. change: to be committed."""

    token: str
    id: str
    session: Session
    change: RecordChange

    def entry(self, person: Person, method: SignInMethod) -> Entry:
        """Return the ledger's entry for this login."""
        session = self.session
        return signed_in_entry(person, method, self.id, session.signed_in_at, session.started_at)


@dataclass(frozen=True, slots=True)
class SessionCall:
    """A call of the command line, as far as its session cares. Nothing of it is verified.

    uri: the endpoint as we know ourselves.
    """

    method: str
    uri: str
    authorization: tuple[str, ...]
    proofs: tuple[str, ...]


def new_token() -> str:
    """Return 256 bits of fresh entropy, URL-safe."""
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class Sessions:
    """All sessions of the installation; an id names one, and is good for nothing else."""

    store: SessionStore
    terms: SessionTerms
    nonces: Callable[[], Nonces]

    def begin(
        self,
        person: Person,
        now: datetime,
        *,
        signed_in_at: datetime | None = None,
        acr: str | None = None,
        jkt: str | None = None,
    ) -> NewSession:
        """Return a new session of *person*, under a token that nobody ever saw (no fixation)."""
        token = new_token()
        session = Session(person.id, min(signed_in_at or now, now), now, now, acr, jkt)
        return NewSession(token, digest(token), session, self._change(digest(token), session, 0))

    async def signed_in(self, token: str, now: datetime) -> SignedIn | None:
        """Return who holds the browser's session *token*; None where it is over, or never was.

        A session that is bound to a key is good for ``proven`` alone.

        Raises:
            StoreUnavailableError: the store cannot answer.
        """
        return await self._signed_in(token, now, jkt=None)

    async def proven(self, call: SessionCall, now: datetime) -> SignedIn:
        """Return who calls with ``Authorization: DPoP`` and a proof of the session's key.

        The proof's id is claimed here: a proof is good once (RFC 9449 §11.1).

        Raises:
            InvalidToken: no such session, or it is over. StoreUnavailableError: likewise.
            InvalidDpopProof, UseDpopNonce: see ``core.sender``.
        """
        presented = presented_token([*call.authorization])
        if presented is None or presented.scheme is not SenderConstraint.DPOP:
            raise InvalidToken("sign in with 'fleeting login', and send the session with DPoP")
        context = ProofContext(
            call.method, call.uri, self.nonces(), now, SPACE, access_token=presented.text
        )
        proof = verify_proof(call.proofs, context)
        found = await self._signed_in(presented.text, now, jkt=proof.key.thumbprint)
        if found is None:
            raise InvalidToken("the session is over: sign in again with 'fleeting login'")
        outcome = await self.store.commit(Write(claims=(proof.claim,)))
        if outcome.replayed is not None:
            raise InvalidDpopProof("the DPoP proof was used before: make a new one each time")
        return found

    async def _signed_in(self, token: str, now: datetime, *, jkt: str | None) -> SignedIn | None:
        record = await self.store.record(RecordKind.SESSION, digest(token))
        if record is None:
            return None
        session = read_session(record.text)
        if session.jkt != jkt or now >= session.ends_at(self.terms):
            return None
        person = await KnownPeople(self.store).person(session.person)
        if person is None or person.disabled:
            return None
        await self._touch(record, session, now)
        return SignedIn(person, record.id, session.signed_in_at, session.acr)

    async def _touch(self, record: Record, session: Session, now: datetime) -> None:
        """Keep that it was used, at most once a minute; another who does so now does it for us."""
        if now - session.used_at >= self.terms.touched_every:
            used = replace(session, used_at=now)
            await self.store.commit(
                Write(changes=(self._change(record.id, used, record.revision),))
            )

    async def sign_out(self, token: str, now: datetime) -> bool:
        """End the session of *token*; return whether there was one."""
        return await self.end(digest(token), now)

    async def end(self, id_: str, now: datetime) -> bool:
        """End the session that *id_* names; return whether there was one."""
        record = await self.store.record(RecordKind.SESSION, id_)
        if record is None:
            return False
        entry = signed_out_entry(read_session(record.text).person, id_, now)
        while record is not None:  # one that is being touched is ended all the same
            outcome = await self.store.commit(
                Write(changes=(RecordChange.deletion(record),), record=unless_stale(entry))
            )
            if not outcome.stale:
                return True
            record = await self.store.record(RecordKind.SESSION, id_)
        return False

    async def end_all(self, person: Person, by: str, now: datetime) -> int:
        """End every session of *person*; return how many there were."""
        ended = 0
        for record in await self.of(person):
            outcome = await self.store.commit(Write(changes=(RecordChange.deletion(record),)))
            ended += not outcome.stale
        if ended:
            entry = person_entry(PersonDeed.SESSIONS_ENDED, person, by, now, sessions=ended)
            await self.store.commit(Write(record=lambda _: (entry,)))
        return ended

    async def of(self, person: Person) -> Sequence[Record]:
        """Return the records of the sessions of *person*."""
        return await self.store.records(
            RecordKind.SESSION, states=(whose(person.id),), limit=_MOST_SESSIONS
        )

    def csrf_token(self, token: str) -> str:
        """Return what the forms of the session *token* carry."""
        return csrf_token(token)

    def is_csrf_token(self, sent: str, token: str) -> bool:
        """Return whether a form that carries *sent* is the session's own."""
        return is_csrf_token(sent, token)

    def _change(self, id_: str, session: Session, seen: int) -> RecordChange:
        return RecordChange(
            RecordKind.SESSION,
            id_,
            seen,
            state=whose(session.person),
            text=write_session(session),
            due_at=session.ends_at(self.terms) + timedelta(seconds=1),
        )
