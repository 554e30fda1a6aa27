"""Spend one use of a token for one call: ``POST /spend`` (DESIGN D5, §6)."""

import re
from dataclasses import dataclass
from typing import Any

from fleeting.core import strict_json
from fleeting.core.errors import InsufficientScope, InvalidAuthorizationDetails, InvalidRequest
from fleeting.core.evidence import Entry
from fleeting.core.model import (
    SCOPE_TYPE,
    AccessToken,
    Json,
    Operation,
    Spend,
    SpendRefusal,
    SpendResult,
    scope_operation,
)
from fleeting.core.operations import parse_operation
from fleeting.core.recording import spend_entry
from fleeting.core.spending import operation_digest
from fleeting.core.validation import check_call
from fleeting.ports import Outcome, Write
from fleeting.usecases.calling import Call, Story
from fleeting.usecases.guarding import GuardDesk

_USE_ID = re.compile(r"[\x21-\x7e]{1,200}")
_UNKNOWN = {"active": False, "reason": SpendRefusal.UNKNOWN.value}


@dataclass(frozen=True, slots=True)
class SpendToken:
    """Let a guard use a token once; ask again with the same ``use_id`` and get the same answer.

    The same answer to the same question: for another operation it would be another use.
    """

    guards: GuardDesk

    async def __call__(self, call: Call) -> dict[str, Any]:
        """Return ``active`` with the number of this use, or ``active: false`` with the reason.

        Raises:
            InvalidRequest, InvalidAuthorizationDetails: malformed, or an operation that the token
                does not contain: the guard should not have asked.
        """
        async with self.guards.desk.story(call) as story:
            resource = self.guards.resource_of(story)
            text, use_id = call.form.require("token"), call.form.require("use_id")
            if not _USE_ID.fullmatch(use_id):
                raise InvalidRequest("'use_id' is 1 to 200 visible ASCII characters")
            token = self.guards.read(text)
            audience = "" if resource is None else resource.identifier
            if token is None:
                await self.guards.claim(story)
                return _UNKNOWN
            operation = self._operation(call.form.require("operation"), token, audience)
            spend = Spend(token.jti, use_id, audience, operation_digest(operation))
            return await self._spend(story, token, spend, operation)

    def _operation(self, text: str, token: AccessToken, audience: str) -> Operation | None:
        types = self.guards.desk.installation.catalogue.types
        if token.audience != audience:
            return None  # whatever it says, it is not this guard's to say
        operation = read_operation(text, types)
        try:
            check_call(token, operation, types)
        except InsufficientScope as error:
            raise InvalidAuthorizationDetails(error.description) from None
        return operation

    async def _spend(
        self, story: Story, token: AccessToken, spend: Spend, operation: Operation | None
    ) -> dict[str, Any]:
        guard, call = story.client_id or "", story.call

        def record(outcome: Outcome) -> tuple[Entry, ...]:
            result = outcome.spend or SpendResult(None, None, SpendRefusal.UNKNOWN)
            return (spend_entry(token, call.request_id, guard, operation, result, story.now),)

        outcome = await self.guards.desk.commit(story, Write(spend=spend, record=record))
        return _answer(outcome.spend)


def read_operation(text: str, types: Any) -> Operation:  # noqa: ANN401 -- see parse_operation
    """Read the operation that a guard serves; a scope is ``{"type": "scope", "actions": [name]}``.

    Raises:
        InvalidRequest: not JSON. InvalidAuthorizationDetails: not of a declared type.
    """
    try:
        value: Json = strict_json.loads(text)
    except strict_json.JsonError as error:
        raise InvalidRequest(f"operation: {error}") from None
    if isinstance(value, dict) and value.get("type") == SCOPE_TYPE:
        actions = value.get("actions")
        if isinstance(actions, list) and len(actions) == 1 and isinstance(actions[0], str):
            return scope_operation(actions[0])
        raise InvalidAuthorizationDetails("a scope has one action, its name")
    return parse_operation(value, types)


def _answer(result: SpendResult | None) -> dict[str, Any]:
    if result is None:
        return _UNKNOWN
    if result.refusal is not None:
        return {"active": False, "reason": result.refusal.value}
    answer: dict[str, Any] = {"active": True, "use": result.use}
    return answer if result.uses is None else {**answer, "uses": result.uses}
