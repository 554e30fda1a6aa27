"""Issue one access token: ``POST /token`` (RFC 6749 §4.4, RFC 8693, RFC 9396)."""

from dataclasses import dataclass
from typing import Any

from fleeting.core.context import parse_context
from fleeting.core.model import AccessRequest, AskedBy
from fleeting.core.plans import parse_plan
from fleeting.core.requests import (
    TOKEN_EXCHANGE,
    TOKEN_TYPE_ACCESS_TOKEN,
    Approach,
    parse_approach,
    parse_token_request,
    resolve_target,
)
from fleeting.ports import Ids
from fleeting.usecases.calling import Call, Desk, Story
from fleeting.usecases.collect_token import CollectToken, Coming
from fleeting.usecases.minting import Mint
from fleeting.usecases.subjects import Subjects


@dataclass(frozen=True, slots=True)
class IssueToken:
    """Answer a token request with what is asked ∩ permitted."""

    desk: Desk
    subjects: Subjects
    mint: Mint
    collect: CollectToken
    ids: Ids

    async def __call__(self, call: Call) -> dict[str, Any]:
        """Return the body of the token response.

        Raises:
            OAuthError: any of ``core.errors``' first part; recorded before it leaves.
        """
        async with self.desk.story(call) as story:
            authenticated = self.desk.authenticate(story)
            key = self.desk.prove_key(story, authenticated)
            asked = parse_token_request(call.form)
            approach = parse_approach(call.form)
            story.ask = asked.ask
            subject, actors = await self.subjects.of(story, authenticated, asked, key)
            installation = story.rules.installation
            target = resolve_target(asked.ask, installation.catalogue)
            exchange = asked.grant_type == TOKEN_EXCHANGE
            request = AccessRequest(
                id=call.request_id,
                txn=self.ids.new_id(),
                asked_by=AskedBy.TOKEN_EXCHANGE if exchange else AskedBy.CLIENT_CREDENTIALS,
                subject=subject,
                actors=actors,
                client=authenticated.client,
                resource=target.resource,
                operations=target.operations,
                context=parse_context(asked.ask.context, installation.context_keys),
                key=key,
                break_glass=approach.break_glass,
            )
            response = await self._answer(story, request, approach)
            if exchange:
                response["issued_token_type"] = TOKEN_TYPE_ACCESS_TOKEN  # RFC 8693 §2.2.1
            return response

    async def _answer(
        self, story: Story, request: AccessRequest, approach: Approach
    ) -> dict[str, Any]:
        """Give what policy permits at once, what people approved, or put it before them."""
        plan = None
        if approach.plan is not None:
            types = story.rules.installation.catalogue.types
            plan = parse_plan(approach.plan, request.operations, types)
        if approach.access_request_id is None:
            return await self.mint(story, request, plan)
        return await self.collect(story, Coming(approach.access_request_id, request, plan))
