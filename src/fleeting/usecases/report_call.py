"""Record what a guard says became of a call: ``POST /report``, ours, so that stories are whole."""

from dataclasses import dataclass

from fleeting.core.errors import InvalidRequest
from fleeting.core.guard_requests import parse_report
from fleeting.core.recording import reported_entry
from fleeting.ports import Write
from fleeting.usecases.calling import Call
from fleeting.usecases.guarding import GuardDesk


@dataclass(frozen=True, slots=True)
class ReportCall:
    """Take a guard's word for a call that it refused, or served without having to spend."""

    guards: GuardDesk

    async def __call__(self, call: Call) -> None:
        """Record the report.

        Raises:
            InvalidRequest: malformed, or about a token that is not for this guard's resource.
            UnauthorizedClient: the caller guards nothing.
        """
        async with self.guards.desk.story(call) as story:
            resource = self.guards.require_resource(story)
            report = parse_report(call.form)
            token = self.guards.read(story, call.form.require("token"))
            if token is None or token.audience != resource.identifier:
                raise InvalidRequest("'token' is not an access token for this guard's resource")
            entry = reported_entry(
                token,
                call.request_id,
                story.client_id or "",
                story.now,
                served=report.served,
                reason=report.reason,
                operation=report.operation,
            )
            await self.guards.desk.commit(story, Write(record=lambda _: (entry,)))
