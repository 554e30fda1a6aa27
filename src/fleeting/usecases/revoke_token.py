"""End a token before its time: ``POST /revoke`` (RFC 7009)."""

from dataclasses import dataclass

from fleeting.core.client_auth import check_revoker
from fleeting.core.evidence import Entry
from fleeting.core.recording import revoked_entry
from fleeting.ports import Outcome, Revocation, Write
from fleeting.usecases.calling import Call
from fleeting.usecases.guarding import GuardDesk


@dataclass(frozen=True, slots=True)
class RevokeToken:
    """Revoke: for the client it was issued to, and for the resource it would be used at."""

    guards: GuardDesk

    async def __call__(self, call: Call) -> None:
        """End the token; one that was never ours is no error (RFC 7009 §2.2).

        Raises:
            UnauthorizedClient: the token is another's (§2.1).
        """
        async with self.guards.desk.story(call) as story:
            resource = self.guards.resource_of(story)
            token = self.guards.read(story, call.form.require("token"))
            if token is None:
                await self.guards.claim(story)
                return
            client_id = story.client_id or ""
            check_revoker(token, client_id, resource)

            def record(outcome: Outcome) -> tuple[Entry, ...]:
                ended = outcome.revoked
                return (revoked_entry(token, call.request_id, client_id, story.now, ended=ended),)

            revocation = Revocation(token.jti, story.now)
            await self.guards.desk.commit(story, Write(revoke=revocation, record=record))
