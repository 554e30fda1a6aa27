"""Issue one access token: ``POST /token`` (RFC 6749 §4.4, RFC 8693, RFC 9396)."""

from dataclasses import dataclass
from typing import Any

from fleeting.core.context import parse_context
from fleeting.core.model import AccessRequest, AskedBy
from fleeting.core.requests import (
    TOKEN_EXCHANGE,
    TOKEN_TYPE_ACCESS_TOKEN,
    parse_token_request,
    resolve_target,
)
from fleeting.ports import Ids
from fleeting.usecases.calling import Call, Desk
from fleeting.usecases.minting import Mint
from fleeting.usecases.subjects import Subjects


@dataclass(frozen=True, slots=True)
class IssueToken:
    """Answer a token request with what is asked ∩ permitted."""

    desk: Desk
    subjects: Subjects
    mint: Mint
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
            )
            response = await self.mint(story, request)
            if exchange:
                response["issued_token_type"] = TOKEN_TYPE_ACCESS_TOKEN  # RFC 8693 §2.2.1
            return response
