"""Reads off the hot path in any SQL database: SQLAlchemy Core, in threads (D7)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, Select, and_, or_, select, tuple_
from sqlalchemy.exc import SQLAlchemyError

from fleeting.core.evidence import (
    ChainedEntry,
    ChainHead,
    EntryKind,
    Sign,
    StoredEntry,
    instant,
    microseconds,
    original,
    storable,
)
from fleeting.core.ledger_verification import LedgerSnapshot
from fleeting.core.token_accounts import TokenState
from fleeting.ports import (
    TOKEN_GRACE,
    Page,
    PolicySetRecord,
    Published,
    Record,
    RecordKind,
    SeenDirectory,
    StoreUnavailableError,
)
from fleeting.stores import record_reads
from fleeting.stores.periods import Period, period_spans, read_stretch, stretches
from fleeting.stores.pruning import Pruner
from fleeting.stores.schema import (
    chains,
    kept_record,
    ledger,
    policy_directories,
    policy_sets,
    seen_directory,
    tokens,
)

T = TypeVar("T")

_PAGE = 500
_MARKS = (EntryKind.CHECKPOINT.value, EntryKind.LEDGER_PRUNED.value)


@contextmanager
def answering() -> Iterator[None]:
    """Turn what SQLAlchemy and the file system raise into StoreUnavailableError."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        cause = getattr(error, "orig", None) or error
        raise StoreUnavailableError(f"the database cannot answer: {cause}") from error


