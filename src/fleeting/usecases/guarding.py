"""What the endpoints for resource servers share: whose guard calls, and about which token."""

from dataclasses import dataclass

from fleeting.core.errors import UnauthorizedClient
from fleeting.core.jose import JoseError
from fleeting.core.model import AccessToken, Resource
from fleeting.core.validation import read_access_token
from fleeting.ports import Write
from fleeting.usecases.calling import Desk, Story
from fleeting.usecases.installation import Installation
from fleeting.usecases.minting import Signer


@dataclass(frozen=True, slots=True)
class GuardDesk:
    """A desk that only resource servers' own clients are served at."""

    desk: Desk
    signer: Signer

    def resource_of(self, story: Story) -> Resource | None:
        """Authenticate the caller and return the resource that it guards, if any."""
        client_id = self.desk.authenticate(story).client.client_id
        return story.rules.installation.guards.get(client_id)

    def require_resource(self, story: Story) -> Resource:
        """Authenticate the caller, who must be a resource server's own client.

        Raises:
            UnauthorizedClient: it is another client.
        """
        resource = self.resource_of(story)
        if resource is None:
            raise UnauthorizedClient("only a resource server's own client may do this")
        return resource

    def read(self, story: Story, text: str) -> AccessToken | None:
        """Return the token that *text* is, alive or not, or None if we never signed it."""
        return read_own_token(story.rules.installation, self.signer, text)

    async def claim(self, story: Story) -> None:
        """Use up the caller's assertion where nothing else is committed with it.

        Raises:
            InvalidClient: it was used before.
        """
        if story.claims:
            await self.desk.commit(story, Write())


def read_own_token(installation: Installation, signer: Signer, text: str) -> AccessToken | None:
    """Return the access token that *text* is, alive or not, or None if we never signed it."""
    try:
        return read_access_token(
            text, signer.keys(), issuer=installation.issuer, types=installation.catalogue.types
        )
    except JoseError:
        return None
