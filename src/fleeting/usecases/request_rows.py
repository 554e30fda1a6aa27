"""Access requests as rows of the store: how they are listed, read, changed, and cut off."""

from collections.abc import Collection
from datetime import datetime

from fleeting.core.access_requests import RequestRecord
from fleeting.core.durations import LONGEST
from fleeting.core.lifecycle import Status
from fleeting.core.offers import Types
from fleeting.core.request_deeds import Deed
from fleeting.core.request_text import read_record, write_record
from fleeting.ports import (
    Cutoff,
    CutoffKind,
    Record,
    RecordChange,
    RecordKind,
    Write,
    unless_stale,
)

_REVIEW = ".review"


def state_of(record: RequestRecord) -> str:
    """Return the word that *record* is listed by: its status, and whether a review is open."""
    review = record.review
    return record.status.value + (_REVIEW if review and review.closed_by is None else "")


def states_of(statuses: Collection[Status]) -> tuple[str, ...]:
    """Return the words that requests in *statuses* are listed by."""
    return tuple(status.value + end for status in statuses for end in ("", _REVIEW))


OPEN_REVIEWS = tuple(status.value + _REVIEW for status in Status)
"""The words that requests with an open review are listed by."""


def read_row(row: Record, types: Types) -> RequestRecord:
    """Return the access request that a row is of.

    Raises:
        ValueError: no version up to this one wrote it.
    """
    return read_record(row.text, row.revision, types)


def change_of(record: RequestRecord) -> RecordChange:
    """Return the wish to keep *record* in the place of the revision that it was read as."""
    return RecordChange(
        RecordKind.REQUEST,
        record.id,
        record.revision,
        state_of(record),
        write_record(record),
        record.due_at,
    )


def write_of(*deeds: Deed, now: datetime) -> Write:
    """Return the wish that all of *deeds* happen, each with its entries, or nothing does."""
    records = [record for deed in deeds for record in (deed.record, *deed.also)]
    ended = [deed.record for deed in deeds if deed.ends]
    return Write(
        changes=tuple(map(change_of, records)),
        cutoffs=tuple(cutoff for record in ended for cutoff in _cutoffs_of(record, now)),
        record=unless_stale(*(entry for deed in deeds for entry in deed.entries)),
    )


def _cutoffs_of(record: RequestRecord, at: datetime) -> tuple[Cutoff, ...]:
    """Return what ends every token of *record*; by name, too, for guards know only those."""
    until = at + LONGEST
    tokens = [it for it in record.minted if it.expires_at > at]
    return (
        Cutoff(CutoffKind.REQUEST, record.id, at, until),
        *(Cutoff(CutoffKind.TOKEN, it.jti, at, it.expires_at) for it in tokens),
    )
