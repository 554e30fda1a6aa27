"""Who may hear of revocations: ``GET /revocations``, ours, for guards that verify offline."""

from dataclasses import dataclass

from fleeting.core.model import Resource
from fleeting.usecases.calling import Call
from fleeting.usecases.guarding import GuardDesk


@dataclass(frozen=True, slots=True)
class FollowRevocations:
    """Let a guard hear what ended before its time, of the resource that it guards."""

    guards: GuardDesk

    async def __call__(self, call: Call) -> Resource:
        """Return the resource whose tokens the caller is told of.

        Raises:
            UnauthorizedClient: the caller guards nothing.
        """
        async with self.guards.desk.story(call) as story:
            resource = self.guards.require_resource(story)
            await self.guards.claim(story)
            return resource
