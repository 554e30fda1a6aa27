"""Show access requests to people: lists of them, and one with all that is known of it."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from fleeting.core.access_requests import RequestRecord
from fleeting.core.errors import InvalidRequest
from fleeting.core.model import Json
from fleeting.core.people import ConsoleAction, SignedIn
from fleeting.core.request_deeds import WAITING
from fleeting.core.request_view import PolicyWords, brief_json, full_json
from fleeting.ports import Evidence, RecordKind
from fleeting.usecases.looking import Look
from fleeting.usecases.request_desk import RequestDesk, RequestStore
from fleeting.usecases.request_index import RequestIndex
from fleeting.usecases.rules import Rules

_NOT_ALL_VISIBLE = 3
"""How many times as many are read as are shown, for some may not be this person's to see."""


class View(StrEnum):
    """Which requests are listed."""

    TO_APPROVE = "to-approve"
    MINE = "mine"
    OPEN = "open"
    ALL = "all"
    REVIEWS = "reviews"


class Shelf(RequestStore, Evidence, Protocol):
    """What showing needs of a store."""


@dataclass(frozen=True, slots=True)
class ViewRequests:
    """What people see; nothing changes by it. All raise ``OAuthError`` where it is not theirs.

    index: one for all, so that each request is read once.
    """

    desk: RequestDesk
    shelf: Shelf
    index: RequestIndex

    async def listed(self, who: SignedIn, view: str, limit: int = 200) -> list[dict[str, Json]]:
        """Return up to *limit* requests of a *view*; what waits for people, the soonest first.

        Raises:
            InvalidRequest: there is no such view. NotAllowed: by role.
        """
        chosen, action = _view(view), ConsoleAction.VIEW
        async with self.desk.refusals(who, action):
            person = await self.desk.allowed(who, action)
            look = Look.by(self.desk, who, person)
            found = await self._chosen(chosen, look, limit)
            return [
                brief_json(record, await look.seen(record))
                async for record in look.visible(found, limit)
            ]

    async def _chosen(self, view: View, look: Look, limit: int) -> AsyncIterator[RequestRecord]:
        """Return the requests of a view, in their order."""
        if view is View.ALL:
            rows = await self.shelf.records(RecordKind.REQUEST, limit=limit * _NOT_ALL_VISIBLE)
            return look.read([self.desk.read(row) for row in rows])
        if view is View.MINE:
            return look.read(await self.index.of(look.person.ids, self.desk.read))
        alive = _ordered(await self.index.alive(self.desk.read), look.now)
        if view is View.TO_APPROVE:
            return look.to_approve(alive)
        return look.read([it for it in alive if view is View.OPEN or _is_open(it)])

    async def shown(self, who: SignedIn, id_: str) -> dict[str, Json]:
        """Return all that this person may see of one request.

        Raises:
            NoSuchRequest: there is none, or it is not theirs to see.
        """
        action = ConsoleAction.VIEW
        async with self.desk.refusals(who, action, id_):
            record = await self.desk.found(id_)
            person = await self.desk.allowed(who, action, record)
            look = Look.by(self.desk, who, person)
            seen = await look.seen(record)
            installation, request = look.rules.installation, record.request
            client = installation.registrations.get(request.client.client_id)
            resource = installation.catalogue.resources.get(request.resource.identifier)
            return full_json(
                record,
                replace(
                    seen,
                    may=await look.may(record, seen),
                    policies=_policy_words(look.rules, record.terms.policies),
                    like=await self.index.like(record, self.desk.read),
                    story=await self.shelf.story(record.id),
                    client=None if client is None else client.client,
                    guard=None if resource is None else resource.client_id,
                ),
            )


def _view(view: str) -> View:
    try:
        return View(view)
    except ValueError:
        raise InvalidRequest(f"there is no such list: view is one of {', '.join(View)}") from None


def _ordered(records: Sequence[RequestRecord], now: datetime) -> list[RequestRecord]:
    """Return *records*: those that wait first, by when their time is over, then the newest."""
    waiting = [it for it in records if it.status in WAITING and it.expires_at > now]
    others = [it for it in records if it.status not in WAITING]
    waiting.sort(key=lambda it: (it.expires_at, it.id))
    others.sort(key=lambda it: (it.asked_at, it.id), reverse=True)
    return [*waiting, *others]


def _is_open(record: RequestRecord) -> bool:
    return record.review is not None and record.review.closed_by is None


def _policy_words(rules: Rules, ids: Iterable[str]) -> dict[str, PolicyWords]:
    policies = rules.policy.policies
    return {
        id_: PolicyWords(
            policies[id_].reason,
            str((policies[id_].node.get("annotations") or {}).get("description") or ""),
        )
        for id_ in ids
        if id_ in policies
    }
