"""The tables, the same in every database: text, 64-bit integers and bytes, nothing cleverer.

Instants are microseconds since 1970 UTC, so that no database's idea of time zones matters.
"""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, Table, Text

from fleeting.core.evidence import StoredEntry, instant, microseconds, original, storable
from fleeting.core.model import TokenRecord
from fleeting.ports import KeptPolicySet, PolicySetRecord, PolicyState, SeenDirectory

REVISION = "0004"
"""The migration that these tables are the result of."""

metadata = MetaData()

proofs = Table(
    "proofs",
    metadata,
    Column("space", Text, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("expires_at", BigInteger, nullable=False),
    Index("proofs_expiry", "expires_at"),
    sqlite_with_rowid=False,
)

tokens = Table(
    "tokens",
    metadata,
    Column("jti", Text, primary_key=True),
    Column("txn", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("uses", BigInteger),
    Column("used", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Index("tokens_expiry", "expires_at"),
    sqlite_with_rowid=False,
)

uses = Table(
    "uses",
    metadata,
    Column("jti", Text, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("number", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

chains = Table(
    "chains",
    metadata,
    Column("writer", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("at", BigInteger, nullable=False),
)

ledger = Table(
    "ledger",
    metadata,
    Column("writer", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("txn", Text),
    Column("jti", Text),
    Column("body", Text, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Index("ledger_request", "request_id"),
    Index("ledger_txn", "txn"),
    Index("ledger_jti", "jti"),
)

policy_sets = Table(
    "policy_sets",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("stored_at", BigInteger, nullable=False),
    Column("stored_by", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("body", Text, nullable=False),
)

policy_directories = Table(
    "policy_directories",
    metadata,
    Column("place", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)

policy_state = Table(
    "policy_state",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
    Column("live", Text, nullable=False),
    Column("candidate", Text),
    Column("live_since", BigInteger),
)
"""One row, whose id is 1."""

assert len(ledger.columns) == len(StoredEntry._fields)  # noqa: S101 -- one order for both


def token_row(record: TokenRecord) -> tuple[str | int | None, ...]:
    """Return *record* as the columns of ``tokens``."""
    return (
        storable(record.jti),
        storable(record.txn),
        storable(record.request_id),
        storable(record.client_id),
        storable(record.subject),
        storable(record.audience),
        microseconds(record.issued_at),
        microseconds(record.expires_at),
        record.uses,
        record.used,
        None if record.revoked_at is None else microseconds(record.revoked_at),
    )


def token_record(
    row: tuple[str, str, str, str, str, str, int, int, int | None, int, int | None],
) -> TokenRecord:
    """Return what the columns of ``tokens`` remember."""
    return TokenRecord(
        jti=original(row[0]),
        txn=original(row[1]),
        request_id=original(row[2]),
        client_id=original(row[3]),
        subject=original(row[4]),
        audience=original(row[5]),
        issued_at=instant(row[6]),
        expires_at=instant(row[7]),
        uses=row[8],
        used=row[9],
        revoked_at=None if row[10] is None else instant(row[10]),
    )


def kept_row(kept: KeptPolicySet) -> tuple[str, int, str, str, str]:
    """Return *kept* as the columns of ``policy_sets``."""
    record = kept.record
    return (
        record.digest,
        microseconds(record.stored_at),
        storable(record.by),
        storable(record.source),
        kept.text,
    )


def kept_record(digest: str, stored_at: int, by: str, source: str) -> PolicySetRecord:
    """Return what the columns of ``policy_sets`` say of a set."""
    return PolicySetRecord(digest, instant(stored_at), original(by), original(source))


def state_row(state: PolicyState) -> tuple[int, str, str | None, int | None]:
    """Return *state* as the columns of ``policy_state``, but the id."""
    since = None if state.live_since is None else microseconds(state.live_since)
    return state.revision, state.live, state.candidate, since


def policy_state_of(
    revision: int, live: str, candidate: str | None, since: int | None
) -> PolicyState:
    """Return what the columns of ``policy_state`` say."""
    return PolicyState(revision, live, candidate, None if since is None else instant(since))


def directory_row(seen: SeenDirectory) -> tuple[str, str, int]:
    """Return *seen* as the columns of ``policy_directories``."""
    return storable(seen.place), seen.digest, microseconds(seen.at)


def seen_directory(place: str, digest: str, seen_at: int) -> SeenDirectory:
    """Return what the columns of ``policy_directories`` say."""
    return SeenDirectory(original(place), digest, instant(seen_at))
