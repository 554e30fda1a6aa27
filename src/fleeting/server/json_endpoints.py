"""JSON endpoints: AuthZEN's face, beside the forms of OAuth (AuthZEN §10.1)."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

from fleeting.core.client_auth import ASSERTION_TYPE
from fleeting.core.errors import InvalidRequest, OAuthError
from fleeting.core.forms import Form
from fleeting.server.answering import Rendered, send_answer
from fleeting.server.endpoints import read_body
from fleeting.server.metrics import Metrics
from fleeting.server.rendering import encode, render_message
from fleeting.server.world import new_id
from fleeting.usecases.calling import Call
from fleeting.usecases.evaluate_access import Question

_JSON = b"application/json"
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_RECORDED = 200


@dataclass(frozen=True, slots=True)
class JsonEndpoint:
    """``POST`` of a JSON object to one use case."""

    name: str
    uri: str
    use_case: Callable[[Question], Awaitable[dict[str, Any]]]
    metrics: Metrics
    max_body_bytes: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request_id, asked_as = new_id(), first_header(scope, b"x-request-id")
        answering = self._answer(scope, receive, request_id, asked_as)
        # AuthZEN §10.1.3: MUST be the enforcement point's own identifier, if it sent one.
        await send_answer(self, request_id, answering, send, told_id=asked_as)

    def refuse(self, error: OAuthError, _: str) -> Rendered:
        """Return what an enforcement point reads of *error* (AuthZEN §10.1.2)."""
        return render_message(error)

    async def _answer(
        self, scope: Scope, receive: Receive, request_id: str, asked_as: str
    ) -> bytes:
        check_media_type(scope)
        body = await read_body(receive, self.max_body_bytes)
        call = call_by_header(scope, request_id, "POST", self.uri)
        return encode(await self.use_case(Question(call, body, asked_as[:_LONGEST_RECORDED])))


def call_by_header(scope: Scope, request_id: str, method: str, uri: str) -> Call:
    """Return the call, with its credentials from the header: the body has no room for any.

    A client that authenticates with ``private_key_jwt`` sends its assertion as a bearer
    credential: the same assertion as in a form, good once, and held against the same rules.
    """
    sent = tuple(v.decode("latin-1") for name, v in scope["headers"] if name == b"authorization")
    scheme, _, credentials = sent[0].partition(" ") if len(sent) == 1 else ("", "", "")
    if scheme.lower() != "bearer":
        return Call(request_id, method, uri, Form({}, {}), sent)
    asserted = {"client_assertion": credentials.strip(), "client_assertion_type": ASSERTION_TYPE}
    return Call(request_id, method, uri, Form(asserted, {}))


def check_media_type(scope: Scope) -> None:
    """Check that a body says it is JSON (AuthZEN §10.1).

    Raises:
        InvalidRequest: it does not.
    """
    sent = [value for name, value in scope["headers"] if name == b"content-type"]
    if [value.partition(b";")[0].strip().lower() for value in sent] != [_JSON]:
        raise InvalidRequest("send a JSON object, with Content-Type: application/json")


def first_header(scope: Scope, name: bytes) -> str:
    """Return the first value of a header that can be sent back as it came, or nothing."""
    sent = (value.decode("latin-1") for key, value in scope["headers"] if key == name)
    first = next(sent, "")
    return "" if _CONTROLS.search(first) else first
