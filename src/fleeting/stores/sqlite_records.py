"""SQLite: records and cut-offs, as its two threads read and write them."""

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime

from fleeting.core.evidence import instant, storable
from fleeting.core.model import TokenRecord
from fleeting.ports import Write
from fleeting.stores.record_tables import cutoff_row, record_row
from fleeting.stores.settlement import CutoffKey, RecordKey, Settlement, cutoffs_of, record_key

_REVISION = "SELECT revision FROM records WHERE kind = ? AND id = ?"
_CUT = "SELECT max(at) FROM cutoffs WHERE kind = ? AND value = ?"
_PUT = (
    "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET "
    "revision = excluded.revision, state = excluded.state, changed_at = excluded.changed_at, "
    "due_at = excluded.due_at, body = excluded.body"
)
_DELETE = "DELETE FROM records WHERE kind = ? AND id = ?"
_LAST = "SELECT coalesce(max(number), 0) FROM cutoffs"
_PUBLISH = "INSERT INTO cutoffs VALUES (?, ?, ?, ?, ?)"


def load_revisions(connection: sqlite3.Connection, writes: Sequence[Write]) -> dict[RecordKey, int]:
    """Return the revisions of the records that *writes* would change."""
    found: dict[RecordKey, int] = {}
    for kind, id_ in {record_key(change) for write in writes for change in write.changes}:
        row = connection.execute(_REVISION, (kind.value, storable(id_))).fetchone()
        if row is not None:
            found[kind, id_] = row[0]
    return found


def load_cut(
    connection: sqlite3.Connection, tokens: Iterable[TokenRecord]
) -> dict[CutoffKey, datetime]:
    """Return from when on the tokens of whom are dead, of all that *tokens* are of."""
    found: dict[CutoffKey, datetime] = {}
    for kind, value in {key for token in tokens for key in cutoffs_of(token)}:
        [at] = connection.execute(_CUT, (kind.value, storable(value))).fetchone()
        if at is not None:
            found[kind, value] = instant(at)
    return found


def save_records(connection: sqlite3.Connection, settlement: Settlement) -> None:
    """Save the records and cut-offs that a batch came to."""
    for (kind, id_), record in settlement.records.items():
        if record is None:
            connection.execute(_DELETE, (kind.value, storable(id_)))
        else:
            connection.execute(_PUT, record_row(record))
    if settlement.cutoffs:
        [last] = connection.execute(_LAST).fetchone()
        rows = [cutoff_row(last + n, each) for n, each in enumerate(settlement.cutoffs, start=1)]
        connection.executemany(_PUBLISH, rows)
