"""Put before people what an enforcement point was denied: ``POST /access/v1/requests``.

AuthZEN Access Request and Approval Profile (draft 1) §18, cited as ARAP. The
request is one like any other, decided by the same people in the same way; what comes of it is not
a token but an approval, which the enforcement point presents when it asks for a decision again.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from fleeting.core.access_requests import RequestRecord, Submitted
from fleeting.core.asking import asked_record, needs_people
from fleeting.core.collecting import pending_entries
from fleeting.core.denials import Denial, check_same_question, read_denial
from fleeting.core.errors import (
    DuplicateRequest,
    InvalidDenialBinding,
    InvalidRequest,
    NotRequestable,
    OAuthError,
)
from fleeting.core.evaluations import EnforcementPoint, access_request
from fleeting.core.evidence import Entry
from fleeting.core.issuance import refusal
from fleeting.core.model import AccessRequest, Decision, Json, Verdict
from fleeting.core.submissions import Item, Submission, possible_names, read_submission
from fleeting.core.tasks import item_id, submitted_of
from fleeting.ports import Ids, Record, RecordChange, RecordKind, Write, unless_stale
from fleeting.usecases.asking_people import ATTEMPTS, busy
from fleeting.usecases.calling import Call, Story
from fleeting.usecases.enforcement import enforcement_point
from fleeting.usecases.following_tasks import Tasks
from fleeting.usecases.guarding import GuardDesk
from fleeting.usecases.request_rows import change_of

KEPT = timedelta(hours=24)
"""How long after its end a submission is known again (ARAP §10.1: at least 24 hours)."""

_LONGEST_KEY = 200


@dataclass(frozen=True, slots=True)
class Submitting:
    """One submission, unread. key: its ``Idempotency-Key``, "" where there is none."""

    call: Call
    body: bytes
    key: str = ""


@dataclass(frozen=True, slots=True)
class _Draft:
    """One item as it is to be put before people. denial: what it was made of."""

    record: RequestRecord
    decision: Decision
    denial: Denial


@dataclass(frozen=True, slots=True)
class SubmitRequest:
    """Take in what was denied, once, however often it is sent."""

    guards: GuardDesk
    tasks: Tasks
    ids: Ids

    async def __call__(self, submitting: Submitting) -> dict[str, Any]:
        """Return the task (ARAP §10.2).

        Raises:
            NotAnEnforcementPoint: the caller guards nothing. InvalidRequest: malformed.
            RequestProblem: see ARAP §14.
            AccessDenied, TemporarilyUnavailable: too many wait already.
        """
        async with self.guards.desk.story(submitting.call) as story:
            point = enforcement_point(self.guards, story)
            submission = read_submission(
                submitting.body,
                client_id=point.client.client_id,
                callback_uris=point.resource.callback_uris,
            )
            own = [_key_row(point.client.client_id, submitting.key)] if submitting.key else []
            known = await self._known(await self._kept(own), submission, story)
            return known or await self._take_in(story, point, submission, own)

    async def _take_in(
        self, story: Story, point: EnforcementPoint, submission: Submission, own: list[str]
    ) -> dict[str, Any]:
        task = self.ids.new_id()
        drafts = [
            self._draft(story, point, submission, task, place)
            for place in range(1, len(submission.items) + 1)
        ]
        rows = [*own, *(_denial_row(draft.denial) for draft in drafts)]
        if len(set(rows)) < len(rows):
            raise InvalidDenialBinding("one denial is submitted twice: each item needs its own")
        records = [draft.record for draft in drafts]
        counter = self.tasks.counter
        for _ in range(ATTEMPTS):
            kept = await self._kept(rows)
            known = await self._known(kept, submission, story)
            if known is not None:
                return known
            with ExitStack() as rooms:
                for record in records:
                    rooms.enter_context(counter.open.room(record.request.client.client_id))
                write = _write(drafts, kept, task, submission)
                outcome = await self.guards.desk.commit(story, write)
                if not outcome.stale:
                    for record in records:
                        counter.open.opened(record)
                        counter.on_pending(record)
                    return self.tasks.told(records, story)
        raise busy()

    async def _kept(self, rows: Sequence[str]) -> dict[str, Record | None]:
        records = self.tasks.counter.records
        return {row: await records.record(RecordKind.IDEMPOTENCY, row) for row in rows}

    async def _known(
        self, rows: Mapping[str, Record | None], submission: Submission, story: Story
    ) -> dict[str, Any] | None:
        """Return the task of the same submission, where it was sent before.

        Raises:
            DuplicateRequest: key or denial came with another submission.
        """
        for kept in rows.values():
            if kept is None or (kept.due_at is not None and kept.due_at <= story.now):
                continue
            before = json.loads(kept.text)
            if before["body"] != submission.digest:
                raise DuplicateRequest(
                    "this Idempotency-Key, or this denial, was sent with another body before"
                )
            story.recorded = True  # a retry, and no news, whatever is told of the task now
            records = await self.tasks.own(before["task"], story)
            await self.guards.desk.use_up(story)
            return self.tasks.told(records, story)
        return None

    def _draft(
        self, story: Story, point: EnforcementPoint, submission: Submission, task: str, place: int
    ) -> _Draft:
        """Return one item as people are to decide it.

        Raises:
            InvalidDenialBinding, ExpiredDenial: it is not what was denied, or was long ago.
            NotRequestable: people could not change it, now.
        """
        item = submission.items[place - 1]
        denial = self._denial(story, point, item)
        id_ = item_id(task, place) if submission.several else task
        try:
            txn = denial.evaluation_id.partition(".")[0]
            request = access_request(item.asked, point, id_=id_, txn=txn)
        except OAuthError as error:
            raise NotRequestable(error.description) from None
        story.request = request
        record, decision = _asked(story, request)
        submitted = _submitted(submission, item, denial, task)
        if item.until is not None:
            if item.until <= story.now:
                raise InvalidRequest("requested_access.requested_until is over already")
            record = replace(record, expires_at=min(record.expires_at, item.until))
        return _Draft(replace(record, submitted=submitted), decision, denial)

    def _denial(self, story: Story, point: EnforcementPoint, item: Item) -> Denial:
        echo = item.denial
        denial = read_denial(
            echo.binding_token,
            self.guards.signer.keys(),
            issuer=story.rules.installation.issuer,
            client_id=point.client.client_id,
            now=story.now,
        )
        if echo.expires_at != denial.expires_at:
            raise InvalidDenialBinding("denial.expires_at is not that of context.access_request")
        if echo.evaluation_id not in (None, denial.evaluation_id):
            raise InvalidDenialBinding("denial.evaluation_id is another evaluation's")
        check_same_question(denial, item.asked)
        return denial


def _asked(story: Story, request: AccessRequest) -> tuple[RequestRecord, Decision]:
    """Return what policy of this moment puts before people.

    Raises:
        NotRequestable: nothing.
    """
    rules = story.rules
    decision = story.decision = rules.policy.decide(request, now=story.now)
    if not needs_people(decision):
        if decision.answers[0].verdict is Verdict.PERMITTED:
            raise NotRequestable("policy permits this by now: evaluate again")
        raise NotRequestable(refusal(decision.answers).description)
    installation = rules.installation
    record = asked_record(
        request,
        decision,
        rules.policy.policies,
        plan=None,
        types=installation.catalogue.types,
        clients={name: each.client for name, each in installation.registrations.items()},
        now=story.now,
    )
    providers = installation.providers
    prefixes = {issuer: provider.subject_prefix for issuer, provider in providers.items()}
    behind = record.behind | possible_names(request, prefixes)
    return replace(record, behind=behind), decision


def _submitted(submission: Submission, item: Item, denial: Denial, task: str) -> Submitted:
    written = item.asked.written
    resource, action = written["resource"], written["action"]
    emergency: dict[str, Json] = {"emergency": True} if item.emergency else {}
    return Submitted(
        task=task,
        evaluation_id=denial.evaluation_id,
        digest=denial.digest,
        resource=resource if isinstance(resource, dict) else {},
        action=action if isinstance(action, dict) else {},
        items=len(submission.items) if submission.several else 0,
        says={**submission.says, **emergency},
        until=item.until,
        callback=submission.callback,
    )


def _write(
    drafts: Sequence[_Draft],
    rows: Mapping[str, Record | None],
    task: str,
    submission: Submission,
) -> Write:
    text = json.dumps({"task": task, "body": submission.digest})
    until = max(_known_until(draft.record) for draft in drafts)
    kept = [
        RecordChange(
            RecordKind.IDEMPOTENCY, row, before.revision if before else 0, "submitted", text, until
        )
        for row, before in rows.items()
    ]
    entries = [entry for draft in drafts for entry in _entries(draft)]
    return Write(
        changes=(*(change_of(draft.record) for draft in drafts), *kept),
        record=unless_stale(*entries),
    )


def _known_until(record: RequestRecord) -> datetime:
    return record.expires_at + record.offer.lifetime + KEPT


def _entries(draft: _Draft) -> list[Entry]:
    submitted = submitted_of(draft.record)
    more: dict[str, Json] = {
        "task": submitted.task,
        "evaluation_id": submitted.evaluation_id,
        "caller_says": dict(submitted.says),
        "callback": None if submitted.callback is None else submitted.callback.uri,
    }
    pending = pending_entries(draft.record, draft.decision)
    return [replace(entry, body={**entry.body, "submitted": more}) for entry in pending]


def _key_row(client_id: str, key: str) -> str:
    """Return under what an ``Idempotency-Key`` of *client_id* is kept (ARAP §21.4.3).

    Raises:
        InvalidRequest: it is too long.
    """
    if len(key) > _LONGEST_KEY:
        raise InvalidRequest(f"an Idempotency-Key has at most {_LONGEST_KEY} characters")
    return f"submitted:{client_id}:{hashlib.sha256(key.encode()).hexdigest()}"


def _denial_row(denial: Denial) -> str:
    return f"denied:{denial.jti}"
