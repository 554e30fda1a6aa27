"""Answer a transaction challenge: ``POST /transaction-authorization`` (txn-challenge draft §4)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fleeting.core.challenge import Challenge, carried_chain, challenge_resource, read_challenge
from fleeting.core.collecting import NOT_YOURS
from fleeting.core.context import parse_context
from fleeting.core.errors import (
    AccessDenied,
    AuthorizationPending,
    InvalidGrant,
    InvalidTransactionChallenge,
)
from fleeting.core.forms import Form
from fleeting.core.jose import JoseError
from fleeting.core.model import (
    AccessRequest,
    AskedBy,
    Claim,
    Client,
    SenderKey,
    SubjectKind,
)
from fleeting.core.requests import (
    parse_approach,
    parse_challenge_request,
    parse_transaction_poll,
    resolve_target,
)
from fleeting.usecases.calling import CHALLENGE_SPACE, Call, Desk, Story
from fleeting.usecases.collect_token import CollectToken, Coming
from fleeting.usecases.minting import Mint
from fleeting.usecases.parties import PartyKeys, verified_by
from fleeting.usecases.subjects import Subjects, client_subject


@dataclass(frozen=True, slots=True)
class AuthorizeTransaction:
    """Give the token that a resource server's challenge asks for, or say why not.

    The operation comes from the signed challenge alone: what a client writes beside it is refused.
    """

    desk: Desk
    subjects: Subjects
    mint: Mint
    collect: CollectToken
    resource_keys: PartyKeys

    async def __call__(self, call: Call) -> dict[str, Any]:
        """Return the body of the token response, or what to poll with while people decide.

        Raises:
            InvalidTransactionChallenge: not acceptable, or used before.
            AuthorizationPending, SlowDown: polled, and people have not decided yet.
            OAuthError: as ``IssueToken``.
        """
        async with self.desk.story(call) as story:
            authenticated = self.desk.authenticate(story)
            key = self.desk.prove_key(story, authenticated)
            polled = parse_transaction_poll(call.form)
            if polled is not None:
                asking = await self._asked_before(story, polled, authenticated.client, key)
                return await self._collected(story, Coming(polled, asking, repeats=False))
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
                break_glass=parse_approach(call.form).break_glass,
            )
            try:
                return await self.mint(story, request)
            except AuthorizationPending as pending:
                await self.desk.use_up(story)
                return in_draft_words(pending.members)

    async def _collected(self, story: Story, coming: Coming) -> dict[str, Any]:
        try:
            return in_draft_words(await self.collect(story, coming))
        except AuthorizationPending as pending:
            pending.members = in_draft_words(pending.members)
            raise

    async def _asked_before(
        self, story: Story, id_: str, client: Client, key: SenderKey | None
    ) -> AccessRequest:
        """Return the request that a poll is about, by its parties as they are declared now.

        Raises:
            InvalidGrant: there is none of this client and key that came by a challenge.
        """
        record = await self.collect.counter.found(id_, story.rules)
        request = None if record is None else record.request
        if request is None or request.client.client_id != client.client_id:
            raise InvalidGrant(NOT_YOURS)
        if request.asked_by is not AskedBy.CHALLENGE:
            raise InvalidGrant("that was asked at the token endpoint: repeat the request there")
        installation = story.rules.installation
        resource = installation.catalogue.resources.get(request.resource.identifier)
        if resource is None:
            raise AccessDenied("the resource is not declared here any more")
        subject = request.subject
        if subject.kind is SubjectKind.CLIENT:
            subject = client_subject(client)
        return replace(request, client=client, key=key, resource=resource, subject=subject)

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


def in_draft_words(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return *answer* with the id called as the draft calls it (§4.2)."""
    told = dict(answer)
    told["transaction_authorization_id"] = told.pop("access_request_id")
    return told
