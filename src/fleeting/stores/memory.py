"""Memory: the reference store, dictionaries behind the same contract; gone with the process."""

import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from fleeting.core.evidence import (
    ChainedEntry,
    ChainHead,
    Entry,
    EntryKind,
    Sign,
    StoredEntry,
    extend,
    head_after,
    microseconds,
    storable,
)
from fleeting.core.ledger_verification import LedgerSnapshot
from fleeting.core.model import TokenRecord
from fleeting.core.token_accounts import TokenState
from fleeting.ports import (
    NOTHING_LOADED,
    TOKEN_GRACE,
    Claim,
    Clock,
    KeptPolicySet,
    Outcome,
    Page,
    PolicySetRecord,
    PolicyState,
    Published,
    Record,
    RecordKind,
    SeenDirectory,
    StoreUnavailableError,
    Write,
)
from fleeting.stores.group_commit import GroupCommit
from fleeting.stores.pruning import Link, new_chain, plan, pruned_entry
from fleeting.stores.record_tables import DONE_WITH, PASSING
from fleeting.stores.settlement import (
    ClaimKey,
    CutoffKey,
    RecordKey,
    Settlement,
    UseKey,
    cut_off,
)

T = TypeVar("T")

_MARKS = (EntryKind.CHECKPOINT.value, EntryKind.LEDGER_PRUNED.value)


