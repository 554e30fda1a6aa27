"""Decide, sign, commit: from an access request to its token, whichever door it came through."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from fleeting.core.access_requests import Plan, RequestRecord
from fleeting.core.asking import behind, break_glass_terms, needs_people
from fleeting.core.ceremony import BreakGlassTerms
from fleeting.core.collecting import broken_glass, review_entries
from fleeting.core.issuance import (
    ACCESS_TOKEN_TYP,
    Grantable,
    check_size,
    decide_token,
    grantable,
    refused_json,
    token_claims,
    token_record,
    token_response,
    within_subject_token,
)
from fleeting.core.jose import KeySet
from fleeting.core.model import AccessRequest, AccessToken, Decision
from fleeting.core.recording import issued_entry
from fleeting.ports import Ids, Write
from fleeting.usecases.asking_people import AskPeople
from fleeting.usecases.calling import Desk, Story
from fleeting.usecases.hinting import Hints
from fleeting.usecases.request_rows import change_of


class Signer(Protocol):
    """The holder of the signing keys."""

    def sign(self, typ: str, claims: Mapping[str, Any]) -> str:
        """Return *claims* as a compact JWS by the active key."""
        ...

    def keys(self) -> KeySet:
        """Return every key whose signatures still count: active, coming and retiring."""
        ...


@dataclass(frozen=True, slots=True)
class Mint:
    """Make the one token that an access request is worth. Nothing leaves before it is recorded.

    on_broken_glass: told what went ahead without people, once it is recorded.
    """

    desk: Desk
    signer: Signer
    ids: Ids
    hints: Hints
    ask_people: AskPeople
    on_broken_glass: Callable[[RequestRecord], None]

    async def __call__(
        self, story: Story, request: AccessRequest, plan: Plan | None = None
    ) -> dict[str, Any]:
        """Return the token response (RFC 6749 §5.1).

        Raises:
            AuthorizationPending: people must decide; the request waits from now on.
            AccessDenied and its kind: see ``core.issuance.grantable``.
        """
        decision = self.decide(story, request)
        permits = story.rules.policy.policies
        alarm = None if request.break_glass is None else break_glass_terms(decision, permits)
        waits = plan is not None or (alarm is None and needs_people(decision))
        with self.hints.on_refusal(story.rules.policy, request, decision, story.now):
            granted = (
                self.ask_people.draft(story, request, decision, plan)
                if waits
                else grantable(request, decision)
            )
        if isinstance(granted, RequestRecord):
            pending = await self.ask_people(story, granted, decision)
            with self.hints.on_refusal(story.rules.policy, request, decision, story.now):
                raise pending
        token, signed = self.sign(story, request, granted)

        if alarm is None:
            entry = issued_entry(request, decision, token, story.now)
            write = Write(token=token_record(token, request.id), record=lambda _: (entry,))
            await self.desk.commit(story, write)
            more = {}
        else:
            more = await self._break_glass(story, request, decision, token, alarm)

        refused = refused_json(request.operations, granted.refused)
        return {**token_response(token, signed, refused), **more}

    def decide(self, story: Story, request: AccessRequest) -> Decision:
        """Return what policy says of *request*, within what the subject token itself carries."""
        story.request = request
        rules = story.rules
        permitted = rules.policy.decide(request, now=story.now)
        if rules.shadow is not None:
            differed = rules.shadow.watch(request, permitted, now=story.now)
            story.aside = () if differed is None else (differed,)
        types = rules.installation.catalogue.types
        story.decision = within_subject_token(request, permitted, types)
        return story.decision

    def sign(
        self, story: Story, request: AccessRequest, granted: Grantable
    ) -> tuple[AccessToken, str]:
        """Return the token that *granted* is worth, and its signed text; not yet known to anybody.

        Raises:
            InvalidGrant, InvalidAuthorizationDetails: see ``core.issuance``.
        """
        token = decide_token(
            request,
            granted,
            issuer=story.rules.installation.issuer,
            jti=self.ids.new_id(),
            now=story.now,
        )
        signed = self.signer.sign(ACCESS_TOKEN_TYP, token_claims(token))
        check_size(signed)
        return token, signed

    async def _break_glass(
        self,
        story: Story,
        request: AccessRequest,
        decision: Decision,
        token: AccessToken,
        alarm: BreakGlassTerms,
    ) -> dict[str, Any]:
        """Record token and review in one, then raise the alarm."""
        rules = story.rules
        clients = {name: it.client for name, it in rules.installation.registrations.items()}
        record = broken_glass(
            request,
            decision,
            rules.policy.policies,
            alarm,
            token,
            behind=behind(request, clients),
            now=story.now,
        )
        issued = issued_entry(request, decision, token, story.now)
        entries = (issued, *review_entries(record))
        write = Write(
            token=token_record(token, request.id),
            changes=(change_of(record),),
            record=lambda _: entries,  # the id is fresh: nobody can have been first
        )
        await self.desk.commit(story, write)
        self.on_broken_glass(record)
        return {"access_request_id": record.id}
