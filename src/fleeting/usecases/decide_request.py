"""Everything that a person can do about access requests: each deed decided, recorded, done once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleeting.core.access_requests import RequestRecord
from fleeting.core.approvals import check_seen, groups_of, is_behind, may_decide, offer_digest
from fleeting.core.errors import InvalidRequest, NotAllowed
from fleeting.core.extending import extension, extension_entry
from fleeting.core.offers import Narrowing, narrowed
from fleeting.core.people import ConsoleAction, Person, SignedIn
from fleeting.core.request_deeds import (
    Deed,
    answered,
    asked,
    cancelled,
    check_pending,
    check_said,
    denied,
    narrowed_to,
    returned,
    review_closed,
    revoked,
)
from fleeting.ports import Ids
from fleeting.usecases.approve_request import ApproveRequest
from fleeting.usecases.be_away import BeAway
from fleeting.usecases.gathering_people import situation_of
from fleeting.usecases.reconsidering_request import second_look
from fleeting.usecases.request_desk import Doing, RequestDesk
from fleeting.usecases.revoke_access import RevokeAccess


@dataclass(frozen=True, slots=True)
class DecideRequest:
    """The deeds of a signed-in person. All raise ``OAuthError``; each refusal is recorded."""

    desk: RequestDesk
    ids: Ids

    async def approve(
        self, who: SignedIn, id_: str, offer_digest: str, comment: str = ""
    ) -> RequestRecord:
        """Say yes to the offer that was seen; see ``ApproveRequest``."""
        return await ApproveRequest(self.desk)(who, id_, offer_digest, comment)

    async def deny(self, who: SignedIn, id_: str, reason: str) -> RequestRecord:
        """Say no; the reason is told to who asked.

        Raises:
            NotAllowed: for who is not asked, and for who stands behind it: they can cancel it.
        """

        async def decide(doing: Doing) -> Deed:
            _not_behind(doing, "cancel it instead")
            await self._check_asked(doing)
            said = check_said(reason, "reason")
            return denied(doing.record, doing.person, said, doing.now)

        return await self.desk.do(who, id_, ConsoleAction.DENY, decide)

    async def narrow(
        self, who: SignedIn, id_: str, narrowing: Narrowing, digest: str = ""
    ) -> RequestRecord:
        """Make the offer smaller for all who decide after, and for who asked.

        digest: of the offer that was seen, where it counts: a page's form says what to keep of it.

        Raises:
            RequestChanged: another offer stands now, or it waits for nobody.
            InvalidRequest: it would be wider, nothing, the same, or what policy does not permit.
        """

        async def decide(doing: Doing) -> Deed:
            check_pending(doing.record)
            check_seen(doing.record, digest or offer_digest(doing.record))
            await self._check_asked(doing)
            rules = self.desk.rules.rules()
            types = rules.installation.catalogue.types
            offer = narrowed(doing.record.offer, narrowing, types)
            look = await second_look(doing.record, rules, self.desk.people, doing.now, offer=offer)
            if look.said.refusal is not None:
                raise InvalidRequest(f"policy does not permit what is left: {look.said.refusal}")
            return narrowed_to(doing.record, offer, doing.person, doing.now, types)

        return await self.desk.do(who, id_, ConsoleAction.NARROW, decide)

    async def ask(self, who: SignedIn, id_: str, text: str) -> RequestRecord:
        """Ask whoever stands behind it a question."""

        def decide(doing: Doing) -> Deed:
            return asked(doing.record, doing.person, check_said(text, "question"), doing.now)

        return await self._do(who, id_, ConsoleAction.ASK, decide)

    async def answer(self, who: SignedIn, id_: str, text: str) -> RequestRecord:
        """Answer what was asked."""

        def decide(doing: Doing) -> Deed:
            return answered(doing.record, doing.person, check_said(text, "answer"), doing.now)

        return await self._do(who, id_, ConsoleAction.ANSWER, decide)

    async def cancel(self, who: SignedIn, id_: str, reason: str = "") -> RequestRecord:
        """Take it back before it is collected."""
        return await self._end(who, id_, ConsoleAction.CANCEL, cancelled, reason)

    async def return_(self, who: SignedIn, id_: str, reason: str = "") -> RequestRecord:
        """Give it back before its end: its tokens end now."""
        return await self._end(who, id_, ConsoleAction.RETURN, returned, reason)

    async def revoke(self, who: SignedIn, id_: str, reason: str = "") -> RequestRecord:
        """Take it away: its tokens end now."""
        return await self._end(who, id_, ConsoleAction.REVOKE, revoked, reason)

    async def extend(self, who: SignedIn, id_: str, duration: timedelta) -> RequestRecord:
        """Ask for it to be longer; returns the new request, which its people decide.

        Raises:
            RequestChanged: it is no grant. InvalidRequest: longer than it was for.
        """
        action = ConsoleAction.EXTEND
        async with self.desk.refusals(who, action, id_):
            grant = await self.desk.found(id_)
            person = await self.desk.allowed(who, action, grant)
            now = self.desk.clock.now()
            new = extension(grant, self.ids.new_id(), self.ids.new_id(), duration, now)
            types = self.desk.rules.rules().installation.catalogue.types
            deed = Deed(new, (extension_entry(new, person.id, types),))
            kept = await self.desk.commit(deed, now)
            return new if kept is None else kept  # a fresh id is nobody else's

    async def close_review(self, who: SignedIn, id_: str, note: str) -> RequestRecord:
        """Close the review of what went ahead at once; never by who stands behind it."""

        def decide(doing: Doing) -> Deed:
            _not_behind(doing, "somebody else reviews it")
            said = check_said(note, "note")
            return review_closed(doing.record, doing.person, said, doing.now)

        return await self._do(who, id_, ConsoleAction.REVIEW, decide)

    async def delegate(
        self, who: SignedIn, to: str | None, until: datetime | None = None
    ) -> Person:
        """Be away; see ``BeAway``."""
        return await BeAway(self.desk)(who, to, until)

    async def revoke_all(self, who: SignedIn, kind: str, value: str, reason: str) -> list[str]:
        """End everything of somebody; see ``RevokeAccess``."""
        return await RevokeAccess(self.desk)(who, kind, value, reason)

    async def _check_asked(self, doing: Doing) -> None:
        """Refuse the no, and the less, of who is not one of those who are asked.

        Raises:
            NotAllowed: this person is none of them.
        """
        situation = await situation_of(self.desk, doing.record, doing.now)
        if not may_decide(doing.record, doing.person, situation):
            groups = " or ".join(sorted(groups_of(doing.record)))
            raise NotAllowed(f"it is for {groups} to decide")

    async def _do(
        self, who: SignedIn, id_: str, action: ConsoleAction, decide: Callable[[Doing], Deed]
    ) -> RequestRecord:
        async def at_once(doing: Doing) -> Deed:
            return decide(doing)

        return await self.desk.do(who, id_, action, at_once)

    async def _end(
        self,
        who: SignedIn,
        id_: str,
        action: ConsoleAction,
        end: Callable[[RequestRecord, Person, str, datetime], Deed],
        reason: str,
    ) -> RequestRecord:
        def decide(doing: Doing) -> Deed:
            said = check_said(reason, "reason", optional=True)
            return end(doing.record, doing.person, said, doing.now)

        return await self._do(who, id_, action, decide)


def _not_behind(doing: Doing, instead: str) -> None:
    if is_behind(doing.record, doing.person):
        raise NotAllowed(f"you stand behind this request: {instead}")
