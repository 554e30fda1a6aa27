"""What the use cases need of the world, as protocols. The stores' contract: tests/stores."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, TypeVar

from fleeting.core.evidence import ChainedEntry, Entry, EntryKind, RecordedEntry, Sign
from fleeting.core.evidence import ChainHead as ChainHead  # noqa: PLC0414 -- part of this contract
from fleeting.core.ledger_verification import LedgerSnapshot
from fleeting.core.model import Claim as Claim  # noqa: PLC0414 -- part of this contract
from fleeting.core.model import Spend, SpendResult, TokenRecord

T = TypeVar("T")

TOKEN_GRACE = timedelta(hours=24)
"""How long an expired token is remembered, so that its holder is told *expired*, not *unknown*."""


class StoreUnavailableError(Exception):
    """The store did not make a write durable, or cannot answer: nothing may be said to be done."""


class WriteRefusedError(Exception):
    """The database refuses this write's own data; nothing of it was done, all others' was."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """A wish to end a token; at: the instant it takes effect."""

    jti: str
    at: datetime


class RecordKind(StrEnum):
    """What a record is of."""

    REQUEST = "request"
    PERSON = "person"
    PASSKEY = "passkey"
    SESSION = "session"
    SIGN_IN = "sign_in"
    """A login that is under way: state, nonce, code verifier; or a passkey's challenge."""
    ENROLMENT = "enrolment"
    DEVICE = "device"
    """A device authorization that is under way (RFC 8628)."""
    IDEMPOTENCY = "idempotency"
    """What an ``Idempotency-Key`` was answered with."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept of something that changes: one row, whose text its kind knows how to read.

    revision: 1 for the first, one more for every change. state: a word to list by.
    due_at: when somebody must look at it (an expiry); None: never.
    """

    kind: RecordKind
    id: str
    revision: int
    state: str
    changed_at: datetime
    due_at: datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class RecordChange:
    """A wish to write a record.

    seen: the revision that it is a change of, 0 where there must be none; where it is another by
    now, nothing of the write happens but its claims and its entries. text: None deletes it.
    """

    kind: RecordKind
    id: str
    seen: int
    state: str = ""
    text: str | None = None
    due_at: datetime | None = None

    @classmethod
    def deletion(cls, record: Record) -> "RecordChange":
        """Return the wish that *record*, as it was read, be there no more."""
        return cls(record.kind, record.id, record.revision)


class CutoffKind(StrEnum):
    """Whose tokens a cut-off ends."""

    TOKEN = "token"  # noqa: S105 -- a kind, not a secret
    REQUEST = "request"
    CLIENT = "client"
    SUBJECT = "subject"


@dataclass(frozen=True, slots=True)
class Cutoff:
    """A wish to end every token of *value* that was issued up to *at*.

    Committed, every spend of such a token is refused as revoked, wherever it was being issued.
    value: a jti, the id of an access request, a client_id or a subject.
    until: when no such token can live any longer, and the cut-off can be forgotten.
    """

    kind: CutoffKind
    value: str
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Published:
    """A cut-off as guards are told of it; number: in the order of commit, none is left out."""

    number: int
    cutoff: Cutoff


@dataclass(frozen=True, slots=True)
class PolicyState:
    """Which policy sets are in force, by their digests; a revision for every change of it.

    live: "" before anything was ever loaded. candidate: what is only compared, if anything is.
    live_since: when the live one came into force; None where it was recorded before that was.
    """

    revision: int = 0
    live: str = ""
    candidate: str | None = None
    live_since: datetime | None = field(default=None, compare=False)


NOTHING_LOADED = PolicyState()
"""The state before the first policy set."""


@dataclass(frozen=True, slots=True)
class PolicySetRecord:
    """A policy set that is kept; by: who stored it first; source: where it came from."""

    digest: str
    stored_at: datetime
    by: str
    source: str


@dataclass(frozen=True, slots=True)
class KeptPolicySet:
    """A policy set and its one text, which is ASCII without U+0000."""

    record: PolicySetRecord
    text: str


