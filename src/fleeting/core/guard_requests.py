"""What a guard sends to the issuer and what it is told: spends and reports (DESIGN §6)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleeting.core import strict_json
from fleeting.core.errors import InvalidAuthorizationDetails, InvalidRequest
from fleeting.core.forms import Form
from fleeting.core.model import (
    SCOPE_TYPE,
    Json,
    Operation,
    SpendRefusal,
    SpendResult,
    scope_operation,
)
from fleeting.core.operations import OperationType, parse_operation
from fleeting.core.requests import refuse_control_characters

UNKNOWN_TOKEN: Mapping[str, Any] = {"active": False, "reason": SpendRefusal.UNKNOWN.value}
"""The answer about a token that was never ours."""

_USE_ID = re.compile(r"[\x21-\x7e]{1,200}")
_LONGEST_REASON = 500
_OUTCOMES = ("served", "refused")


def read_use_id(form: Form) -> str:
    """Return the id of the use that a guard wishes for.

    Raises:
        InvalidRequest: missing or malformed.
    """
    use_id = form.require("use_id")
    if not _USE_ID.fullmatch(use_id):
        raise InvalidRequest("'use_id' is 1 to 200 visible ASCII characters")
    return use_id


def read_operation(text: str, types: Mapping[str, OperationType]) -> Operation:
    """Read the operation that a guard serves; a scope is ``{"type": "scope", "actions": [name]}``.

    Raises:
        InvalidRequest: not JSON. InvalidAuthorizationDetails: not of a declared type.
    """
    value = _json(text)
    if isinstance(value, dict) and value.get("type") == SCOPE_TYPE:
        actions = value.get("actions")
        if isinstance(actions, list) and len(actions) == 1 and isinstance(actions[0], str):
            return scope_operation(actions[0])
        raise InvalidAuthorizationDetails("a scope has one action, its name")
    return parse_operation(value, types)


def spend_response(result: SpendResult | None) -> Mapping[str, Any]:
    """Return the answer to a spend, as the wire contract has it (DESIGN §6)."""
    if result is None:
        return UNKNOWN_TOKEN
    if result.refusal is not None:
        return {"active": False, "reason": result.refusal.value}
    answer: dict[str, Any] = {"active": True, "use": result.use}
    return answer if result.uses is None else {**answer, "uses": result.uses}


@dataclass(frozen=True, slots=True)
class Report:
    """What a guard says became of a call; operation: JSON as it came, unchecked."""

    served: bool
    reason: str
    operation: Json


def parse_report(form: Form) -> Report:
    """Read a guard's report.

    Raises:
        InvalidRequest: malformed.
    """
    outcome, reason = form.require("outcome"), form.get("reason") or ""
    if outcome not in _OUTCOMES or len(reason) > _LONGEST_REASON:
        raise InvalidRequest("'outcome' is served or refused, 'reason' at most 500 characters")
    refuse_control_characters("reason", reason)
    text = form.get("operation")
    return Report(outcome == "served", reason, None if text is None else _json(text))


def _json(text: str) -> Json:
    try:
        value: Json = strict_json.loads(text)
    except strict_json.JsonError as error:
        raise InvalidRequest(f"operation: {error}") from None
    return value
