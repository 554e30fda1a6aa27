"""Say whether a token is alive, to the resource it is for: ``POST /introspect`` (RFC 7662)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleeting.core.issuance import token_claims
from fleeting.core.spending import is_alive
from fleeting.core.validation import INACTIVE, introspection_response
from fleeting.ports import Tokens
from fleeting.usecases.calling import Call
from fleeting.usecases.guarding import GuardDesk


@dataclass(frozen=True, slots=True)
class IntrospectToken:
    """Tell the state of a token. This never spends a use (DESIGN §6)."""

    guards: GuardDesk
    tokens: Tokens

    async def __call__(self, call: Call) -> Mapping[str, Any]:
        """Return the introspection response; for anyone but the token's audience, inactive."""
        async with self.guards.desk.story(call) as story:
            resource = self.guards.resource_of(story)
            text = call.form.require("token")
            await self.guards.claim(story)
            token = self.guards.read(story, text)
            if token is None or resource is None or token.audience != resource.identifier:
                return INACTIVE
            record = await self.tokens.find(token.jti)
            if record is None or not is_alive(record, story.now):
                return INACTIVE
            return introspection_response(token, token_claims(token), record)
