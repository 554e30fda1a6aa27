"""The endpoints of submitted access requests: submit, look, cancel.

AuthZEN Access Request and Approval Profile (draft 1), cited as ARAP. What goes wrong is told as
problem details (ARAP §14, RFC 9457).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

from fleeting.core.authzen import read_object
from fleeting.core.errors import InvalidRequest, OAuthError
from fleeting.core.tasks import PENDING
from fleeting.server.answering import Rendered, Reply, send_answer
from fleeting.server.endpoints import read_body
from fleeting.server.json_endpoints import call_by_header, check_media_type, first_header
from fleeting.server.metrics import Metrics
from fleeting.server.rendering import Header, encode, render_problem
from fleeting.server.world import new_id
from fleeting.usecases.calling import Call
from fleeting.usecases.submit_request import Submitting
from fleeting.usecases.waiting import INTERVAL

Read = Callable[[Scope, Receive, Call], Awaitable[Reply]]
"""Reads one call and says what becomes of it."""


@dataclass(frozen=True, slots=True)
class TaskEndpoint:
    """One of them. name: its path, as metrics and log know it."""

    name: str
    uri: str
    answer: Read
    metrics: Metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request_id, asked_as = new_id(), first_header(scope, b"x-request-id")
        call = call_by_header(scope, request_id, scope["method"], self.uri)
        answering = self.answer(scope, receive, call)
        await send_answer(self, request_id, answering, send, told_id=asked_as)

    def refuse(self, error: OAuthError, request_id: str) -> Rendered:
        """Return what an enforcement point reads of *error*."""
        return render_problem(error, request_id)


def submitting(
    use_case: Callable[[Submitting], Awaitable[dict[str, Any]]], max_body_bytes: int
) -> Read:
    """Return what takes in a submission (ARAP §10.1)."""

    async def answer(scope: Scope, receive: Receive, call: Call) -> Reply:
        check_media_type(scope)
        body = await read_body(receive, max_body_bytes)
        told = await use_case(Submitting(call, body, _key(scope)))
        task = told["task"]
        location = (b"location", task["status_endpoint"].encode())
        status = 202 if task["status"] == PENDING else 201
        return Reply(status, encode(told), (location, *_pace(task)))

    return answer


def showing(use_case: Callable[[Call, str], Awaitable[dict[str, Any]]]) -> Read:
    """Return what tells where a task stands (ARAP §11)."""

    async def answer(scope: Scope, _receive: Receive, call: Call) -> Reply:
        told = await use_case(call, scope["path_params"]["id"])
        return Reply(200, encode(told), _pace(told["task"]))

    return answer


def cancelling(
    use_case: Callable[[Call, str, str], Awaitable[dict[str, Any]]], max_body_bytes: int
) -> Read:
    """Return what cancels a task (ARAP §11.4): by ``POST``, or ``DELETE``."""

    async def answer(scope: Scope, receive: Receive, call: Call) -> Reply:
        body = await read_body(receive, max_body_bytes)
        comment = read_object(body).get("comment", "") if body else ""
        if not isinstance(comment, str):
            raise InvalidRequest("'comment' must be a string")
        told = await use_case(call, scope["path_params"]["id"], comment)
        return Reply(200, encode(told))

    return answer


def _pace(task: dict[str, Any]) -> tuple[Header, ...]:
    """Return how long to leave between two looks (ARAP §11: the PEP MUST wait so long)."""
    if task["status"] != PENDING:
        return ()
    return ((b"retry-after", str(int(INTERVAL.total_seconds())).encode()),)


def _key(scope: Scope) -> str:
    sent = [value for name, value in scope["headers"] if name == b"idempotency-key"]
    if len(sent) > 1:
        raise InvalidRequest("send one Idempotency-Key, or none")
    return sent[0].decode("latin-1").strip() if sent else ""
