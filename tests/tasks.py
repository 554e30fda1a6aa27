"""An enforcement point that was denied, asks people, and asks again: for tests of that way."""

import json
from dataclasses import dataclass, field
from typing import Any

import httpx

from fleeting.core.authzen import EVALUATION_PATH, REQUESTS_PATH
from tests.simulator import Simulator

ALICE = {"type": "user", "id": "alice", "properties": {"groups": ["support"]}}
LARGE = {
    "type": "payment_refund",
    "id": "any",
    "properties": {"payment_id": "42", "amount": 50_000, "currency": "EUR"},
}
REFUND = {"name": "refund"}


def question(**changes: Any) -> dict[str, Any]:
    """Return what two payments leads must approve, but for *changes*."""
    return {"subject": ALICE, "action": REFUND, "resource": LARGE, **changes}


@dataclass
class Enforcement:
    """The enforcement point of the payments API."""

    sim: Simulator
    credentials: list[tuple[str, str]] = field(default_factory=list)

    async def send(
        self, method: str, path: str, body: Any = None, *more: tuple[str, str]
    ) -> httpx.Response:
        """Send one request as the enforcement point."""
        own = self.credentials or self.sim.guard.basic()
        content = {} if body is None else {"content": json.dumps(body).encode()}
        kind = [] if body is None else [("Content-Type", "application/json")]
        url = path if path.startswith("http") else self.sim.installation.issuer + path
        return await self.sim.http.request(method, url, headers=[*kind, *own, *more], **content)

    async def decide(self, asked: dict[str, Any], approval: Any = None) -> dict[str, Any]:
        """Ask for a decision, presenting *approval* if one is given."""
        if approval is not None:
            asked = {**asked, "context": {**asked.get("context", {}), "approval": approval}}
        answer = await self.send("POST", EVALUATION_PATH, asked)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def denied(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Ask, and return the denial as it is to be submitted."""
        told = await self.decide(asked)
        assert told["decision"] is False
        return echo(told)

    async def submit(self, body: dict[str, Any], key: str = "") -> httpx.Response:
        """Submit an access request."""
        more = [("Idempotency-Key", key)] if key else []
        return await self.send("POST", REQUESTS_PATH, body, *more)

    async def ask_people(self, asked: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """Be denied and put it before people; returns the task."""
        asked = question() if asked is None else asked
        answer = await self.submit({**asked, "denial": await self.denied(asked), **more})
        assert answer.status_code == 202, answer.text
        task: dict[str, Any] = answer.json()["task"]
        return task

    async def look(self, task: dict[str, Any]) -> dict[str, Any]:
        """Return where a task stands."""
        answer = await self.send("GET", task["status_endpoint"])
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def approval(self, task: dict[str, Any]) -> dict[str, Any]:
        """Return the approval that came of a task."""
        approval: dict[str, Any] = (await self.look(task))["result"]["approval"]
        return approval


def echo(told: dict[str, Any]) -> dict[str, Any]:
    """Return a denied decision as a submission echoes it."""
    context = told["context"]
    access = context["access_request"]
    return {
        "evaluation_id": context["evaluation_id"],
        "evaluated_at": context["evaluated_at"],
        "reason": context["reason"],
        "expires_at": access["expires_at"],
        "binding_token": access["binding_token"],
        "template": access["template"],
    }


def problem(response: httpx.Response, name: str, status: int) -> str:
    """Check that *response* is a problem of the profile, and return what it says."""
    body = response.json()
    assert (response.status_code, body["status"]) == (status, status), response.text
    assert response.headers["content-type"] == "application/problem+json"
    urn = f"urn:openid:authzen:access-request:error:{name}" if name else "about:blank"
    assert body["type"] == urn, response.text
    assert response.headers["cache-control"] == "no-store"
    detail: str = body["detail"]
    return detail
