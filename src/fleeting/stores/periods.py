"""Find and read a period of the ledger in any SQL database: it has no index of times.

A chain is in the order of time, but for entries of requests that were served side by side. So a
period's stretch of a chain is found by halving, and read in bounded pieces by position.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, select

from fleeting.core.evidence import EntryKind, RecordedEntry, microseconds
from fleeting.stores.schema import chains, ledger

_PIECE = 2_000
_RECORDED = [*ledger.columns][: len(RecordedEntry._fields)]
_OUT_OF_ORDER_US = timedelta(minutes=10) // timedelta(microseconds=1)
"""How far an entry may be from where its time belongs: no request takes so long."""


@dataclass(frozen=True, slots=True)
class Period:
    """From *since* on and before *until*; None is no bound."""

    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Span:
    """The entries of a chain beyond *after*, up to and with *last*."""

    writer: str
    after: int
    last: int


def period_spans(connection: Connection, period: Period) -> list[Span]:
    """Return what to read of each chain, in the chains' order."""
    heads = connection.execute(select(chains.c.writer, chains.c.sequence).order_by(chains.c.writer))
    spans = [_span(connection, writer, last, period) for writer, last in heads.all()]
    return [span for span in spans if span.last > span.after]


def _span(connection: Connection, writer: str, last: int, period: Period) -> Span:
    first = connection.execute(_next(writer, 0).with_only_columns(ledger.c.sequence)).scalar()
    after = last if first is None else first - 1
    if period.since is not None:
        bound = microseconds(period.since) - _OUT_OF_ORDER_US
        after = _before(connection, Span(writer, after, last), bound)
    if period.until is not None:
        bound = microseconds(period.until) + _OUT_OF_ORDER_US
        last = _before(connection, Span(writer, after, last), bound)
    return Span(writer, after, last)


def _before(connection: Connection, span: Span, at_us: int) -> int:
    """Return the last sequence of *span* whose entry is older than *at_us*, by halving."""
    low, high = span.after, span.last
    while low < high:
        middle = (low + high) // 2
        at = connection.execute(_next(span.writer, middle)).scalar()
        if at is None or at >= at_us:
            high = middle
        else:
            low = middle + 1
    return low


def _next(writer: str, sequence: int) -> Select[Any]:
    beyond = (ledger.c.writer == writer, ledger.c.sequence > sequence)
    return select(ledger.c.at).where(*beyond).order_by(ledger.c.sequence).limit(1)


def stretches(spans: Iterable[Span]) -> Iterator[Span]:
    """Yield *spans* in pieces that are quickly read."""
    for span in spans:
        for after in range(span.after, span.last, _PIECE):
            yield Span(span.writer, after, min(after + _PIECE, span.last))


def read_stretch(
    connection: Connection, stretch: Span, kinds: Collection[EntryKind], period: Period
) -> list[RecordedEntry]:
    """Return the entries of *kinds* in *stretch* that are of the period."""
    query = select(*_RECORDED).where(
        ledger.c.writer == stretch.writer,
        ledger.c.sequence > stretch.after,
        ledger.c.sequence <= stretch.last,
        ledger.c.kind.in_([kind.value for kind in kinds]),
    )
    if period.since is not None:
        query = query.where(ledger.c.at >= microseconds(period.since))
    if period.until is not None:
        query = query.where(ledger.c.at < microseconds(period.until))
    rows = connection.execute(query.order_by(ledger.c.sequence)).all()
    return [*map(RecordedEntry._make, rows)]
