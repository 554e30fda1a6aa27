"""Read what the issuer answers: a JSON object, or the exception that its refusal is."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs

import httpx

from fleeting.client.errors import (
    AccessDeniedError,
    ChallengeRefusedError,
    ClientRefusedError,
    FleetingError,
    IssuerUnavailableError,
    RequestRefusedError,
    StepUpRequiredError,
    UnexpectedAnswerError,
    readable,
)
from fleeting.client.wire import Answer
from fleeting.core import strict_json

_CLASSES: Mapping[str, type[FleetingError]] = {
    "access_denied": AccessDeniedError,
    "insufficient_user_authentication": StepUpRequiredError,
    "invalid_transaction_challenge": ChallengeRefusedError,
    "invalid_client": ClientRefusedError,
    "unauthorized_client": ClientRefusedError,
    "invalid_dpop_proof": ClientRefusedError,
    "temporarily_unavailable": IssuerUnavailableError,
    "server_error": IssuerUnavailableError,
}
_PRIVATE_FIELDS = (
    "client_assertion",
    "subject_token",
    "actor_token",
    "token",
    "transaction_challenge",
)
_PRIVATE_HEADERS = ("authorization", "dpop")
_SERVER_FAULT = 500
_TOO_MANY = 429
_OK = 200


def read_object(answer: Answer) -> dict[str, Any] | None:
    """Return the JSON object that *answer* holds, or None."""
    try:
        value = strict_json.loads(answer.body)
    except strict_json.JsonError:
        return None
    return value if isinstance(value, dict) else None


def success(answer: Answer, private: Iterable[str]) -> dict[str, Any]:
    """Return the object of a 200.

    private: what was sent and must not be repeated in a message (``private_values``).

    Raises:
        FleetingError: the class that fits the refusal (RFC 6749 §5.2), or says that it is none.
    """
    body = read_object(answer)
    if answer.status != _OK:
        raise _refusal(answer.status, body or {}, private)
    if body is None:
        raise UnexpectedAnswerError("the issuer's answer is not a JSON object", status=_OK)
    return body


def _refusal(status: int, body: Mapping[str, Any], private: Iterable[str]) -> FleetingError:
    texts = (body.get(name) for name in ("error", "error_description", "request_id"))
    error, description, request_id = (
        readable(text, private) if isinstance(text, str) else "" for text in texts
    )
    return _class_for(status, error)(
        description or error or f"HTTP status {status}",
        error=error,
        description=description,
        request_id=request_id or None,
        status=status,
        would_allow=objects(body.get("would_allow")),
    )


def objects(value: object) -> list[dict[str, Any]]:
    """Return the objects in a list; whatever else there is, nothing."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _class_for(status: int, error: str) -> type[FleetingError]:
    if status >= _SERVER_FAULT or status == _TOO_MANY:
        return IssuerUnavailableError
    return _CLASSES.get(error, RequestRefusedError if error else UnexpectedAnswerError)


def wants_nonce(answer: Answer) -> bool:
    """Return whether the issuer refuses only for want of its nonce (RFC 9449 §8)."""
    body = read_object(answer) if answer.status in (400, 401) else None
    return body is not None and body.get("error") == "use_dpop_nonce"


def private_values(request: httpx.Request) -> tuple[str, ...]:
    """Return the credentials in *request*, as they would look if a server repeated them."""
    fields = parse_qs(request.content.decode("ascii", errors="replace"))
    sent = [value for name in _PRIVATE_FIELDS for value in fields.get(name, ())]
    headers = [request.headers.get(name, "") for name in _PRIVATE_HEADERS]
    return (*sent, *(header.rpartition(" ")[2] for header in headers))
