"""Reads of records and cut-offs in any SQL database: SQLAlchemy Core, in threads (D7)."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, func, select, tuple_

from fleeting.core.evidence import microseconds, storable
from fleeting.ports import Published, Record, RecordKind
from fleeting.stores.record_tables import (
    DONE_WITH,
    PASSING,
    cutoffs,
    read_published,
    read_record,
    records,
)

_OF = records.c


def one(kind: RecordKind, id_: str) -> Select[Any]:
    """Ask for one record."""
    return select(records).where(_OF.kind == kind.value, _OF.id == storable(id_))


def latest(kind: RecordKind, states: Collection[str], limit: int) -> Select[Any]:
    """Ask for the latest changed."""
    query = select(records).where(_OF.kind == kind.value)
    if states:
        query = query.where(_OF.state.in_(map(storable, states)))
    return query.order_by(_OF.changed_at.desc(), _OF.id.desc()).limit(limit)


def changed(kind: RecordKind, since: datetime, limit: int) -> Select[Any]:
    """Ask for what changed since then."""
    query = select(records).where(_OF.kind == kind.value, _OF.changed_at >= microseconds(since))
    return query.order_by(_OF.changed_at, _OF.id).limit(limit)


def due(kind: RecordKind, states: Collection[str], at: datetime, limit: int) -> Select[Any]:
    """Ask for what was due by then."""
    query = select(records).where(
        _OF.kind == kind.value,
        _OF.due_at <= microseconds(at),
        _OF.state.in_(map(storable, states)),
    )
    return query.order_by(_OF.due_at, _OF.id).limit(limit)


def beyond(number: int, limit: int) -> Select[Any]:
    """Ask for the cut-offs beyond *number*."""
    return select(cutoffs).where(cutoffs.c.number > number).order_by(cutoffs.c.number).limit(limit)


def read_records(connection: Connection, query: Select[Any]) -> Sequence[Record]:
    """Return the records that *query* asks for."""
    return [read_record(*row) for row in connection.execute(query)]


def read_cutoffs(connection: Connection, query: Select[Any]) -> Sequence[Published]:
    """Return the cut-offs that *query* asks for."""
    return [read_published(*row) for row in connection.execute(query)]


def prune_records(connection: Connection, now_us: int, limit: int) -> int:
    """Delete what is worth nothing any more: passing records, requests long over, old cut-offs."""
    passing = _OF.kind.in_([kind.value for kind in PASSING])
    over = (_OF.kind == RecordKind.REQUEST.value) & _OF.state.in_(DONE_WITH)
    key = (_OF.kind, _OF.id)
    found = select(*key).where(_OF.due_at <= now_us, passing | over).limit(limit)
    found = found.with_for_update(skip_locked=True)
    count = connection.execute(delete(records).where(tuple_(*key).in_(found))).rowcount
    newest = select(func.max(cutoffs.c.number)).scalar_subquery()
    old = select(cutoffs.c.number).where(cutoffs.c.ends_at <= now_us, cutoffs.c.number < newest)
    old = old.limit(max(limit - count, 0))
    return count + connection.execute(delete(cutoffs).where(cutoffs.c.number.in_(old))).rowcount