@dataclass(slots=True)
class MemoryTables:
    """What several memory stores share, as several processes share a database."""

    proofs: dict[ClaimKey, datetime] = field(default_factory=dict)
    tokens: dict[str, TokenRecord] = field(default_factory=dict)
    uses: dict[UseKey, int] = field(default_factory=dict)
    ledger: dict[str, list[StoredEntry]] = field(default_factory=dict)
    heads: dict[str, ChainHead] = field(default_factory=dict)
    policy: PolicyState = NOTHING_LOADED
    policy_sets: dict[str, KeptPolicySet] = field(default_factory=dict)
    directories: dict[str, SeenDirectory] = field(default_factory=dict)
    records: dict[RecordKey, Record] = field(default_factory=dict)
    published: list[Published] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class MemoryStore:
    """The store in dictionaries; a transaction is a lock and changes made at its end.

    available: False makes it refuse everything, as a database that cannot be reached does.
    """

    def __init__(self, *, clock: Clock, tables: MemoryTables | None = None) -> None:
        self.available = True
        self.tables = MemoryTables() if tables is None else tables
        self._clock = clock
        self._head = new_chain()
        self._pruning_head = new_chain()
        self._writes: GroupCommit[Write, Outcome] = GroupCommit(self._apply)

    async def open(self) -> None:
        """See ``ports.Store``."""
        self._check()

    async def close(self) -> None:
        """See ``ports.Store``."""
        await self._writes.close()

    async def ping(self) -> None:
        """See ``ports.Store``."""
        self._check()

    async def commit(self, write: Write) -> Outcome:
        """See ``ports.Ledger``."""
        return await self._writes.submit(write)

    async def find(self, jti: str) -> TokenRecord | None:
        """See ``ports.Tokens``."""
        self._check()
        found = self.tables.tokens.get(jti)
        return None if found is None else cut_off(found, _cut(self.tables))

    async def policy_state(self) -> PolicyState:
        """See ``ports.PolicySets``."""
        self._check()
        return self.tables.policy

    async def policy_text(self, digest: str) -> str | None:
        """See ``ports.PolicySets``."""
        self._check()
        kept = self.tables.policy_sets.get(digest)
        return None if kept is None else kept.text

    async def policy_records(self) -> Sequence[PolicySetRecord]:
        """See ``ports.PolicySets``."""
        self._check()
        records = [kept.record for kept in self.tables.policy_sets.values()]
        return sorted(records, key=lambda it: (it.stored_at, it.digest), reverse=True)

    async def last_seen(self, place: str) -> SeenDirectory | None:
        """See ``ports.PolicySets``."""
        self._check()
        seen = self.tables.directories.values()
        return max(seen, key=lambda it: (it.place == place, it.at, it.place), default=None)

    async def record(self, kind: RecordKind, id_: str) -> Record | None:
        """See ``ports.Records``."""
        self._check()
        return self.tables.records.get((kind, id_))

    async def records(
        self, kind: RecordKind, *, states: Collection[str] = (), limit: int = 1000
    ) -> Sequence[Record]:
        """See ``ports.Records``."""
        found = [it for it in self._of(kind) if not states or it.state in states]
        return sorted(found, key=lambda it: (it.changed_at, it.id), reverse=True)[:limit]

    async def records_changed(
        self, kind: RecordKind, since: datetime, limit: int = 1000
    ) -> Sequence[Record]:
        """See ``ports.Records``."""
        found = [it for it in self._of(kind) if it.changed_at >= since]
        return sorted(found, key=lambda it: (it.changed_at, it.id))[:limit]

    async def records_due(
        self, kind: RecordKind, states: Collection[str], at: datetime, limit: int = 1000
    ) -> Sequence[Record]:
        """See ``ports.Records``."""
        due = [(it.due_at, it.id, it) for it in self._of(kind) if it.due_at and it.due_at <= at]
        return [it for _, _, it in sorted(due, key=lambda it: it[:2]) if it.state in states][:limit]

    async def published(self, after: int, limit: int = 1000) -> Sequence[Published]:
        """See ``ports.Records``."""
        self._check()
        return [it for it in self.tables.published if it.number > after][:limit]

    def _of(self, kind: RecordKind) -> Iterator[Record]:
        self._check()
        return (it for (of, _), it in list(self.tables.records.items()) if of is kind)

    async def story(self, id_: str) -> Sequence[ChainedEntry]:
        """See ``ports.Evidence``."""
        name = storable(id_)
        rows = [row for row in self._rows() if name]
        named = [row for row in rows if name in (row.request_id, row.txn, row.jti)]
        requests = {row.request_id for row in named} - {""}
        whole = [row for row in rows if row.request_id in requests or row in named]
        return [row.read() for row in sorted(whole, key=_age)]

    async def entries(self, *, since: datetime | None = None) -> AsyncIterator[ChainedEntry]:
        """See ``ports.Evidence``."""
        for row in self._rows():
            if since is None or row.at_us >= microseconds(since):
                yield row.read()

    async def pages(
        self,
        kinds: Collection[EntryKind],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> AsyncIterator[Page]:
        """See ``ports.Evidence``; a page is a chain."""
        low, high = ((None if at is None else microseconds(at)) for at in (since, until))
        self._check()
        chains = [list(chain) for _, chain in sorted(self.tables.ledger.items())]
        passed, total = 0, sum(map(len, chains))
        for chain in chains:
            passed += len(chain)
            rows = [row for row in chain if row.kind in kinds and _within(row.at_us, low, high)]
            yield Page([row.recorded() for row in rows], passed, total)

    async def newest(self, after: dict[str, int], limit: int) -> Sequence[ChainedEntry]:
        """See ``ports.Evidence``."""
        news = [row for row in self._rows() if row.sequence > after.get(row.writer, 0)]
        news.sort(key=_age)
        return [row.read() for row in (news[:limit] if after else news[-limit:])]

    async def heads(self) -> Sequence[ChainHead]:
        """See ``ports.Evidence``."""
        self._check()
        return [head for _, head in sorted(self.tables.heads.items())]

    async def examine(self, reader: Callable[[LedgerSnapshot], T]) -> T:
        """See ``ports.Evidence``."""
        rows = list(self._rows())
        recorded = {row.jti for row in rows if row.kind == EntryKind.TOKEN_ISSUED}
        tokens = self.tables.tokens.values()
        snapshot = LedgerSnapshot(
            marks=[row for row in rows if row.kind in _MARKS],
            heads=await self.heads(),
            entries=iter(rows),
            unrecorded=[
                (it.jti, it.issued_at) for it in tokens if storable(it.jti) not in recorded
            ],
            tokens=[
                TokenState(storable(it.jti), it.uses, it.used, it.revoked_at is not None)
                for it in tokens
            ],
        )
        return reader(snapshot)

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
        self._check()
        with self.tables.lock:
            count = _prune_proofs(self.tables, now, limit)
            count += _prune_tokens(self.tables, now - grace, limit - count)
            count += _prune_records(self.tables, now, limit - count)
            count += _prune_published(self.tables, now, limit - count)
            if ledger_before is not None:
                count += self._prune_ledger(now, ledger_before, limit - count, sign)
            return count

    async def _apply(self, writes: Sequence[Write]) -> list[Outcome]:
        """Settle on copies of what the batch touches; nothing is changed before it came out well.

        Raises:
            StoreUnavailableError: the store is made to be unavailable.
            WriteRefusedError: a token is issued twice.
        """
        self._check()
        tables = self.tables
        with tables.lock:
            claims: dict[ClaimKey, Claim] = {}
            for claim in (it for write in writes for it in write.claims):
                claims.setdefault((claim.space, claim.digest), claim)
            fresh = {key for key in claims if key not in tables.proofs}
            taken = {key: claims[key].expires_at for key in fresh}
            tokens, uses = dict(tables.tokens), dict(tables.uses)
            settlement = Settlement(fresh, tokens, uses, self._clock.now(), tables.policy)
            settlement.revisions = {key: it.revision for key, it in tables.records.items()}
            settlement.cut = _cut(tables)
            outcomes = settlement.settle(writes)
            self._head = self._append(self._head, settlement.entries)
            tables.proofs.update((key, taken[key]) for key in taken.keys() - settlement.fresh)
            tables.tokens.update(settlement.issued | settlement.changed)
            tables.uses.update(settlement.spent)
            _save_policy(tables, settlement)
            _save_records(tables, settlement)
        return outcomes

    def _append(self, head: ChainHead, entries: Sequence[Entry]) -> ChainHead:
        if head.sequence > 0 and head.writer not in self.tables.heads:
            head = new_chain()  # it was pruned away
        rows = extend(head, entries)
        if rows:
            head = self.tables.heads[head.writer] = head_after(rows[-1])
            self.tables.ledger.setdefault(head.writer, []).extend(rows)
        return head

    def _prune_ledger(self, now: datetime, before: datetime, limit: int, sign: Sign | None) -> int:
        ledger, heads = self.tables.ledger, self.tables.heads
        cuts = plan((map(_link, chain) for chain in ledger.values()), microseconds(before), limit)
        if not cuts:
            return 0
        count = 0
        for writer, link in cuts.items():
            kept = [row for row in ledger[writer] if row.sequence > link.sequence]
            count += len(ledger[writer]) - len(kept)
            ledger[writer] = kept
            if not kept:
                del ledger[writer], heads[writer]
        firsts = [chain[0] for chain in ledger.values()]
        bases = {row.writer: (row.sequence - 1, row.previous) for row in firsts if row.sequence > 1}
        bases |= {writer: (link.sequence, link.hash) for writer, link in cuts.items()}
        record = pruned_entry(now, before, bases, sign=sign)
        self._pruning_head = self._append(self._pruning_head, [record])
        return count

    def _rows(self) -> Iterator[StoredEntry]:
        self._check()
        for _, chain in sorted(self.tables.ledger.items()):
            yield from list(chain)

    def _check(self) -> None:
        if not self.available:
            raise StoreUnavailableError("the memory store is made to be unavailable")


def _cut(tables: MemoryTables) -> dict[CutoffKey, datetime]:
    cut: dict[CutoffKey, datetime] = {}
    for each in (published.cutoff for published in tables.published):
        cut[each.kind, each.value] = max(each.at, cut.get((each.kind, each.value), each.at))
    return cut


def _save_records(tables: MemoryTables, settlement: Settlement) -> None:
    for key, record in settlement.records.items():
        if record is None:
            tables.records.pop(key, None)
        else:
            tables.records[key] = record
    for cutoff in settlement.cutoffs:
        last = tables.published[-1].number if tables.published else 0
        tables.published.append(Published(last + 1, cutoff))


def _within(at_us: int, low: int | None, high: int | None) -> bool:
    return (low is None or at_us >= low) and (high is None or at_us < high)


def _save_policy(tables: MemoryTables, settlement: Settlement) -> None:
    tables.policy = settlement.policy
    for move in settlement.moves:
        if move.keep is not None:
            kept = tables.policy_sets.get(move.keep.record.digest, move.keep)
            tables.policy_sets[kept.record.digest] = replace(kept, text=move.keep.text)
        if move.directory is not None:
            tables.directories[move.directory.place] = move.directory


def _age(row: StoredEntry) -> tuple[int, str, int]:
    return row.at_us, row.writer, row.sequence


def _link(row: StoredEntry) -> Link:
    return Link(row.writer, row.sequence, row.at_us, row.hash)


def _prune_proofs(tables: MemoryTables, now: datetime, limit: int) -> int:
    expired = [key for key, expires_at in tables.proofs.items() if expires_at <= now][:limit]
    for key in expired:
        del tables.proofs[key]
    return len(expired)


def _prune_records(tables: MemoryTables, now: datetime, limit: int) -> int:
    due = (it for it in tables.records.items() if it[1].due_at and it[1].due_at <= now)
    done = [key for key, it in due if key[0] in PASSING or it.state in DONE_WITH][:limit]
    for key in done:
        del tables.records[key]
    return len(done)


def _prune_published(tables: MemoryTables, now: datetime, limit: int) -> int:
    """Forget cut-offs that nothing alive is under; the newest stays, for its number."""
    forgotten = [it for it in tables.published[:-1] if it.cutoff.until <= now][:limit]
    tables.published = [it for it in tables.published if it not in forgotten]
    return len(forgotten)


def _prune_tokens(tables: MemoryTables, cut: datetime, limit: int) -> int:
    expired = {it.jti for it in tables.tokens.values() if it.expires_at <= cut}
    used = [key for key in tables.uses if key[0] in expired][:limit]
    for key in used:
        del tables.uses[key]
    left = {jti for jti, _ in tables.uses}
    done = [jti for jti in expired if jti not in left][: limit - len(used)]
    for jti in done:
        del tables.tokens[jti]
    return len(used) + len(done)
