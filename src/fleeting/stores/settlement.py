"""What a batch of writes comes to: the semantics that every store shares, free of any database.

A store loads what the batch touches under its own locks, settles it here, and saves what came out,
all in one transaction.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from fleeting.core.evidence import Entry
from fleeting.core.model import Spend, SpendResult, TokenRecord
from fleeting.core.spending import decide_spend, revoke
from fleeting.ports import (
    NOTHING_LOADED,
    Claim,
    Cutoff,
    CutoffKind,
    Outcome,
    PolicyMove,
    PolicyState,
    Record,
    RecordChange,
    RecordKind,
    Revocation,
    Write,
    WriteRefusedError,
)

ClaimKey: TypeAlias = tuple[str, bytes]
"""A claim's space and digest."""

UseKey: TypeAlias = tuple[str, bytes]
"""A token's jti and the digest of a guard's use_id and of the operation it is for."""


RecordKey: TypeAlias = tuple[RecordKind, str]
"""A record's kind and id."""

CutoffKey: TypeAlias = tuple[CutoffKind, str]
"""Whose tokens a cut-off ends."""


def record_key(change: RecordChange) -> RecordKey:
    """Return the key of the record that *change* is of."""
    return change.kind, change.id


def cutoffs_of(record: TokenRecord) -> tuple[CutoffKey, ...]:
    """Return which cut-offs would end the token, its own revocation aside."""
    return (
        (CutoffKind.TOKEN, record.jti),
        (CutoffKind.REQUEST, record.request_id),
        (CutoffKind.CLIENT, record.client_id),
        (CutoffKind.SUBJECT, record.subject),
    )


def cut_off(record: TokenRecord, cut: Mapping[CutoffKey, datetime]) -> TokenRecord:
    """Return *record*, revoked if it was issued before a cut-off of its own, or at it.

    Times of issue are whole seconds: what was issued in the second of the cut is cut off, too.
    """
    dead = [cut[key] for key in cutoffs_of(record) if key in cut and record.issued_at <= cut[key]]
    if record.revoked_at is not None or not dead:
        return record
    return replace(record, revoked_at=min(dead))


def use_key(spend: Spend) -> UseKey:
    """Return the key of *spend*; as a digest, a huge use_id costs no more than a small one."""
    use_id = hashlib.sha256(spend.use_id.encode(errors="surrogatepass")).digest()
    return spend.jti, hashlib.sha256(use_id + spend.operation).digest()


@dataclass(slots=True)
class Settlement:
    """A batch of writes while it is being settled, and what came of it.

    fresh: the claims that this transaction itself took; a claim is used up by its first write.
    Those that are left once all is settled were used up by none, and are to be given back.
    tokens, uses: what was loaded of the tokens that the batch spends or revokes.
    revisions: of the records that the batch changes; absent: there is none.
    cut: from when on the tokens of whom are dead, of all that the batch's spends are about.
    policy: the policy state, loaded if a write of the batch is a move of it.
    issued, changed, spent, moves, records, cutoffs: what is to be saved; entries: recorded.
    """

    fresh: set[ClaimKey]
    tokens: dict[str, TokenRecord]
    uses: dict[UseKey, int]
    now: datetime
    policy: PolicyState = NOTHING_LOADED
    revisions: dict[RecordKey, int] = field(default_factory=dict)
    cut: dict[CutoffKey, datetime] = field(default_factory=dict)
    issued: dict[str, TokenRecord] = field(default_factory=dict)
    changed: dict[str, TokenRecord] = field(default_factory=dict)
    spent: dict[UseKey, int] = field(default_factory=dict)
    moves: list[PolicyMove] = field(default_factory=list)
    records: dict[RecordKey, Record | None] = field(default_factory=dict)
    cutoffs: list[Cutoff] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def settle(self, writes: Iterable[Write]) -> list[Outcome]:
        """Return what becomes of each of *writes*, each seeing the effects of those before it.

        Raises:
            WriteRefusedError: a token is issued twice.
            Exception: what a write's ``record`` raised.
        """
        return [self._settle(write) for write in writes]

    def _settle(self, write: Write) -> Outcome:
        replayed = self._claim(write.claims) if write.claims else None
        if replayed is not None:
            outcome = Outcome(replayed)
        elif any(self.revisions.get(record_key(it), 0) != it.seen for it in write.changes):
            outcome = Outcome(stale=True)
        else:
            self._change_records(write.changes)
            self._cut(write.cutoffs)
            if write.token is not None:
                self._issue(write.token)
            spend = None if write.spend is None else self._spend(write.spend)
            revoked = write.revoke is not None and self._revoke(write.revoke)
            moved = write.move is not None and self._move(write.move)
            outcome = Outcome(None, spend, revoked, moved)
        self.entries.extend(write.record(outcome))
        return outcome

    def _claim(self, claims: Sequence[Claim]) -> Claim | None:
        """Use up *claims*, whatever else happens; return the first that was not fresh.

        Where one was not, those that are ``only_with_success`` stay as they were.
        """
        replayed, kept = None, set[ClaimKey]()
        for claim in claims:
            key = (claim.space, claim.digest)
            if key not in self.fresh:
                replayed = replayed or claim
                continue
            self.fresh.remove(key)
            if claim.only_with_success:
                kept.add(key)
        if replayed is not None:
            self.fresh |= kept
        return replayed

    def _change_records(self, changes: Sequence[RecordChange]) -> None:
        for change in changes:
            key = record_key(change)
            if change.text is None:
                self.revisions.pop(key, None)
                self.records[key] = None
                continue
            self.revisions[key] = change.seen + 1
            self.records[key] = Record(
                change.kind,
                change.id,
                change.seen + 1,
                change.state,
                self.now,
                change.due_at,
                change.text,
            )

    def _cut(self, cutoffs: Sequence[Cutoff]) -> None:
        for cutoff in cutoffs:
            key = (cutoff.kind, cutoff.value)
            self.cut[key] = max(cutoff.at, self.cut.get(key, cutoff.at))
            self.cutoffs.append(cutoff)

    def _issue(self, token: TokenRecord) -> None:
        if token.jti in self.tokens:
            raise WriteRefusedError(f"the token {token.jti} exists")
        self.tokens[token.jti] = self.issued[token.jti] = token

    def _spend(self, spend: Spend) -> SpendResult:
        record = self._cut_off(self.tokens.get(spend.jti))
        key = use_key(spend)
        result = decide_spend(record, spend, self.uses.get(key), now=self.now)
        if record is not None and result.use is not None and not result.repeated:
            self.uses[key] = self.spent[key] = result.use
            self._change(replace(record, used=result.use))
        return result

    def _cut_off(self, record: TokenRecord | None) -> TokenRecord | None:
        return None if record is None else cut_off(record, self.cut)

    def _revoke(self, revocation: Revocation) -> bool:
        ended = revoke(self._cut_off(self.tokens.get(revocation.jti)), revocation.at)
        if ended is not None:
            self._change(ended)
            self._cut([Cutoff(CutoffKind.TOKEN, ended.jti, revocation.at, ended.expires_at)])
        return ended is not None

    def _move(self, move: PolicyMove) -> bool:
        if move.seen != self.policy.revision:
            return False
        since = self.policy.live_since if move.live == self.policy.live else self.now
        self.policy = PolicyState(move.seen + 1, move.live, move.candidate, since)
        self.moves.append(move)
        return True

    def _change(self, record: TokenRecord) -> None:
        self.tokens[record.jti] = record
        target = self.issued if record.jti in self.issued else self.changed
        target[record.jti] = record
