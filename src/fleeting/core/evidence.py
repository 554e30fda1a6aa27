"""Ledger entries and their hash chain: what happened, and how to prove that nothing was altered."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, TypeAlias, cast

from fleeting.core.model import Json

GENESIS = bytes(32)
"""What the first entry of a chain has before it."""

CHECKPOINT_TYP = "fleeting-checkpoint+jwt"
"""The JWS ``typ`` of a checkpoint's signature."""

PRUNING_TYP = "fleeting-pruning+jwt"
"""The JWS ``typ`` of the signature of a pruning's record."""

Sign: TypeAlias = Callable[[str, Mapping[str, Json]], str]
"""Takes a JWS ``typ`` and the claims; returns the compact JWS."""

LIVE_FOR = timedelta(hours=24)
"""How long after its newest entry a chain is still named by checkpoints."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNSTORABLE = re.compile("[\\\\\0\ud800-\udfff]")
_ESCAPED = re.compile(r"\\u([0-9a-f]{4})")
# ASCII whatever the text: U+0000 and lone surrogates are storable and hashable as escapes.
_BODY = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False
)
_COLUMNS = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False)


class EntryKind(StrEnum):
    """What an entry records."""

    TOKEN_ISSUED = "token.issued"  # noqa: S105 -- a kind of entry, not a secret
    REQUEST_REFUSED = "request.refused"
    ACCESS_EVALUATED = "access.evaluated"
    TOKEN_SPENT = "token.spent"  # noqa: S105 -- likewise
    SPEND_REFUSED = "spend.refused"
    CALL_SERVED = "call.served"
    CALL_REFUSED = "call.refused"
    TOKEN_REVOKED = "token.revoked"  # noqa: S105 -- likewise
    SERVER_STARTED = "server.started"
    SERVER_STOPPED = "server.stopped"
    CHECKPOINT = "checkpoint"
    LEDGER_PRUNED = "ledger.pruned"
    REQUEST_PENDING = "request.pending"
    REQUEST_VOTED = "request.voted"
    REQUEST_NARROWED = "request.narrowed"
    REQUEST_ASKED = "request.asked"
    REQUEST_ANSWERED = "request.answered"
    REQUEST_APPROVED = "request.approved"
    REQUEST_DENIED = "request.denied"
    REQUEST_EXPIRED = "request.expired"
    REQUEST_CANCELLED = "request.cancelled"
    REQUEST_RETURNED = "request.returned"
    REQUEST_EXTENDED = "request.extended"
    REQUEST_REVOKED = "request.revoked"
    REQUEST_ENDED = "request.ended"
    REVIEW_OPENED = "review.opened"
    REVIEW_CLOSED = "review.closed"
    ACCESS_REVOKED = "access.revoked"
    PERSON_CHANGED = "person.changed"
    PERSON_SIGNED_IN = "person.signed_in"
    PERSON_SIGNED_OUT = "person.signed_out"
    SIGN_IN_REFUSED = "sign_in.refused"
    ACTION_REFUSED = "action.refused"
    POLICY_LOADED = "policy.loaded"
    POLICY_REFUSED = "policy.refused"
    POLICY_SHADOWED = "policy.shadowed"
    POLICY_UNSHADOWED = "policy.unshadowed"
    POLICY_PROMOTED = "policy.promoted"
    POLICY_ROLLED_BACK = "policy.rolled_back"
    POLICY_DIFFERED = "policy.differed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened.

    request_id: the access request whose story it belongs to, or "" where there is none.
    body: JSON of the kind's own shape; never a token, a secret or an assertion.
    """

    kind: EntryKind
    at: datetime
    request_id: str
    body: Mapping[str, Json]
    txn: str | None = None
    jti: str | None = None


@dataclass(frozen=True, slots=True)
class ChainedEntry:
    """An entry in its writer's chain.

    writer: one process's life; sequence: 1 for its first entry, no gaps.
    """

    writer: str
    sequence: int
    entry: Entry
    previous: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class ChainHead:
    """Where a chain stands: its writer's newest entry; at: when that was, None before the first."""

    writer: str
    sequence: int
    hash: bytes
    at: datetime | None = None


class RecordedEntry(NamedTuple):
    """The columns of an entry that say what happened: for who reads many and verifies no chain.

    As with ``StoredEntry``, nothing in it is to be believed.
    """

    writer: str
    sequence: int
    kind: str
    at_us: int
    request_id: str
    txn: str | None
    jti: str | None
    body: str