@dataclass(frozen=True, slots=True)
class SeenDirectory:
    """What a directory of policies held when it was last looked at; place: on which machine.

    digest: of the set that was taken from it, with what was refused since, if anything was.
    """

    place: str
    digest: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PolicyMove:
    """A wish to change which policy sets are in force.

    seen: the revision that it is a change of; where it is another by now, nothing happens.
    """

    seen: int
    live: str
    candidate: str | None = None
    keep: KeptPolicySet | None = None
    directory: SeenDirectory | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a write.

    replayed: the first claim that was taken before; then token, spend, revoke and move did not
    happen. spend: the answer to the write's spend. revoked: the write's revocation ended a live
    token. moved: the write's move took effect. stale: a record was changed by another since it was
    read; then nothing else happened, either.
    """

    replayed: Claim | None = None
    spend: SpendResult | None = None
    revoked: bool = False
    moved: bool = False
    stale: bool = False


def _nothing(_outcome: Outcome) -> Sequence[Entry]:
    return ()


def unless_stale(*entries: Entry) -> Callable[[Outcome], Sequence[Entry]]:
    """Return what records *entries* where the write happened, and nothing where it did not."""
    return lambda outcome: () if outcome.stale else entries


@dataclass(frozen=True, slots=True)
class Write:
    """All that one request wants recorded, in one transaction.

    claims stick even where one of them was taken: a proof once seen is used up; those that are
    ``only_with_success`` do not.
    record: called inside the transaction, once per attempt and free of effects, with what became
    of the rest; the entries it returns are appended to the ledger whatever the outcome.
    changes: all of them take effect, or nothing of the write does (``Outcome.stale``).
    """

    claims: tuple[Claim, ...] = ()
    token: TokenRecord | None = None
    spend: Spend | None = None
    revoke: Revocation | None = None
    record: Callable[[Outcome], Sequence[Entry]] = _nothing
    move: PolicyMove | None = None
    changes: tuple[RecordChange, ...] = ()
    cutoffs: tuple[Cutoff, ...] = ()


class Ledger(Protocol):
    """The only door to writes."""

    async def commit(self, write: Write) -> Outcome:
        """Make *write* durable, together with its neighbours', and say what became of it.

        Cancelled while it waits, the write may or may not happen; its neighbours' do.

        Raises:
            StoreUnavailableError: nothing may be told to the caller as done.
            WriteRefusedError: the database refuses this write's data (a ``jti`` given twice).
            Exception: whatever ``write.record`` raised; nothing of the write happened.
        """
        ...


class Tokens(Protocol):
    """Reads of issued tokens."""

    async def find(self, jti: str) -> TokenRecord | None:
        """Return what is remembered of the token, or None; a cut-off shows as ``revoked_at``.

        Raises:
            StoreUnavailableError: the store cannot answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, unread; passed of total: how far the reading has come."""

    rows: Sequence[RecordedEntry]
    passed: int
    total: int


class Evidence(Protocol):
    """Reads of the ledger, off the hot path."""

    async def story(self, id_: str) -> Sequence[ChainedEntry]:
        """Return every entry of the access request that *id_* (request id, txn, jti) names.

        Oldest first. Entries of no request are found by their own txn or jti.

        Raises:
            StoreUnavailableError: the store cannot answer, here and below.
            ValueError: an entry was altered beyond reading; ``examine`` says which.
        """
        ...

    def entries(self, *, since: datetime | None = None) -> AsyncIterator[ChainedEntry]:
        """Yield entries as stored, chain by chain, each chain in its order."""
        ...

    def pages(
        self,
        kinds: Collection[EntryKind],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> AsyncIterator[Page]:
        """Yield the entries of *kinds*, unread, many at a time: for who sifts millions.

        From *since* on and before *until*, chain by chain, each in its order. Between two pages
        nothing is held: no writer waits, nor does what keeps the database small.
        """
        ...

    async def newest(self, after: dict[str, int], limit: int) -> Sequence[ChainedEntry]:
        """Return up to *limit* entries, oldest first, beyond *after* (writer → sequence).

        With an empty *after* they are the newest of all; otherwise the first ones beyond it, so
        that who follows the ledger misses none. A chain that *after* does not name counts whole.
        """
        ...

    async def heads(self) -> Sequence[ChainHead]:
        """Return where every chain stands according to the store's own book-keeping."""
        ...

    async def examine(self, reader: Callable[[LedgerSnapshot], T]) -> T:
        """Return what *reader* makes of the whole ledger at one instant, streamed to its thread.

        ``await store.examine(verify_ledger)`` verifies it.
        """
        ...


