"""Pruning: what may be forgotten, and the entry that keeps a shortened ledger verifiable."""

import heapq
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from sqlalchemy import Connection, Engine, delete, func, insert, select, text, tuple_, update

from fleeting.core.evidence import (
    GENESIS,
    PRUNING_TYP,
    ChainHead,
    Entry,
    EntryKind,
    Sign,
    StoredEntry,
    extend,
    head_after,
    microseconds,
)
from fleeting.core.model import Json
from fleeting.stores.record_reads import prune_records
from fleeting.stores.schema import chains, ledger, proofs, tokens, uses

_LOCK = 0x_F1EE_7147
"""Our own number among PostgreSQL's advisory locks: one pruner at a time."""


PING_LIFE = timedelta(hours=24)
"""How long the row that ``ping`` commits may stay after its store's last ping."""


@dataclass(frozen=True, slots=True)
class Link:
    """As much of an entry as pruning needs."""

    writer: str
    sequence: int
    at_us: int
    hash: bytes


def new_chain() -> ChainHead:
    """Return the beginning of a chain of its own."""
    return ChainHead(secrets.token_hex(8), 0, GENESIS)


def plan(chains_: Iterable[Iterable[Link]], before_us: int, limit: int) -> dict[str, Link]:
    """Return, writer by writer, the last entry to remove: whole prefixes, oldest first of all.

    The order by age holds across chains, so that a pruning's own record is never removed before
    what had to be removed earlier.
    """
    prefixes = (_prefix(chain, before_us) for chain in chains_)
    oldest = islice(heapq.merge(*prefixes, key=lambda aged: aged[0]), limit)
    return {link.writer: link for _, link in oldest}


def _prefix(chain: Iterable[Link], before_us: int) -> Iterator[tuple[int, Link]]:
    """Yield the chain up to its first entry that is young; an age never falls along a chain."""
    age = 0
    for link in chain:
        age = max(age, link.at_us)
        if age >= before_us:
            return
        yield age, link


def pruned_entry(
    now: datetime,
    before: datetime,
    bases: Mapping[str, tuple[int, bytes]],
    *,
    sign: Sign | None = None,
) -> Entry:
    """Return the record of a pruning: where each chain that is not whole now begins.

    bases: writer → the last removed sequence and its hash, of earlier prunings too: their records
    may be gone by now.
    sign: None leaves the record unsigned, and who verifies signatures will not believe it.
    """
    places: list[Json] = [
        {"writer": writer, "sequence": sequence, "hash": digest.hex()}
        for writer, (sequence, digest) in sorted(bases.items())
    ]
    body: dict[str, Json] = {"before": before.astimezone(UTC).isoformat(), "chains": places}
    if sign is not None:
        body["signature"] = sign(PRUNING_TYP, dict(body))
    return Entry(EntryKind.LEDGER_PRUNED, now, "", body)


