"""Approve: one person's yes to exactly what they saw; after the last, policy is asked again."""

from dataclasses import dataclass, replace

from fleeting.core.access_requests import RequestRecord, Vote
from fleeting.core.approvals import (
    NoSeat,
    Seat,
    Situation,
    Standing,
    check_seen,
    counting,
    met,
    reassigned,
    seat_of,
    standing,
    with_vote,
)
from fleeting.core.errors import InsufficientUserAuthentication, NotAllowed, RequestChanged
from fleeting.core.extending import extended
from fleeting.core.people import ConsoleAction, SignedIn
from fleeting.core.request_deeds import (
    Deed,
    approved,
    check_pending,
    check_said,
    denied_by_policy,
    in_effect,
    voted,
)
from fleeting.ports import RecordKind
from fleeting.usecases.gathering_people import by_ids, situation_of
from fleeting.usecases.reconsidering_request import second_look
from fleeting.usecases.request_desk import Doing, RequestDesk
from fleeting.usecases.request_rows import read_row

_GONE = "what this would make longer is over"


@dataclass(frozen=True, slots=True)
class ApproveRequest:
    """One vote, and what comes of it."""

    desk: RequestDesk

    async def __call__(
        self, who: SignedIn, id_: str, digest: str, comment: str = ""
    ) -> RequestRecord:
        """Return the request with the vote; digest: of the offer that was seen.

        Raises:
            RequestChanged: another offer stands now, or it waits for nobody.
            NotAllowed: it is not this person's to decide, or not now.
            InsufficientUserAuthentication: with a fresher login it would be.
        """

        async def decide(doing: Doing) -> Deed:
            return await self._decide(doing, digest, check_said(comment, "comment", optional=True))

        return await self.desk.do(who, id_, ConsoleAction.APPROVE, decide)

    async def _decide(self, doing: Doing, digest: str, comment: str) -> Deed:
        record = doing.record
        check_pending(record)
        check_seen(record, digest)
        situation = await situation_of(self.desk, record, doing.now)
        people = {**situation.people, **by_ids([doing.person])}
        situation = replace(situation, people=people)
        vote = _vote(doing, _seat(doing, situation), comment)
        record = with_vote(record, vote)
        counted = standing(record, situation)
        missing = sum(stage.missing for stage in counted.stages)
        entry = voted(record, vote, missing, situation.types)
        deed = Deed(record, ())
        if counted.met:
            deed = await self._after_the_last(doing, record, counted, situation)
        return replace(deed, entries=(entry, *deed.entries))

    async def _after_the_last(
        self, doing: Doing, record: RequestRecord, counted: Standing, situation: Situation
    ) -> Deed:
        """Return what the last vote comes to: policy has the last word."""
        rules = self.desk.rules.rules()
        look = await second_look(record, rules, self.desk.people, doing.now)
        if look.said.refusal is not None or look.decision is None:
            reason = look.said.refusal or ""
            return denied_by_policy(record, reason, look.decision, doing.now)
        votes, terms = counting(counted), look.said.terms
        if not met(terms.stages, votes, terms.escalation):  # other policies than when it was asked
            votes = reassigned(votes, terms.stages, terms.escalation)
            return Deed(replace(record, terms=terms, votes=votes), ())
        deed = approved(record, counted, look.decision, doing.now, situation.types)
        return (
            in_effect(deed, doing.now)
            if record.extends is None
            else await self._extend(deed, doing)
        )

    async def _extend(self, deed: Deed, doing: Doing) -> Deed:
        row = await self.desk.store.record(RecordKind.REQUEST, deed.record.extends or "")
        types = self.desk.rules.rules().installation.catalogue.types
        if row is None:
            return denied_by_policy(doing.record, _GONE, None, doing.now)
        try:
            return extended(deed, read_row(row, types), doing.now)
        except RequestChanged:
            return denied_by_policy(doing.record, _GONE, None, doing.now)


def _seat(doing: Doing, situation: Situation) -> Seat:
    seat = seat_of(doing.record, doing.person, doing.who.signed_in_at, situation)
    if isinstance(seat, Seat):
        return seat
    raise _refusal(seat)


def _refusal(seat: NoSeat) -> NotAllowed | InsufficientUserAuthentication:
    return InsufficientUserAuthentication(seat.why) if seat.stale else NotAllowed(seat.why)


def _vote(doing: Doing, seat: Seat, comment: str) -> Vote:
    person = doing.person
    return Vote(
        person.id,
        person.name,
        doing.now,
        seat.stage,
        seat.group,
        doing.record.offer,
        doing.who.signed_in_at,
        comment,
        seat.instead_of,
    )
