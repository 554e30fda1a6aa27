"""Decide for an enforcement point whether something may be done: AuthZEN's two endpoints."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fleeting.core.authzen import Evaluation, Evaluations, Malformed
from fleeting.core.errors import NotAnEnforcementPoint, OAuthError
from fleeting.core.evaluations import EnforcementPoint, Evaluated, access_request
from fleeting.core.evidence import Entry
from fleeting.policy import PolicyBundle
from fleeting.ports import Outcome, Write
from fleeting.usecases.calling import Call, Story
from fleeting.usecases.guarding import GuardDesk


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

    async def __call__(self, question: Question) -> dict[str, Any]:
        """Return the decision, or the decisions.

        Raises:
            NotAnEnforcementPoint: the caller guards nothing.
            InvalidRequest: the request as a whole is malformed.
        """
        async with self.guards.desk.story(question.call) as story:
            point = self._point(story)
            asked = self.read(question.body)

            evaluated = await self._decide(story, asked, point)

            def record(_: Outcome) -> tuple[Entry, ...]:
                return tuple(_entry(each, story, question) for each in evaluated)

            await self.guards.desk.commit(story, Write(record=record))

            answers = [each.to_json() for each in evaluated]
            return {"evaluations": answers} if asked.several else answers[0]

    def _point(self, story: Story) -> EnforcementPoint:
        client = self.guards.desk.authenticate(story).client
        installation = story.rules.installation
        resource = installation.guards.get(client.client_id)
        if resource is None:
            raise NotAnEnforcementPoint("only a resource server's own client may ask for decisions")
        return EnforcementPoint(
            client=client,
            resource=resource,
            types=installation.catalogue.types,
            context_keys=installation.context_keys,
            attributes=installation.declarations.attributes,
            registrations=installation.registrations,
        )

    async def _decide(
        self, story: Story, asked: Evaluations, point: EnforcementPoint
    ) -> list[Evaluated]:
        bundle = story.rules.policy  # one set of policies for all of them
        evaluated: list[Evaluated] = []
        for place, item in enumerate(asked.items, start=1):
            if asked.several:
                await asyncio.sleep(0)  # other callers' turn: they are not to wait for all of these
            request_id = story.call.request_id
            id_ = f"{request_id}.{place}" if asked.several else request_id
            evaluated.append(_evaluate(item, point, bundle, story, id_))
            if asked.semantic.ends_with(permitted=evaluated[-1].permitted):
                break
        return evaluated


def _evaluate(
    item: Evaluation | Malformed,
    point: EnforcementPoint,
    bundle: PolicyBundle,
    story: Story,
    id_: str,
) -> Evaluated:
    if isinstance(item, Malformed):
        return Evaluated(id_, item, problem=item.problem)
    try:
        request = access_request(item, point, id_=id_, txn=story.call.request_id)
    except OAuthError as error:
        return Evaluated(id_, item, problem=error.description)
    return Evaluated(id_, item, request, bundle.decide(request, now=story.now))


def _entry(evaluated: Evaluated, story: Story, question: Question) -> Entry:
    return evaluated.to_entry(
        story.client_id or "", question.asked_as, story.call.request_id, story.now
    )
