"""Approvals that enforcement points present, and denials that people could make permits of."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from fleeting.core.access_requests import RequestRecord
from fleeting.core.asking import Permits
from fleeting.core.authzen import REQUESTS_PATH, Members
from fleeting.core.collecting import collection_json
from fleeting.core.denials import DENIAL_TYP, denial_claims, requestable_json
from fleeting.core.evaluations import EnforcementPoint
from fleeting.core.evidence import Entry
from fleeting.core.model import Json, Verdict
from fleeting.core.reevaluating import (
    Presented,
    Question,
    Reference,
    Why,
    is_own,
    next_action,
    presented_reference,
    reevaluated,
)
from fleeting.ports import Ids
from fleeting.usecases.asking_people import Counter
from fleeting.usecases.calling import Story
from fleeting.usecases.guarding import GuardDesk
from fleeting.usecases.turns import Turns

_LONGEST_KEPT = 100


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer says beside the decision of policy alone.

    context: of a denial. permitted_by: of a permit by an approval. approval: for the ledger.
    """

    context: Members = field(default_factory=dict)
    permitted_by: Members | None = None
    approval: Members | None = None


@dataclass(frozen=True, slots=True)
class Approvals:
    """The approvals of an installation, as enforcement points present them."""

    guards: GuardDesk
    counter: Counter
    ids: Ids
    turns: Turns

    @asynccontextmanager
    async def turns_of(self, ids: Sequence[str]) -> AsyncIterator[None]:
        """Have the turn at each of *ids*, which are sorted: nobody waits for who waits for them."""
        async with AsyncExitStack() as stack:
            for id_ in ids:
                await stack.enter_async_context(self.turns.of(id_))
            yield

    async def presented(
        self, ids: Sequence[str], story: Story, point: EnforcementPoint
    ) -> "Presentation":
        """Return what *ids* lead to now.

        Raises:
            StoreUnavailableError: the store cannot answer.
        """
        found = [await self.counter.found(id_, story.rules) for id_ in ids]
        records = {record.id: record for record in found if record is not None}
        return Presentation(self, story, point, records)


@dataclass(slots=True)
class Presentation:
    """The approvals of one call. used, entries: what its answers make of them."""

    approvals: Approvals
    story: Story
    point: EnforcementPoint
    records: dict[str, RequestRecord]
    used: dict[str, RequestRecord] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)

    def tell(self, id_: str, question: Question, permits: Permits) -> Told:
        """Return what the answer to *question*, of that id, says beside policy's own decision."""
        verdict = question.decision.answers[0].verdict
        if verdict is Verdict.PERMITTED:
            return Told()  # by policy alone: nothing of an approval is used up
        reference = presented_reference(question.asked.context)
        if reference is not None:
            return self._reevaluate(id_, question, reference, permits)
        waits = verdict is Verdict.NEEDS_APPROVAL
        return Told(self._requestable(id_, question)) if waits else Told()

    def _reevaluate(
        self, id_: str, question: Question, reference: Reference, permits: Permits
    ) -> Told:
        record, types = self._own(reference), self.story.rules.installation.catalogue.types
        presented = Presented(reference, record)
        result = reevaluated(presented, question, permits, types, self.story.now)
        if isinstance(result, Why):
            return self._no_help(id_, question, reference, result)
        after = result.deed.record
        self.entries += result.deed.entries
        kept: dict[str, Json] = {"id": after.id, **_votes(record or after)}
        self.records[after.id] = self.used[after.id] = after
        return Told(permitted_by=result.told, approval=kept)

    def _own(self, reference: Reference) -> RequestRecord | None:
        """Return what is presented, if what came along with its id is ours."""
        record = self.records.get(reference.id)
        if record is None or record.submitted is None:
            return None
        keys = self.approvals.guards.signer.keys()
        own = is_own(reference, record, keys, self.story.rules.installation.issuer)
        return record if own else None

    def _no_help(self, id_: str, question: Question, reference: Reference, why: Why) -> Told:
        action = next_action(why, question)
        context: dict[str, Json] = {}
        if action == "request":
            context.update(self._requestable(id_, question))
        context.update(reason=why.value, next_action=action)
        return Told(context, approval={"id": reference.id[:_LONGEST_KEPT], "why": why.value})

    def _requestable(self, id_: str, question: Question) -> dict[str, Json]:
        issuer, now = self.story.rules.installation.issuer, self.story.now
        claims = denial_claims(
            question.asked,
            issuer=issuer,
            client_id=self.point.client.client_id,
            evaluation_id=id_,
            declared=question.declared,
            jti=self.approvals.ids.new_id(),
            now=now,
        )
        return requestable_json(
            self.approvals.guards.signer.sign(DENIAL_TYP, claims),
            issuer=issuer,
            path=REQUESTS_PATH,
            template=question.request.operations[0].type,
            now=now,
        )


def _votes(record: RequestRecord) -> dict[str, Json]:
    kept = collection_json(record)["approval"]
    return kept if isinstance(kept, dict) else {}