class StoredEntry(NamedTuple):
    """An entry as the store holds it, column by column: what the hash is taken over.

    A tuple, not a dataclass, because database drivers bind it as it is. Read back, nothing in it
    is to be believed before its chain is verified, not even the types.
    """

    writer: str
    sequence: int
    kind: str
    at_us: int
    request_id: str
    txn: str | None
    jti: str | None
    body: str
    previous: bytes
    hash: bytes

    def read(self) -> ChainedEntry:
        """Return the entry that was stored.

        This does NOT check the hash: that is ``ledger_verification``'s work.

        Raises:
            ValueError: it was altered beyond reading, or a newer version wrote it.
        """
        entry = Entry(
            kind=EntryKind(self.kind),
            at=instant(self.at_us),
            request_id=original(self.request_id),
            body=cast("dict[str, Json]", json.loads(self.body)),
            txn=None if self.txn is None else original(self.txn),
            jti=None if self.jti is None else original(self.jti),
        )
        return ChainedEntry(self.writer, self.sequence, entry, self.previous, self.hash)

    def recorded(self) -> RecordedEntry:
        """Return it without its hashes."""
        return RecordedEntry(*self[:8])


def microseconds(at: datetime) -> int:
    """Return *at* as whole microseconds since 1970 UTC: exact, whatever the time zone."""
    return (at - _EPOCH) // _MICROSECOND


def instant(since_epoch_us: int) -> datetime:
    """Return the aware UTC instant that ``microseconds`` made *since_epoch_us* from."""
    return _EPOCH + since_epoch_us * _MICROSECOND


def storable(text: str) -> str:
    r"""Return *text* with ``\uXXXX`` for U+0000, lone surrogates and ``\``, which not all store."""
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return _UNSTORABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def original(text: str) -> str:
    """Return the text that ``storable`` made *text* from."""
    if "\\" not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def canonical_body(body: Mapping[str, Json]) -> str:
    """Return *body* as the one JSON text that is stored and hashed.

    Raises:
        ValueError: a number in it is not one of JSON's (NaN, infinity).
    """
    return _BODY.encode(body)


def stored_hash(previous: bytes, columns: tuple[object, ...], body: str) -> bytes:
    """Return the hash that ties an entry to the one before it.

    It is SHA-256 of: the hash before it; the first seven columns of the entry as a JSON array
    without spaces, ASCII; the body's text.

    Raises:
        TypeError, ValueError: a column holds what no entry ever holds.
    """
    text = _COLUMNS.encode(columns) + body
    return hashlib.sha256(previous + text.encode()).digest()


def extend(
    head: ChainHead,
    entries: Iterable[Entry],
    *,
    write_body: Callable[[Mapping[str, Json]], str] = canonical_body,
) -> list[StoredEntry]:
    """Return *entries* as they are to be stored after *head*, in their order.

    write_body: makes the text of a body; any JSON of storable characters will do, for the hash is
    over the text.
    """
    rows = []
    writer, sequence, previous = head.writer, head.sequence, head.hash
    for entry in entries:
        sequence += 1
        columns = (
            writer,
            sequence,
            entry.kind.value,
            microseconds(entry.at),
            storable(entry.request_id),
            None if entry.txn is None else storable(entry.txn),
            None if entry.jti is None else storable(entry.jti),
        )
        body = write_body(entry.body)
        digest = stored_hash(previous, columns, body)
        rows.append(StoredEntry(*columns, body, previous, digest))
        previous = digest
    return rows


def head_after(row: StoredEntry) -> ChainHead:
    """Return where the chain stands once *row* is its newest entry."""
    return ChainHead(row.writer, row.sequence, row.hash, instant(row.at_us))


def checkpoint_body(
    heads: Iterable[ChainHead],
    *,
    now: datetime,
    sign: Sign | None = None,
    live_for: timedelta = LIVE_FOR,
) -> dict[str, Json]:
    """Return the body of a ``checkpoint`` entry: where every live chain stands, signed.

    A chain is live until *live_for* after its newest entry, so that the chains of processes long
    gone are named by the checkpoints of their time and do not make every later one longer.
    sign: None leaves the checkpoint unsigned.
    """
    chains: list[Json] = [
        {"writer": head.writer, "sequence": head.sequence, "hash": head.hash.hex()}
        for head in sorted(heads, key=lambda head: head.writer)
        if head.at is not None and now - head.at < live_for
    ]
    body: dict[str, Json] = {"chains": chains, "at": now.astimezone(UTC).isoformat()}
    if sign is not None:
        body["signature"] = sign(CHECKPOINT_TYP, dict(body))
    return body
