"""PostgreSQL: records and cut-offs in whole batches, and the locks that keep them exact."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from fleeting.core.evidence import instant, storable
from fleeting.core.model import TokenRecord
from fleeting.ports import Write
from fleeting.stores.record_tables import cutoff_row, record_row
from fleeting.stores.settlement import CutoffKey, RecordKey, Settlement, cutoffs_of, record_key

_CUTTING = 0x_F1EE_7148
"""Our number among PostgreSQL's advisory locks for who ends tokens, or must see them ended."""

_LOCK_CUT = "SELECT pg_advisory_xact_lock($1)"
_SEE_CUT = "SELECT pg_advisory_xact_lock_shared($1)"
_LOCK_RECORDS = (
    "SELECT pg_advisory_xact_lock(key) FROM "
    "(SELECT key FROM unnest($1::bigint[]) AS keys (key) ORDER BY key) AS ordered"
)
_REVISIONS = (
    "SELECT kind, id, revision FROM records "
    "JOIN unnest($1::text[], $2::text[]) AS asked (kind, id) USING (kind, id)"
)
_CUT = (
    "SELECT kind, value, max(at) FROM cutoffs "
    "JOIN unnest($1::text[], $2::text[]) AS asked (kind, value) USING (kind, value) "
    "GROUP BY kind, value"
)
_PUT = (
    "INSERT INTO records VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (kind, id) DO UPDATE SET "
    "revision = excluded.revision, state = excluded.state, changed_at = excluded.changed_at, "
    "due_at = excluded.due_at, body = excluded.body"
)
_DELETE = "DELETE FROM records WHERE kind = $1 AND id = $2"
_LAST = "SELECT coalesce(max(number), 0) FROM cutoffs"
_PUBLISH = "INSERT INTO cutoffs VALUES ($1, $2, $3, $4, $5)"


async def lock(connection: Any, writes: Sequence[Write]) -> None:  # noqa: ANN401 -- asyncpg has no types
    """Take the batch's locks, before anything else and in one order for all.

    Who ends tokens waits for every spend under way, and every later spend waits for it: so none
    that is answered after the end was committed was decided before it. Records are locked by name,
    for those that are not there yet have no row to lock.
    """
    if any(write.cutoffs or write.revoke is not None for write in writes):
        await connection.execute(_LOCK_CUT, _CUTTING)
    elif any(write.spend is not None for write in writes):
        await connection.execute(_SEE_CUT, _CUTTING)
    keys = {_lock_of(record_key(change)) for write in writes for change in write.changes}
    if keys:
        await connection.execute(_LOCK_RECORDS, [*keys])


def _lock_of(key: RecordKey) -> int:
    digest = hashlib.sha256(f"{key[0].value}:{storable(key[1])}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


async def load_revisions(
    connection: Any,  # noqa: ANN401
    writes: Sequence[Write],
) -> dict[RecordKey, int]:
    """Return the revisions of the records that *writes* would change."""
    keys = {
        (kind.value, storable(id_)): (kind, id_)
        for kind, id_ in (record_key(change) for write in writes for change in write.changes)
    }
    if not keys:
        return {}
    rows = await connection.fetch(_REVISIONS, *_columns(keys))
    return {keys[row[0], row[1]]: row[2] for row in rows}


async def load_cut(
    connection: Any,  # noqa: ANN401
    tokens: Iterable[TokenRecord],
) -> dict[CutoffKey, datetime]:
    """Return from when on the tokens of whom are dead, of all that *tokens* are of."""
    keys = {
        (kind.value, storable(value)): (kind, value)
        for token in tokens
        for kind, value in cutoffs_of(token)
    }
    if not keys:
        return {}
    rows = await connection.fetch(_CUT, *_columns(keys))
    return {keys[row[0], row[1]]: instant(row[2]) for row in rows}


async def save_records(connection: Any, settlement: Settlement) -> None:  # noqa: ANN401
    """Save the records and cut-offs that a batch came to."""
    gone = [key for key, record in settlement.records.items() if record is None]
    kept = [record for record in settlement.records.values() if record is not None]
    if gone:
        rows = [(kind.value, storable(id_)) for kind, id_ in gone]
        await connection.executemany(_DELETE, rows)
    if kept:
        await connection.executemany(_PUT, [record_row(record) for record in kept])
    if settlement.cutoffs:
        last = await connection.fetchval(_LAST)
        numbered = enumerate(settlement.cutoffs, start=last + 1)
        await connection.executemany(_PUBLISH, [cutoff_row(n, each) for n, each in numbered])


def _columns(keys: Collection[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [key[0] for key in keys], [key[1] for key in keys]
