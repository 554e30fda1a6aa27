"""Record what a guard says became of a call: ``POST /report``, ours, so that stories are whole."""

from dataclasses import dataclass

from fleeting.core import strict_json
from fleeting.core.errors import InvalidRequest
from fleeting.core.model import Json
from fleeting.core.recording import reported_entry
from fleeting.core.requests import Form, refuse_control_characters
from fleeting.ports import Write
from fleeting.usecases.calling import Call
from fleeting.usecases.guarding import GuardDesk

_LONGEST_REASON = 500
_OUTCOMES = ("served", "refused")


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
            served, reason, operation = _read(call.form)
            token = self.guards.read(call.form.require("token"))
            if token is None or token.audience != resource.identifier:
                raise InvalidRequest("'token' is not an access token for this guard's resource")
            entry = reported_entry(
                token,
                call.request_id,
                story.client_id or "",
                story.now,
                served=served,
                reason=reason,
                operation=operation,
            )
            await self.guards.desk.commit(story, Write(record=lambda _: (entry,)))


def _read(form: Form) -> tuple[bool, str, Json]:
    outcome, reason = form.require("outcome"), form.get("reason") or ""
    if outcome not in _OUTCOMES or len(reason) > _LONGEST_REASON:
        raise InvalidRequest("'outcome' is served or refused, 'reason' at most 500 characters")
    refuse_control_characters("reason", reason)
    text = form.get("operation")
    try:
        operation: Json = None if text is None else strict_json.loads(text)
    except strict_json.JsonError as error:
        raise InvalidRequest(f"operation: {error}") from None
    return outcome == "served", reason, operation
