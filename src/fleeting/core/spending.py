"""When a token may be spent or ended: the one rule that every store applies under its own lock."""

import hashlib
from dataclasses import replace
from datetime import datetime

from fleeting.core.evidence import canonical_body
from fleeting.core.model import Operation, Spend, SpendRefusal, SpendResult, TokenRecord


def operation_digest(operation: Operation | None) -> bytes:
    """Return what tells apart the operations that spends are for; nothing for none."""
    if operation is None:
        return b""
    return hashlib.sha256(canonical_body(operation.to_json()).encode()).digest()


def decide_spend(
    record: TokenRecord | None, spend: Spend, earlier_use: int | None, *, now: datetime
) -> SpendResult:
    """Return what *spend* gets of the token remembered as *record* (DESIGN D5).

    earlier_use: the number under which this very ``use_id`` was spent before for the same
    operation, or None.
    This does NOT make the spend atomic: the store holds the token's lock around it.
    """
    if record is None:
        return SpendResult(None, None, SpendRefusal.UNKNOWN)
    if record.audience != spend.audience:
        # RFC 7662 §4: what the token is worth elsewhere is not this resource's to know.
        return SpendResult(None, None, SpendRefusal.AUDIENCE)
    refusal = _refusal(record, now)
    if refusal is not None:
        return SpendResult(None, record.uses, refusal)
    if earlier_use is not None:
        return SpendResult(earlier_use, record.uses, repeated=True)
    if record.uses is not None and record.used >= record.uses:
        return SpendResult(None, record.uses, SpendRefusal.SPENT)
    return SpendResult(record.used + 1, record.uses)


def _refusal(record: TokenRecord, now: datetime) -> SpendRefusal | None:
    if record.revoked_at is not None:
        return SpendRefusal.REVOKED
    return SpendRefusal.EXPIRED if now >= record.expires_at else None


def is_alive(record: TokenRecord, now: datetime) -> bool:
    """Say whether the token could be used once more (RFC 7662 §4)."""
    unspent = record.uses is None or record.used < record.uses
    return unspent and _refusal(record, now) is None


def revoke(record: TokenRecord | None, at: datetime) -> TokenRecord | None:
    """Return *record* ended at *at*, or None where there is no live token to end (RFC 7009 §2.2).

    A token whose uses are all spent can still be revoked: nothing else says that it must not live.
    """
    if record is None or _refusal(record, at) is not None:
        return None
    return replace(record, revoked_at=at)
