"""End everything of a token, a client, a subject, or all that one approver let through."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fleeting.core.access_requests import RequestRecord
from fleeting.core.durations import LONGEST
from fleeting.core.errors import InvalidRequest, TemporarilyUnavailable
from fleeting.core.evidence import Entry, EntryKind
from fleeting.core.lifecycle import Status
from fleeting.core.model import Json
from fleeting.core.offers import Types
from fleeting.core.people import ConsoleAction, Person, SignedIn
from fleeting.core.request_deeds import (
    ALIVE,
    Deed,
    access_revoked_entry,
    cancelled,
    check_said,
    revoked,
    without_votes_of,
)
from fleeting.ports import Cutoff, CutoffKind, Outcome, Record, RecordKind, Revocation, Write
from fleeting.usecases.request_desk import RequestDesk
from fleeting.usecases.request_rows import read_row, states_of

_MOST = 1_000_000
_AT_ONCE = 64
_ATTEMPTS = 8


class AccessOf(StrEnum):
    """Whose access ends."""

    TOKEN = "token"  # noqa: S105 -- a kind, not a secret
    CLIENT = "client"
    SUBJECT = "subject"
    APPROVER = "approver"


_CUTOFFS = {AccessOf.CLIENT: CutoffKind.CLIENT, AccessOf.SUBJECT: CutoffKind.SUBJECT}


@dataclass(frozen=True, slots=True)
class RevokeAccess:
    """The exact end: from the commit on no spend of such a token succeeds."""

    desk: RequestDesk

    async def __call__(self, who: SignedIn, kind: str, value: str, reason: str) -> list[str]:
        """End it, and return the ids of the requests that changed.

        The tokens go first, all at once. Then each request goes by itself, with its own entry.

        Raises:
            NotAllowed: by role. InvalidRequest: no such kind, or no reason.
        """
        async with self.desk.refusals(who, ConsoleAction.REVOKE):
            person = await self.desk.allowed(who, ConsoleAction.REVOKE)
            said, of = check_said(reason, "reason"), _kind(kind)
            value = check_said(value, kind)  # a name with something unseen in it is nobody's
            if of is AccessOf.TOKEN:
                return await self._token(value, person, said)
            affected = await self._affected(of, value)
            await self._cut(of, value, person, said, affected)
            # What began to wait meanwhile is theirs, too.
            return await self._move(await self._affected(of, value), of, value, person, said)

    async def _token(self, jti: str, by: Person, reason: str) -> list[str]:
        token = await self.desk.store.find(jti)
        if token is None:
            raise InvalidRequest("there is no such token: name it by its jti")
        now = self.desk.clock.now()

        def record(outcome: Outcome) -> Sequence[Entry]:
            body: dict[str, Json] = {
                "client": token.client_id,
                "ended": outcome.revoked,
                "by": by.id,
                "name": by.name,
                "reason": reason,
            }
            kind = EntryKind.TOKEN_REVOKED
            return (Entry(kind, now, token.request_id, body, token.txn, token.jti),)

        await self.desk.store.commit(Write(revoke=Revocation(jti, now), record=record))
        return []

    async def _affected(self, of: AccessOf, value: str) -> Sequence[RequestRecord]:
        rows = await self.desk.store.records(
            RecordKind.REQUEST, states=states_of(ALIVE), limit=_MOST
        )
        types = self.desk.rules.rules().installation.catalogue.types
        concerns = await self._concerns(of, value)
        records = (_readable(row, types) for row in rows)
        return [record for record in records if record is not None and concerns(record)]

    async def _concerns(self, of: AccessOf, value: str) -> Callable[[RequestRecord], bool]:
        if of is AccessOf.CLIENT:
            return lambda record: record.request.client.client_id == value
        if of is AccessOf.SUBJECT:
            return lambda record: record.request.subject.id == value
        ids = await self._ids(value)
        return lambda record: any({it.person, it.instead_of} & ids for it in record.votes)

    async def _ids(self, value: str) -> frozenset[str]:
        person = await self.desk.people.person(value)
        return frozenset({value}) if person is None else person.ids

    async def _cut(
        self,
        of: AccessOf,
        value: str,
        by: Person,
        reason: str,
        affected: Sequence[RequestRecord],
    ) -> None:
        now = self.desk.clock.now()
        ids = [record.id for record in affected]
        entry = access_revoked_entry(of.value, value, by, reason, ids, now)
        cutoffs = (Cutoff(_CUTOFFS[of], value, now, now + LONGEST),) if of in _CUTOFFS else ()
        await self.desk.store.commit(Write(cutoffs=cutoffs, record=lambda _: (entry,)))

    async def _move(
        self,
        affected: Sequence[RequestRecord],
        of: AccessOf,
        value: str,
        by: Person,
        reason: str,
    ) -> list[str]:
        ids = await self._ids(value) if of is AccessOf.APPROVER else frozenset[str]()
        moved: list[str] = []
        for start in range(0, len(affected), _AT_ONCE):
            some = affected[start : start + _AT_ONCE]
            ends = [self._end(record.id, ids, by, reason) for record in some]
            told = await asyncio.gather(*ends)
            moved += [id_ for id_ in told if id_ is not None]
        return moved

    async def _end(self, id_: str, ids: frozenset[str], by: Person, reason: str) -> str | None:
        """End one request, whatever became of it meanwhile; None: it was over by itself."""
        for _ in range(_ATTEMPTS):
            record, now = await self.desk.found(id_), self.desk.clock.now()
            if record.status not in ALIVE:
                return None
            if await self.desk.commit(_end(record, ids, by, reason, now), now) is not None:
                return id_
        raise TemporarilyUnavailable("a request is being changed all the time: try again")


def _end(
    record: RequestRecord, ids: frozenset[str], by: Person, reason: str, now: datetime
) -> Deed:
    """Return the end of *record*; ids: of the approver whose votes go, where it is about one."""
    if record.status is not Status.PENDING:
        return revoked(record, by, reason, now)
    if ids:
        return without_votes_of(record, ids, by, reason, now)
    return cancelled(record, by, reason, now)


def _readable(row: Record, types: Types) -> RequestRecord | None:
    """Return the request; None where its row was altered: nobody collects anything of that."""
    try:
        return read_row(row, types)
    except ValueError:
        return None


def _kind(kind: str) -> AccessOf:
    try:
        return AccessOf(kind)
    except ValueError:
        raise InvalidRequest("revoke one of: token, client, subject, approver") from None
