"""Which enforcement point calls, and what it may speak of."""

from fleeting.core.errors import NotAnEnforcementPoint
from fleeting.core.evaluations import EnforcementPoint
from fleeting.usecases.calling import Story
from fleeting.usecases.guarding import GuardDesk


def enforcement_point(guards: GuardDesk, story: Story) -> EnforcementPoint:
    """Authenticate the caller, who must be a resource server's own client.

    Raises:
        NotAnEnforcementPoint: it guards nothing. InvalidClient: it did not prove who it is.
    """
    client = guards.desk.authenticate(story).client
    installation = story.rules.installation
    resource = installation.guards.get(client.client_id)
    if resource is None:
        raise NotAnEnforcementPoint("only a resource server's own client may ask for decisions")
    return EnforcementPoint(
        client=client,
        resource=resource,
        types=installation.catalogue.types,
        context_keys=installation.context_keys,
        attributes=installation.declarations.attributes,
        registrations=installation.registrations,
    )