class SqlArchive:
    """The ``Evidence`` and the kept policy sets of a SQL database, and its pruning.

    pruning: the threads that prune; None: any.
    """

    def __init__(self, engine: Engine, pruning: Executor | None = None) -> None:
        self._engine = engine
        self._pruner = Pruner(engine)
        self._pruning = pruning

    async def story(self, id_: str) -> Sequence[ChainedEntry]:
        """See ``ports.Evidence``."""
        rows = await self._read(lambda connection: _story(connection, storable(id_)))
        return [row.read() for row in rows]

    async def entries(self, *, since: datetime | None = None) -> AsyncIterator[ChainedEntry]:
        """See ``ports.Evidence``; page by page, so that no transaction stays open meanwhile."""
        place = ("", 0)
        while rows := await self._read(lambda connection: _page(connection, place, since)):  # noqa: B023 -- awaited at once
            for row in rows:
                yield row.read()
            place = (rows[-1].writer, rows[-1].sequence)

    async def pages(
        self,
        kinds: Collection[EntryKind],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> AsyncIterator[Page]:
        """See ``ports.Evidence``; a page is a bounded stretch of a chain, read by itself."""
        period = Period(since, until)
        spans = await self._read(lambda connection: period_spans(connection, period))
        passed, total = 0, sum(span.last - span.after for span in spans)
        for stretch in stretches(spans):
            rows = await self._read(lambda it: read_stretch(it, stretch, kinds, period))  # noqa: B023 -- awaited at once
            passed += stretch.last - stretch.after
            yield Page(rows, passed, total)

    async def newest(self, after: dict[str, int], limit: int) -> Sequence[ChainedEntry]:
        """See ``ports.Evidence``."""
        rows = await self._read(lambda connection: _newest(connection, after, limit))
        return [row.read() for row in rows]

    async def heads(self) -> Sequence[ChainHead]:
        """See ``ports.Evidence``."""
        return await self._read(_heads)

    async def examine(self, reader: Callable[[LedgerSnapshot], T]) -> T:
        """See ``ports.Evidence``; one transaction, in which SQLite's WAL cannot shrink."""
        return await self._read(lambda connection: reader(_snapshot(connection)))

    async def policy_text(self, digest: str) -> str | None:
        """See ``ports.PolicySets``."""
        query = select(policy_sets.c.body).where(policy_sets.c.digest == storable(digest))
        return await self._read(lambda connection: connection.execute(query).scalar())

    async def policy_records(self) -> Sequence[PolicySetRecord]:
        """See ``ports.PolicySets``."""
        kept = policy_sets.c
        query = select(kept.digest, kept.stored_at, kept.stored_by, kept.source)
        query = query.order_by(kept.stored_at.desc(), kept.digest.desc())
        return await self._read(
            lambda connection: [kept_record(*row) for row in connection.execute(query)]
        )

    async def last_seen(self, place: str) -> SeenDirectory | None:
        """See ``ports.PolicySets``."""
        seen = policy_directories.c
        order = ((seen.place == storable(place)).desc(), seen.seen_at.desc(), seen.place.desc())
        query = select(policy_directories).order_by(*order).limit(1)
        row = await self._read(lambda connection: connection.execute(query).first())
        return None if row is None else seen_directory(*row)

    async def record(self, kind: RecordKind, id_: str) -> Record | None:
        """See ``ports.Records``."""
        query = record_reads.one(kind, id_)
        found = await self._read(lambda it: record_reads.read_records(it, query))
        return found[0] if found else None

    async def records(
        self, kind: RecordKind, *, states: Collection[str] = (), limit: int = 1000
    ) -> Sequence[Record]:
        """See ``ports.Records``."""
        query = record_reads.latest(kind, states, limit)
        return await self._read(lambda it: record_reads.read_records(it, query))

    async def records_changed(
        self, kind: RecordKind, since: datetime, limit: int = 1000
    ) -> Sequence[Record]:
        """See ``ports.Records``."""
        query = record_reads.changed(kind, since, limit)
        return await self._read(lambda it: record_reads.read_records(it, query))

    async def records_due(
        self, kind: RecordKind, states: Collection[str], at: datetime, limit: int = 1000
    ) -> Sequence[Record]:
        """See ``ports.Records``."""
        query = record_reads.due(kind, states, at, limit)
        return await self._read(lambda it: record_reads.read_records(it, query))

    async def published(self, after: int, limit: int = 1000) -> Sequence[Published]:
        """See ``ports.Records``."""
        query = record_reads.beyond(after, limit)
        return await self._read(lambda it: record_reads.read_cutoffs(it, query))

    async def prune(
        self,
        now: datetime,
        *,
        ledger_before: datetime | None,
        limit: int,
        grace: timedelta = TOKEN_GRACE,
        sign: Sign | None = None,
    ) -> int:
        """See ``ports.Store``."""

        def prune() -> int:
            with answering():
                return self._pruner.prune(now, ledger_before, limit, grace, sign)

        return await asyncio.get_running_loop().run_in_executor(self._pruning, prune)

    async def _read(self, query: Callable[[Connection], T]) -> T:
        def read() -> T:
            options: dict[str, Any] = {"stream_results": True, "yield_per": _PAGE}
            if self._engine.dialect.name == "postgresql":
                options["isolation_level"] = "REPEATABLE READ"  # one snapshot for all its queries
            with answering(), self._engine.connect().execution_options(**options) as connection:
                return query(connection)

        return await asyncio.to_thread(read)


def _rows(connection: Connection, query: Select[Any]) -> Iterator[StoredEntry]:
    return (StoredEntry(*row) for row in connection.execute(query))


def _by_age(*where: ColumnElement[bool]) -> Select[Any]:
    order = (ledger.c.at, ledger.c.writer, ledger.c.sequence)
    return select(ledger).where(*where).order_by(*order)


def _story(connection: Connection, id_: str) -> list[StoredEntry]:
    named = or_(ledger.c.request_id == id_, ledger.c.txn == id_, ledger.c.jti == id_)
    requests = select(ledger.c.request_id).where(named, ledger.c.request_id != "")
    whole = and_(ledger.c.request_id != "", ledger.c.request_id.in_(requests))
    return list(_rows(connection, _by_age(or_(named, whole)))) if id_ else []


def _page(
    connection: Connection, place: tuple[str, int], since: datetime | None
) -> list[StoredEntry]:
    key = tuple_(ledger.c.writer, ledger.c.sequence)
    query = select(ledger).where(key > place).order_by(*key.clauses).limit(_PAGE)
    if since is not None:
        query = query.where(ledger.c.at >= microseconds(since))
    return list(_rows(connection, query))


def _heads(connection: Connection) -> list[ChainHead]:
    query = select(chains).order_by(chains.c.writer)
    return [
        ChainHead(row.writer, row.sequence, row.hash, instant(row.at))
        for row in connection.execute(query)
    ]


def _newest(connection: Connection, after: dict[str, int], limit: int) -> list[StoredEntry]:
    """Read at most *limit* entries of each chain that has news, and keep the right ones."""
    found: list[StoredEntry] = []
    query = select(chains).order_by(chains.c.at.desc())
    if not after:
        query = query.limit(limit)  # a chain's newest is its head: others cannot be among them
    order = ledger.c.sequence if after else ledger.c.sequence.desc()
    for head in connection.execute(query).all():
        seen = after.get(head.writer, 0)
        if head.sequence > seen:
            news = select(ledger).where(ledger.c.writer == head.writer, ledger.c.sequence > seen)
            found.extend(_rows(connection, news.order_by(order).limit(limit)))
    found.sort(key=lambda row: (row.at_us, row.writer, row.sequence))
    return found[:limit] if after else found[-limit:]


def _snapshot(connection: Connection) -> LedgerSnapshot:
    in_order = select(ledger).order_by(ledger.c.writer, ledger.c.sequence)
    return LedgerSnapshot(
        marks=list(_rows(connection, in_order.where(ledger.c.kind.in_(_MARKS)))),
        heads=_heads(connection),
        entries=_rows(connection, in_order),
        unrecorded=_unrecorded(connection),
        tokens=_tokens(connection),
    )


def _tokens(connection: Connection) -> Iterator[TokenState]:
    query = select(tokens.c.jti, tokens.c.uses, tokens.c.used, tokens.c.revoked_at)
    for jti, uses, used, revoked_at in connection.execute(query):
        yield TokenState(jti, uses, used, revoked_at is not None)


def _unrecorded(connection: Connection) -> list[tuple[str, datetime]]:
    issue = select(ledger.c.jti).where(
        ledger.c.jti == tokens.c.jti, ledger.c.kind == EntryKind.TOKEN_ISSUED.value
    )
    query = select(tokens.c.jti, tokens.c.issued_at).where(~issue.exists())
    return [(original(row.jti), instant(row.issued_at)) for row in connection.execute(query)]
