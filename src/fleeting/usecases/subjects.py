"""Find out whose authority a request uses: the client's own, or that of a user it acts for."""

from dataclasses import dataclass

from fleeting.core.client_auth import AuthenticatedClient, check_grant_type
from fleeting.core.errors import InvalidRequest
from fleeting.core.exchange import (
    IdentityProvider,
    check_identity,
    check_possession,
    claimed_issuer,
    delegation_chain,
    read_subject,
    verify_provider_token,
)
from fleeting.core.jose import JoseError, VerifiedClaims
from fleeting.core.model import Actor, Client, SenderKey, Subject, SubjectKind
from fleeting.core.requests import TokenRequest
from fleeting.usecases.calling import Story
from fleeting.usecases.parties import PartyKeys, verified_by


@dataclass(frozen=True, slots=True)
class Subjects:
    """Subjects and delegation chains, from client or tokens (RFC 6749 §4.4, RFC 8693)."""

    provider_keys: PartyKeys

    async def of(
        self,
        story: Story,
        authenticated: AuthenticatedClient,
        asked: TokenRequest,
        key: SenderKey | None,
    ) -> tuple[Subject, tuple[Actor, ...]]:
        """Return the subject of a token request and who acts for it.

        Raises:
            UnauthorizedClient: the grant type is not declared for this client.
            InvalidRequest: a subject or actor token is not acceptable (RFC 8693 §2.2.2).
        """
        client, declarations = authenticated.client, story.rules.installation.declarations
        check_grant_type(client, asked.grant_type)
        if asked.subject_token is None:
            return client_subject(client), ()
        subject, provider = await self._verify(story, asked.subject_token, "subject_token")
        actor = None
        if asked.actor_token is not None:
            actor = await self._verify(story, asked.actor_token, "actor_token")
        try:
            check_possession(subject, key)
            if actor is not None:
                check_possession(actor[0], key)
                check_identity(*actor, declarations)
            chain = delegation_chain(subject, client.client_id, actor)
            return read_subject(subject, provider, declarations), chain
        except JoseError as error:
            raise InvalidRequest(f"the subject_token is not acceptable: {error}") from None

    async def _verify(
        self, story: Story, token: str, parameter: str
    ) -> tuple[VerifiedClaims, IdentityProvider]:
        issuer = claimed_issuer(token, parameter)
        provider = story.rules.installation.providers.get(issuer)
        if provider is None:
            raise InvalidRequest(f"the {parameter} is of an issuer that this server does not trust")
        try:
            claims = await verified_by(
                issuer,
                self.provider_keys,
                lambda keys: verify_provider_token(token, keys, provider, now=story.now),
            )
        except JoseError as error:
            raise InvalidRequest(f"the {parameter} is not acceptable: {error}") from None
        return claims, provider


def client_subject(client: Client) -> Subject:
    """Return *client* as the subject that it is when it acts for nobody else."""
    return Subject(SubjectKind.CLIENT, client.client_id, client.groups)