class PolicySets(Protocol):
    """Reads of the policy sets that were ever loaded, and of which are in force.

    What is read is the database's word: who uses a set checks that its text has its digest.
    """

    async def policy_state(self) -> PolicyState:
        """Return which sets are in force; cheap, to be asked several times a second.

        Raises:
            StoreUnavailableError: the store cannot answer, here and below.
        """
        ...

    async def policy_text(self, digest: str) -> str | None:
        """Return the text that is kept for *digest*, or None."""
        ...

    async def policy_records(self) -> Sequence[PolicySetRecord]:
        """Return every set that is kept, newest first."""
        ...

    async def last_seen(self, place: str) -> SeenDirectory | None:
        """Return what the directory at *place* held when it was last looked at.

        Where it never was, what the directory held that was looked at last; None: there is none.
        """
        ...


class Records(Protocol):
    """Reads of what changes: access requests, people, sessions."""

    async def record(self, kind: RecordKind, id_: str) -> Record | None:
        """Return the record, or None.

        Raises:
            StoreUnavailableError: the store cannot answer, here and below.
        """
        ...

    async def records(
        self, kind: RecordKind, *, states: Collection[str] = (), limit: int = 1000
    ) -> Sequence[Record]:
        """Return up to *limit* records in one of *states* (none: any), the latest changed first."""
        ...

    async def records_changed(
        self, kind: RecordKind, since: datetime, limit: int = 1000
    ) -> Sequence[Record]:
        """Return up to *limit* records changed at *since* or later, the first changed first.

        What another process committed may appear up to five seconds after its ``changed_at``: who
        follows begins that much earlier each time, and knows what was seen by its revision.
        """
        ...

    async def records_due(
        self, kind: RecordKind, states: Collection[str], at: datetime, limit: int = 1000
    ) -> Sequence[Record]:
        """Return up to *limit* records in one of *states* that were due by *at*, earliest first."""
        ...

    async def published(self, after: int, limit: int = 1000) -> Sequence[Published]:
        """Return up to *limit* cut-offs and revocations beyond number *after*, in their order."""
        ...


class Store(Ledger, Tokens, Evidence, PolicySets, Records, Protocol):
    """All of a store, and its life."""

    async def open(self) -> None:
        """Connect and check the schema; with SQLite, bring it up to date.

        Raises:
            StoreUnavailableError: it cannot be reached, or its schema is not this version's.
        """
        ...

    async def close(self) -> None:
        """Finish what was begun, then let go."""
        ...

    async def ping(self) -> None:
        """Prove that a write would be possible now.

        Raises:
            StoreUnavailableError: it would not.
        """
        ...

    async def prune(
        self,
        now: datetime,
        *,
        ledger_before: datetime | None,
        limit: int,
        grace: timedelta = TOKEN_GRACE,
        sign: Sign | None = None,
    ) -> int:
        """Delete up to *limit* rows that have outlived their use, and return how many were.

        Proofs once expired; tokens and their uses when expired for longer than *grace*; ledger
        entries from before *ledger_before* (None: never), from the start of each chain, recorded
        by a ``ledger.pruned`` entry that keeps what is left verifiable, where *sign* signs it.

        Raises:
            StoreUnavailableError: nothing was deleted.
        """
        ...


class Clock(Protocol):
    """Time."""

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC."""
        ...


class Ids(Protocol):
    """Chance."""

    def new_id(self) -> str:
        """Return 128 bits or more of fresh entropy, URL-safe."""
        ...
