"""The tables of what changes: records, and the cut-offs that guards are told of."""

from sqlalchemy import BigInteger, Column, Index, Table, Text

from fleeting.core.evidence import instant, microseconds, original, storable
from fleeting.core.lifecycle import OVER
from fleeting.ports import Cutoff, CutoffKind, Published, Record, RecordKind
from fleeting.stores.schema import metadata

records = Table(
    "records",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("due_at", BigInteger),
    Column("body", Text, nullable=False),
    Index("records_state", "kind", "state", "changed_at"),
    Index("records_changed", "kind", "changed_at"),
    Index("records_due", "kind", "due_at"),
    sqlite_with_rowid=False,
)

cutoffs = Table(
    "cutoffs",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Index("cutoffs_value", "kind", "value"),
)
"""Numbers rise in the order of commit; the newest row stays, so that none is given twice."""

PASSING = (
    RecordKind.SESSION,
    RecordKind.SIGN_IN,
    RecordKind.ENROLMENT,
    RecordKind.DEVICE,
    RecordKind.IDEMPOTENCY,
)
"""What is worth nothing once it is due."""

DONE_WITH = tuple(sorted(status.value for status in OVER))
"""The states in which an access request that is due can be forgotten."""


def record_row(record: Record) -> tuple[str, str, int, str, int, int | None, str]:
    """Return *record* as the columns of ``records``."""
    return (
        record.kind.value,
        storable(record.id),
        record.revision,
        storable(record.state),
        microseconds(record.changed_at),
        None if record.due_at is None else microseconds(record.due_at),
        record.text,
    )


def read_record(
    kind: str, id_: str, revision: int, state: str, changed_at: int, due_at: int | None, body: str
) -> Record:
    """Return what the columns of ``records`` hold."""
    return Record(
        RecordKind(kind),
        original(id_),
        revision,
        original(state),
        instant(changed_at),
        None if due_at is None else instant(due_at),
        body,
    )


def cutoff_row(number: int, cutoff: Cutoff) -> tuple[int, str, str, int, int]:
    """Return *cutoff* as the columns of ``cutoffs``."""
    at, until = microseconds(cutoff.at), microseconds(cutoff.until)
    return number, cutoff.kind.value, storable(cutoff.value), at, until


def read_published(number: int, kind: str, value: str, at: int, ends_at: int) -> Published:
    """Return what the columns of ``cutoffs`` hold."""
    return Published(
        number, Cutoff(CutoffKind(kind), original(value), instant(at), instant(ends_at))
    )
