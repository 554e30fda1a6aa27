"""Tell a group that glass was broken, or that its review is overdue: in the log and by webhook.

Posting is in the background: whoever needed access at once does not wait for it, and whether it
arrived never decides anything. The review itself is in the store, where everybody sees it.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx
import structlog

from fleeting.core.access_requests import RequestRecord
from fleeting.core.model import Json
from fleeting.core.recording import operations_json
from fleeting.server.background import Background
from fleeting.server.declared_asking import AlarmDeclaration

_PAUSES = (timedelta(seconds=1), timedelta(seconds=5), timedelta(seconds=30))
_OK = range(200, 300)

log = structlog.get_logger("fleeting.server")


class Alarms:
    """The declared webhooks, and what is under way to them."""

    def __init__(
        self,
        declared: Sequence[AlarmDeclaration],
        issuer: str,
        http: httpx.AsyncClient,
        pauses: Sequence[timedelta] = _PAUSES,
    ) -> None:
        """Post with *http*, which follows no redirects; pauses: before each further attempt."""
        self._declared = declared
        self._issuer = issuer
        self._http = http
        self._pauses = pauses
        self._background = Background()

    def broken_glass(self, record: RequestRecord) -> None:
        """Raise the alarm for what went ahead without people."""
        self._sound("break_glass", record)

    def overdue(self, record: RequestRecord) -> None:
        """Raise the alarm for a review that nobody closed in time."""
        self._sound("review_overdue", record)

    async def close(self) -> None:
        """Let go of what is still under way."""
        await self._background.close()

    def _sound(self, event: str, record: RequestRecord) -> None:
        review = record.review
        group = "" if review is None else review.group
        log.warning(
            "break glass" if event == "break_glass" else "review overdue",
            access_request_id=record.id,
            client=record.request.client.client_id,
            subject=record.request.subject.id,
            group=group,
        )
        if self._background.is_full:
            log.error("alarm not posted: too many are under way", access_request_id=record.id)
            return
        told = alarm_json(event, record, self._issuer)
        for declared in self._declared:
            if declared.group == group:
                self._background.begin(self._post(declared.url, told))

    async def _post(self, url: str, told: dict[str, Json]) -> None:
        for pause in (*self._pauses, None):
            trouble = await self._attempt(url, told)
            if trouble is None:
                return
            log.warning("alarm not posted", url=url, cause=trouble, again=pause is not None)
            if pause is not None:
                await asyncio.sleep(pause.total_seconds())

    async def _attempt(self, url: str, told: dict[str, Json]) -> str | None:
        try:
            response = await self._http.post(url, json=told)
        except httpx.HTTPError as error:
            return f"{type(error).__name__}: {error}"
        return None if response.status_code in _OK else f"HTTP status {response.status_code}"


def alarm_json(event: str, record: RequestRecord, issuer: str) -> dict[str, Any]:
    """Return what an alarm says; ``reason`` is the caller's own word, and no more."""
    request, review = record.request, record.review
    return {
        "event": event,
        "access_request_id": record.id,
        "uri": f"{issuer}/requests/{record.id}",
        "client": request.client.client_id,
        "subject": request.subject.id,
        "resource": request.resource.identifier,
        "operations": operations_json(record.offer.operations),
        "reason": record.break_glass,
        "at": _text(record.asked_at),
        "group": None if review is None else review.group,
        "review_due": None if review is None else _text(review.due_at),
    }


def _text(at: datetime) -> str:
    return at.isoformat()
