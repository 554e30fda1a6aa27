"""Answer a transaction challenge: ``POST /transaction-authorization`` (txn-challenge draft §4)."""

import hashlib
from dataclasses import dataclass
from typing import Any

from fleeting.core.challenge import Challenge, carried_chain, challenge_resource, read_challenge
from fleeting.core.context import parse_context
from fleeting.core.errors import InvalidTransactionChallenge
from fleeting.core.forms import Form
from fleeting.core.jose import JoseError
from fleeting.core.model import AccessRequest, AskedBy, Claim
from fleeting.core.requests import parse_challenge_request, resolve_target
from fleeting.usecases.calling import CHALLENGE_SPACE, Call, Desk, Story
from fleeting.usecases.minting import Mint
from fleeting.usecases.parties import PartyKeys, verified_by
from fleeting.usecases.subjects import Subjects


@dataclass(frozen=True, slots=True)
class AuthorizeTransaction:
    """Give the token that a resource server's challenge asks for, or say why not.

    The operation comes from the signed challenge alone: what a client writes beside it is refused.
    """

    desk: Desk
    subjects: Subjects
    mint: Mint
    resource_keys: PartyKeys

    async def __call__(self, call: Call) -> dict[str, Any]:
        """Return the body of the token response.

        Raises:
            InvalidTransactionChallenge: not acceptable, or used before.
            OAuthError: as ``IssueToken``.
        """
        async with self.desk.story(call) as story:
            authenticated = self.desk.authenticate(story)
            key = self.desk.prove_key(story, authenticated)
            challenge = await self._read(story, call.form)
            asked = parse_challenge_request(
                call.form,
                details=challenge.details,
                scopes=challenge.scopes,
                resource=challenge.resource,
            )
            story.ask = asked.ask
            subject, actors = await self.subjects.of(story, authenticated, asked, key)
            installation = story.rules.installation
            target = resolve_target(asked.ask, installation.catalogue)
            request = AccessRequest(
                id=call.request_id,
                txn=challenge.txn,  # draft §4: the token MUST contain the same txn
                asked_by=AskedBy.CHALLENGE,
                subject=subject,
                actors=carried_chain(actors, challenge, authenticated.client.client_id),
                client=authenticated.client,
                resource=target.resource,
                operations=target.operations,
                context=parse_context(asked.ask.context, installation.context_keys),
                key=key,
            )
            return await self.mint(story, request)

    async def _read(self, story: Story, form: Form) -> Challenge:
        text = form.require("transaction_challenge")
        resource, installation = challenge_resource(text), story.rules.installation
        if resource is None or resource not in installation.catalogue.resources:
            raise InvalidTransactionChallenge("the challenge is of a resource not known here")
        try:
            challenge = await verified_by(
                resource,
                self.resource_keys,
                lambda keys: read_challenge(
                    text,
                    keys,
                    resource=resource,
                    authorization_server=installation.issuer,
                    now=story.now,
                ),
            )
        except JoseError as error:
            raise InvalidTransactionChallenge(f"the challenge is not acceptable: {error}") from None
        digest = hashlib.sha256(challenge.jti.encode()).digest()
        space = f"{CHALLENGE_SPACE}{resource}"
        story.claims.append(Claim(space, digest, challenge.expires_at, only_with_success=True))
        return challenge