class Pruner:
    """Prunes a SQL database, recording what it removes of the ledger in a chain of its own.

    Not for two threads at once.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(fleeting_begin="IMMEDIATE")
        self._head = new_chain()

    def prune(
        self,
        now: datetime,
        ledger_before: datetime | None,
        limit: int,
        grace: timedelta,
        sign: Sign | None = None,
    ) -> int:
        """Delete up to *limit* rows in one transaction, and return how many were deleted."""
        head, self._head = self._head, new_chain()  # a failure leaves the old one for good
        with self._engine.begin() as connection:
            if not _alone(connection):
                self._head = head
                return 0
            count = _prune_proofs(connection, microseconds(now), limit)
            count += _prune_tokens(connection, microseconds(now - grace), limit - count)
            count += prune_records(connection, microseconds(now), limit - count)
            if ledger_before is not None and count < limit:
                cuts = _cuts(connection, microseconds(ledger_before), limit - count)
                if cuts:
                    count += _cut(connection, cuts)
                    bases = _bases(connection, cuts)
                    entry = pruned_entry(now, ledger_before, bases, sign=sign)
                    head = _append(connection, head, entry)
        self._head = head
        return count


def _alone(connection: Connection) -> bool:
    if connection.dialect.name != "postgresql":
        return True
    lock = text("SELECT pg_try_advisory_xact_lock(:lock)")
    return bool(connection.execute(lock, {"lock": _LOCK}).scalar())


def _prune_proofs(connection: Connection, now_us: int, limit: int) -> int:
    key = (proofs.c.space, proofs.c.digest)
    expired = select(*key).where(proofs.c.expires_at <= now_us).limit(limit)
    expired = expired.with_for_update(skip_locked=True)
    return connection.execute(delete(proofs).where(tuple_(*key).in_(expired))).rowcount


def _prune_tokens(connection: Connection, cut_us: int, limit: int) -> int:
    """Delete the uses of tokens long expired, then those tokens that have none left."""
    key = (uses.c.jti, uses.c.digest)
    expired = select(*key).join(tokens, tokens.c.jti == uses.c.jti)
    expired = expired.where(tokens.c.expires_at <= cut_us).limit(limit)
    count = connection.execute(delete(uses).where(tuple_(*key).in_(expired))).rowcount
    used = select(uses.c.jti).where(uses.c.jti == tokens.c.jti).exists()
    done = select(tokens.c.jti).where(tokens.c.expires_at <= cut_us, ~used)
    done = done.limit(limit - count).with_for_update(skip_locked=True)
    return count + connection.execute(delete(tokens).where(tokens.c.jti.in_(done))).rowcount


def _cuts(connection: Connection, before_us: int, limit: int) -> dict[str, Link]:
    writers = connection.execute(select(chains.c.writer)).scalars().all()
    return plan((_links(connection, writer, limit) for writer in writers), before_us, limit)


def _links(connection: Connection, writer: str, limit: int) -> Iterator[Link]:
    """Yield the chain's oldest entries; read in pages, as most chains are young at once."""
    columns = (ledger.c.writer, ledger.c.sequence, ledger.c.at, ledger.c.hash)
    query = select(*columns).where(ledger.c.writer == writer).order_by(ledger.c.sequence)
    last, page = 0, 1
    while rows := connection.execute(query.where(ledger.c.sequence > last).limit(page)).all():
        yield from (Link(*row) for row in rows)
        last, page = rows[-1].sequence, limit


def _cut(connection: Connection, cuts: Mapping[str, Link]) -> int:
    """Delete the prefixes, and the heads of chains that are gone whole."""
    count = 0
    for writer, link in cuts.items():
        of_it = ledger.c.writer == writer
        prefix = delete(ledger).where(of_it, ledger.c.sequence <= link.sequence)
        count += connection.execute(prefix).rowcount
        # A live writer that finds its head gone begins another chain.
        ended = (chains.c.writer == writer, chains.c.sequence == link.sequence)
        connection.execute(delete(chains).where(*ended))
    return count


def _bases(connection: Connection, cuts: Mapping[str, Link]) -> dict[str, tuple[int, bytes]]:
    first = select(ledger.c.writer, func.min(ledger.c.sequence).label("sequence"))
    firsts = first.group_by(ledger.c.writer).subquery()
    joined = select(ledger.c.writer, ledger.c.sequence, ledger.c.previous).join(
        firsts,
        (ledger.c.writer == firsts.c.writer) & (ledger.c.sequence == firsts.c.sequence),
    )
    rows = connection.execute(joined.where(ledger.c.sequence > 1))
    bases = {row.writer: (row.sequence - 1, row.previous) for row in rows}
    return bases | {writer: (link.sequence, link.hash) for writer, link in cuts.items()}


def _append(connection: Connection, head: ChainHead, entry: Entry) -> ChainHead:
    """Add *entry* to the chain at *head*; begin another where that was pruned away meanwhile."""
    if head.sequence > 0:
        mine = (chains.c.writer == head.writer, chains.c.sequence == head.sequence)
        if connection.execute(select(chains.c.writer).where(*mine)).first() is None:
            head = new_chain()
    [row] = extend(head, [entry])
    connection.execute(insert(ledger), [_columns(row)])
    values = {"sequence": row.sequence, "hash": row.hash, "at": row.at_us}
    if head.sequence == 0:
        connection.execute(insert(chains).values(writer=row.writer, **values))
    else:
        connection.execute(update(chains).where(chains.c.writer == row.writer).values(**values))
    return head_after(row)


def _columns(row: StoredEntry) -> dict[str, object]:
    return dict(zip(ledger.columns.keys(), row, strict=True))
