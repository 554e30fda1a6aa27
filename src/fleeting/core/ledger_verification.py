"""Verify the ledger: that no entry was altered, removed, moved, cut off or slipped in.

This does NOT find what an intruder with the database did since the last checkpoint that names a
chain, if they then recomputed the hashes behind it and its head; nor anything at all if they
removed every checkpoint and the verifier was given no key; without one, whoever made up a pruning
is believed, too. Keep exports elsewhere.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias, cast

from fleeting.core.evidence import (
    CHECKPOINT_TYP,
    GENESIS,
    PRUNING_TYP,
    ChainHead,
    EntryKind,
    StoredEntry,
    instant,
    stored_hash,
)
from fleeting.core.model import Json
from fleeting.core.token_accounts import TokenAccounts, TokenState

VerifySignature: TypeAlias = Callable[[str, str], Mapping[str, Json] | None]
"""Takes the only ``typ`` that will do, and a JWS; returns its claims, or None: not genuine."""

_EVER = instant(0)


class FindingKind(StrEnum):
    """What is wrong with one place of the ledger."""

    ALTERED = "altered"
    REMOVED = "removed"
    MOVED = "moved"
    TRUNCATED = "truncated"
    INSERTED = "inserted"
    UNREADABLE = "unreadable"
    UNSIGNED = "unsigned"
    UNRECORDED = "unrecorded"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, where, in words.

    writer, sequence: the place; sequence is None where a whole chain is meant.
    """

    kind: FindingKind
    writer: str
    sequence: int | None
    words: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of verifying a ledger: no findings means that every check held."""

    findings: tuple[Finding, ...]
    entries: int
    chains: int
    checkpoints: int


@dataclass(frozen=True, slots=True)
class LedgerSnapshot:
    """The ledger at one instant, to be read once.

    marks: every ``checkpoint`` and ``ledger.pruned`` entry; they come again among the entries.
    entries: all of them, chain by chain, each chain in the order of its sequence numbers.
    unrecorded: jti and time of issue of tokens that no ``token.issued`` entry tells of.
    tokens: what the store remembers of every token that it still has.
    """

    marks: Sequence[StoredEntry]
    heads: Sequence[ChainHead]
    entries: Iterator[StoredEntry]
    unrecorded: Sequence[tuple[str, datetime]] = ()
    tokens: Iterable[TokenState] = ()


def verify_ledger(
    snapshot: LedgerSnapshot, *, verify: VerifySignature | None = None
) -> Verification:
    """Return everything that is wrong with the ledger, in the order of its chains.

    The store's tokens are held against it too: as often used, as much allowed, as revoked.

    verify: checks the signatures of checkpoints and prunings; with None, unsigned ones count as
    good. With it, a pruning that is not signed accounts for nothing.
    This does NOT check that what the entries say is true, only that it is what was written; see
    the module for what an intruder could still hide.
    """
    marks = _Marks()
    for row in snapshot.marks:
        marks.read(row, verify)
    heads = {head.writer: head for head in snapshot.heads}
    walk = _Walk(marks, heads)
    accounts = TokenAccounts(snapshot.tokens, marks.pruned_before)
    for row in snapshot.entries:
        walk.see(row)
        accounts.see(row)
    walk.finish()
    unrecorded = _unrecorded(snapshot.unrecorded, marks.pruned_before)
    altered = (Finding(FindingKind.ALTERED, "", None, it) for it in accounts.contradictions())
    findings = (*walk.findings, *marks.findings, *unrecorded, *altered)
    return Verification(findings, walk.entries, walk.chains, marks.checkpoints)


@dataclass(slots=True)
class _Marks:
    """What checkpoints and prunings say of chains.

    named: where checkpoints saw chains; pruned: up to where chains were removed on purpose.
    """

    named: dict[str, dict[int, bytes]] = field(default_factory=lambda: defaultdict(dict))
    pruned: dict[str, dict[int, bytes]] = field(default_factory=lambda: defaultdict(dict))
    pruned_before: datetime = _EVER
    checkpoints: int = 0
    findings: list[Finding] = field(default_factory=list)

    def read(self, row: StoredEntry, verify: VerifySignature | None) -> None:
        """Take in one mark; what cannot be read is a finding, not an error."""
        try:
            body = cast("dict[str, Json]", json.loads(row.body))
            places = list(_places(body))
            before = (
                datetime.fromisoformat(cast("str", body["before"])) if "before" in body else None
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            self._add(FindingKind.UNREADABLE, row, f"this {row.kind} entry cannot be read")
            return
        if row.kind == EntryKind.LEDGER_PRUNED:
            if not self._is_signed(row, body, verify, PRUNING_TYP, "record of a pruning"):
                return
            self.pruned_before = max(self.pruned_before, before or self.pruned_before)
        else:
            self.checkpoints += 1
            self._is_signed(row, body, verify, CHECKPOINT_TYP, "checkpoint")
        target = self.pruned if row.kind == EntryKind.LEDGER_PRUNED else self.named
        for writer, sequence, digest in places:
            target[writer][sequence] = digest

    def _is_signed(
        self,
        row: StoredEntry,
        body: dict[str, Json],
        verify: VerifySignature | None,
        typ: str,
        name: str,
    ) -> bool:
        """Tell whether exactly *body* was signed, as what it is; if it was not, that is found."""
        if verify is None:
            return True
        signature = body.pop("signature", None)
        claims = verify(typ, signature) if isinstance(signature, str) else None
        if claims is None:
            self._add(FindingKind.UNSIGNED, row, f"this {name} has no genuine signature")
        elif dict(claims) != body:
            self._add(FindingKind.ALTERED, row, f"this {name} says other than what was signed")
        return claims is not None and dict(claims) == body

    def _add(self, kind: FindingKind, row: StoredEntry, words: str) -> None:
        self.findings.append(Finding(kind, row.writer, row.sequence, words))


def _places(body: Mapping[str, Json]) -> Iterator[tuple[str, int, bytes]]:
    for place in cast("list[dict[str, str | int]]", body["chains"]):
        yield str(place["writer"]), int(place["sequence"]), bytes.fromhex(str(place["hash"]))


@dataclass(slots=True)
class _Walk:
    """One pass over all chains, remembering only the entry before."""

    marks: _Marks
    heads: dict[str, ChainHead]
    last: StoredEntry | None = None
    entries: int = 0
    chains: int = 0
    seen: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)

    def see(self, row: StoredEntry) -> None:
        """Check *row* against the one before it and against its own hash."""
        if self.last is None or row.writer != self.last.writer:
            self._end_chain()
            self._begin_chain(row)
        else:
            self._check_order(row, self.last)
        self._check_hash(row)
        self._check_named(row)
        self.last = row
        self.entries += 1

    def finish(self) -> None:
        """Check the last chain's end, and what should be there but is not at all."""
        self._end_chain()
        for head in self.heads.values():
            if head.writer not in self.seen:
                words = f"all {head.sequence} entries of this chain are missing"
                self._add(FindingKind.TRUNCATED, head.writer, None, words)
        for writer, places in self.marks.named.items():
            if writer not in self.seen and writer not in self.heads:
                self._check_missing(writer, max(places))

    def _begin_chain(self, row: StoredEntry) -> None:
        self.chains += 1
        self.seen.add(row.writer)
        if row.sequence == 1:
            if row.previous != GENESIS:
                self._add(FindingKind.ALTERED, row.writer, 1, "a first entry that follows another")
        elif self.marks.pruned[row.writer].get(row.sequence - 1) != row.previous:
            words = f"entries 1 to {row.sequence - 1} are missing, and no pruning says so"
            self._add(FindingKind.REMOVED, row.writer, row.sequence - 1, words)

    def _check_order(self, row: StoredEntry, last: StoredEntry) -> None:
        if row.sequence > last.sequence + 1:
            words = f"entries {last.sequence + 1} to {row.sequence - 1} are missing"
            self._add(FindingKind.REMOVED, row.writer, last.sequence + 1, words)
        elif row.sequence <= last.sequence:
            words = f"it comes after entry {last.sequence}"
            self._add(FindingKind.MOVED, row.writer, row.sequence, words)
        elif row.previous != last.hash:
            words = "it does not follow from the entry before it: one of the two was replaced"
            self._add(FindingKind.MOVED, row.writer, row.sequence, words)

    def _check_hash(self, row: StoredEntry) -> None:
        try:
            digest = stored_hash(row.previous, row[:7], row.body)
        except (TypeError, ValueError):
            self._add(FindingKind.UNREADABLE, row.writer, row.sequence, "it cannot be read at all")
            return
        if digest != row.hash:
            words = "its hash is not of what it says: it was altered, or moved here"
            self._add(FindingKind.ALTERED, row.writer, row.sequence, words)

    def _check_named(self, row: StoredEntry) -> None:
        named = self.marks.named.get(row.writer)
        if named is not None and named.get(row.sequence, row.hash) != row.hash:
            words = "a checkpoint saw another entry here: the chain was rewritten"
            self._add(FindingKind.ALTERED, row.writer, row.sequence, words)

    def _end_chain(self) -> None:
        """Check that the chain goes as far as its head and as any checkpoint saw it go."""
        last = self.last
        if last is None:
            return
        head = self.heads.get(last.writer)
        named = max(self.marks.named.get(last.writer, {0: b""}))
        if head is None:
            words = "the store's book-keeping knows no such chain"
            self._add(FindingKind.INSERTED, last.writer, None, words)
        elif head.sequence > last.sequence:
            words = f"the chain ends here, but its head says {head.sequence}"
            self._add(FindingKind.TRUNCATED, last.writer, last.sequence, words)
        elif (head.sequence, head.hash) != (last.sequence, last.hash):
            words = f"the chain's head is another: entry {head.sequence}"
            self._add(FindingKind.INSERTED, last.writer, last.sequence, words)
        if named > max(last.sequence, head.sequence if head else 0):
            words = f"the chain ends here, but a checkpoint saw entry {named}"
            self._add(FindingKind.TRUNCATED, last.writer, last.sequence, words)

    def _check_missing(self, writer: str, named: int) -> None:
        if max(self.marks.pruned.get(writer, {0: b""})) < named:
            words = f"this whole chain is missing; a checkpoint saw it at entry {named}"
            self._add(FindingKind.TRUNCATED, writer, None, words)

    def _add(self, kind: FindingKind, writer: str, sequence: int | None, words: str) -> None:
        self.findings.append(Finding(kind, writer, sequence, words))


def _unrecorded(
    tokens: Iterable[tuple[str, datetime]], pruned_before: datetime
) -> Iterator[Finding]:
    for jti, issued_at in tokens:
        if issued_at >= pruned_before:
            words = f"the token {jti} was issued, but no entry says so"
            yield Finding(FindingKind.UNRECORDED, "", None, words)
