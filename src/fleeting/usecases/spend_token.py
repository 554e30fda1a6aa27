"""Spend one use of a token for one call: ``POST /spend`` (DESIGN D5, §6)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleeting.core.errors import InsufficientScope, InvalidAuthorizationDetails
from fleeting.core.evidence import Entry
from fleeting.core.guard_requests import (
    UNKNOWN_TOKEN,
    read_operation,
    read_use_id,
    spend_response,
)
from fleeting.core.model import AccessToken, Operation, Spend, SpendRefusal, SpendResult
from fleeting.core.operations import OperationType
from fleeting.core.recording import spend_entry
from fleeting.core.spending import operation_digest
from fleeting.core.validation import check_call
from fleeting.ports import Outcome, Write
from fleeting.usecases.calling import Call, Story
from fleeting.usecases.guarding import GuardDesk


@dataclass(frozen=True, slots=True)
class SpendToken:
    """Let a guard use a token once; ask again with the same ``use_id`` and get the same answer.

    The same answer to the same question: for another operation it would be another use.
    """

    guards: GuardDesk

    async def __call__(self, call: Call) -> Mapping[str, Any]:
        """Return ``active`` with the number of this use, or ``active: false`` with the reason.

        Raises:
            InvalidRequest, InvalidAuthorizationDetails: malformed, or an operation that the token
                does not contain: the guard should not have asked.
        """
        async with self.guards.desk.story(call) as story:
            resource = self.guards.resource_of(story)
            text, use_id = call.form.require("token"), read_use_id(call.form)
            token = self.guards.read(story, text)
            audience = "" if resource is None else resource.identifier
            if token is None:
                await self.guards.claim(story)
                return UNKNOWN_TOKEN
            types = story.rules.installation.catalogue.types
            operation = _operation(call.form.require("operation"), token, audience, types)
            spend = Spend(token.jti, use_id, audience, operation_digest(operation))
            return await self._spend(story, token, spend, operation)

    async def _spend(
        self, story: Story, token: AccessToken, spend: Spend, operation: Operation | None
    ) -> Mapping[str, Any]:
        guard, call = story.client_id or "", story.call

        def record(outcome: Outcome) -> tuple[Entry, ...]:
            result = outcome.spend or SpendResult(None, None, SpendRefusal.UNKNOWN)
            return (spend_entry(token, call.request_id, guard, operation, result, story.now),)

        outcome = await self.guards.desk.commit(story, Write(spend=spend, record=record))
        return spend_response(outcome.spend)


def _operation(
    text: str, token: AccessToken, audience: str, types: Mapping[str, OperationType]
) -> Operation | None:
    if token.audience != audience:
        return None  # whatever it says, it is not this guard's to say
    operation = read_operation(text, types)
    try:
        check_call(token, operation, types)
    except InsufficientScope as error:
        raise InvalidAuthorizationDetails(error.description) from None
    return operation
