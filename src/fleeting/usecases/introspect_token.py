"""Say whether a token is alive, to the resource it is for: ``POST /introspect`` (RFC 7662)."""

from dataclasses import dataclass
from typing import Any

from fleeting.core.issuance import token_claims
from fleeting.core.model import AccessToken, TokenRecord
from fleeting.core.validation import introspection_response
from fleeting.ports import Tokens
from fleeting.usecases.calling import Call, Story
from fleeting.usecases.guarding import GuardDesk

_INACTIVE: dict[str, Any] = {"active": False}  # RFC 7662 §2.2: and not a word more


@dataclass(frozen=True, slots=True)
class IntrospectToken:
    """Tell the state of a token. This never spends a use (DESIGN §6)."""

    guards: GuardDesk
    tokens: Tokens

    async def __call__(self, call: Call) -> dict[str, Any]:
        """Return the introspection response; for anyone but the token's audience, inactive."""
        async with self.guards.desk.story(call) as story:
            resource = self.guards.resource_of(story)
            text = call.form.require("token")
            await self.guards.claim(story)
            token = self.guards.read(text)
            if token is None or resource is None or token.audience != resource.identifier:
                return _INACTIVE
            record = await self.tokens.find(token.jti)
            return _response(story, token, record)


def _response(story: Story, token: AccessToken, record: TokenRecord | None) -> dict[str, Any]:
    if record is None or record.revoked_at is not None or story.now >= record.expires_at:
        return _INACTIVE
    if record.uses is None:
        return introspection_response(token, token_claims(token))
    if record.used >= record.uses:
        return _INACTIVE
    return {
        **introspection_response(token, token_claims(token)),
        "uses_left": record.uses - record.used,
    }
