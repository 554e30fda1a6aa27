"""Decide for an enforcement point whether something may be done: AuthZEN's two endpoints."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fleeting.core.authzen import Evaluation, Evaluations, Malformed
from fleeting.core.errors import OAuthError
from fleeting.core.evaluations import EnforcementPoint, Evaluated, access_request
from fleeting.core.evidence import Entry
from fleeting.core.reevaluating import Question as Decided
from fleeting.core.reevaluating import presented_reference
from fleeting.policy import PolicyBundle
from fleeting.ports import Outcome, Write
from fleeting.usecases.asking_people import ATTEMPTS, busy
from fleeting.usecases.calling import Call, Story
from fleeting.usecases.enforcement import enforcement_point
from fleeting.usecases.guarding import GuardDesk
from fleeting.usecases.presented_approvals import Approvals, Presentation
from fleeting.usecases.request_rows import change_of


@dataclass(frozen=True, slots=True)
class Question:
    """One request of an enforcement point, unread. asked_as: what it calls the request itself."""

    call: Call
    body: bytes
    asked_as: str = ""


@dataclass(frozen=True, slots=True)
class EvaluateAccess:
    """Answer a resource server's own client with decisions, and issue nothing (AuthZEN §6, §7).

    Whom it vouches for counts for these answers alone: no token, and no other caller's decision,
    ever depends on it.
    """

    guards: GuardDesk
    read: Callable[[bytes], Evaluations]
    approvals: Approvals

    async def __call__(self, question: Question) -> dict[str, Any]:
        """Return the decision, or the decisions.

        Raises:
            NotAnEnforcementPoint: the caller guards nothing.
            InvalidRequest: the request as a whole is malformed.
        """
        async with self.guards.desk.story(question.call) as story:
            point = enforcement_point(self.guards, story)
            asked = self.read(question.body)

            evaluated = await self._settle(story, asked, point, question.asked_as)

            answers = [each.to_json() for each in evaluated]
            return {"evaluations": answers} if asked.several else answers[0]

    async def _settle(
        self, story: Story, asked: Evaluations, point: EnforcementPoint, asked_as: str
    ) -> list[Evaluated]:
        """Return the decisions once they are recorded, and what they use up of approvals with them.

        Raises:
            TemporarilyUnavailable: others use the same approvals up all the time.
        """
        ids = _presented(asked)
        async with self.approvals.turns_of(ids):
            for _ in range(ATTEMPTS):
                presentation = await self.approvals.presented(ids, story, point)
                evaluated = await _decide(story, asked, point, presentation)
                if await self._commit(story, evaluated, presentation, asked_as):
                    return evaluated
        raise busy()

    async def _commit(
        self, story: Story, evaluated: list[Evaluated], presentation: Presentation, asked_as: str
    ) -> bool:
        """Return whether it is done: somebody else may have changed an approval meanwhile."""

        def record(outcome: Outcome) -> tuple[Entry, ...]:
            if outcome.stale:
                return ()
            entries = tuple(_entry(each, story, asked_as) for each in evaluated)
            return (*entries, *presentation.entries)

        changes = tuple(change_of(each) for each in presentation.used.values())
        outcome = await self.guards.desk.commit(story, Write(changes=changes, record=record))
        return not outcome.stale


def _presented(asked: Evaluations) -> list[str]:
    """Return the ids of the approvals that are presented."""
    contexts = [each.context for each in asked.items if isinstance(each, Evaluation)]
    references = [presented_reference(context) for context in contexts]
    return sorted({each.id for each in references if each is not None and each.id})


async def _decide(
    story: Story, asked: Evaluations, point: EnforcementPoint, presentation: Presentation
) -> list[Evaluated]:
    bundle = story.rules.policy  # one set of policies for all of them
    evaluated: list[Evaluated] = []
    for place, item in enumerate(asked.items, start=1):
        if asked.several:
            await asyncio.sleep(0)  # other callers' turn: they are not to wait for all of these
        request_id = story.call.request_id
        id_ = f"{request_id}.{place}" if asked.several else request_id
        evaluated.append(_evaluate(item, point, bundle, story, id_, presentation))
        if asked.semantic.ends_with(permitted=evaluated[-1].permitted):
            break
    return evaluated


def _evaluate(
    item: Evaluation | Malformed,
    point: EnforcementPoint,
    bundle: PolicyBundle,
    story: Story,
    id_: str,
    presentation: Presentation,
) -> Evaluated:
    if isinstance(item, Malformed):
        return Evaluated(id_, item, problem=item.problem)
    try:
        request = access_request(item, point, id_=id_, txn=story.call.request_id)
    except OAuthError as error:
        return Evaluated(id_, item, problem=error.description)
    decision = bundle.decide(request, now=story.now)
    declared = frozenset(point.context_keys)
    told = presentation.tell(id_, Decided(item, request, decision, declared), bundle.policies)
    return Evaluated(
        id_,
        item,
        request,
        decision,
        told=told.context,
        approval=told.approval,
        permitted_by=told.permitted_by,
    )


def _entry(evaluated: Evaluated, story: Story, asked_as: str) -> Entry:
    txn = story.call.request_id
    if evaluated.permitted_by is not None and evaluated.approval is not None:
        txn = str(evaluated.approval["id"])  # so that it is in the story of what was approved
    return evaluated.to_entry(story.client_id or "", asked_as, txn, story.now)
