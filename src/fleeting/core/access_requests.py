"""An access request that people decide, and all that is remembered of it while it lives.

What people vote on is an ``Offer``: the token, or the tokens, that will come of it. It begins as
what policy would give and can only ever get smaller.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from fleeting.core.ceremony import Escalation
from fleeting.core.lifecycle import Status
from fleeting.core.model import AccessRequest, ApprovalStage, Json, Operation

REMEMBERED = timedelta(days=30)
"""How long after its end an access request is still known: what became of the last ones counts."""


@dataclass(frozen=True, slots=True)
class Total:
    """The most that the values of one ``at_most`` field may add up to over a plan's tokens."""

    type: str
    field: str
    most: int | Decimal


@dataclass(frozen=True, slots=True)
class Plan:
    """Standing work: so many tokens, one by one, within so much time, each within the operations.

    duration: from the grant on. totals: of some fields, over all tokens.
    """

    calls: int
    duration: timedelta
    totals: tuple[Total, ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """What people approve: the token's own operations, lifetime and uses; the key is the request's.

    plan: None where one token comes of it.
    """

    operations: tuple[Operation, ...]
    lifetime: timedelta
    uses: int | None
    plan: Plan | None = None


@dataclass(frozen=True, slots=True)
class ApprovalTerms:
    """How people are to decide this request; from policy, fixed when it is asked.

    policies: the ids of the policies that ask. reasons: why, in their public words.
    max_age: how fresh the approver's own login must be at the vote; None: as the installation says.
    """

    stages: tuple[ApprovalStage, ...]
    policies: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    escalation: Escalation | None = None
    max_age: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's yes to an offer (DESIGN §2: an approval).

    group: as whose member. stage: the place of the stage it was given for.
    instead_of: the person who is away and whose place was taken, if so.
    signed_in_at: when the person last logged in, at the time of the vote.
    """

    person: str
    name: str
    at: datetime
    stage: int
    group: str
    offer: Offer
    signed_in_at: datetime
    comment: str = ""
    instead_of: str | None = None


class RemarkKind(StrEnum):
    """What was said of a request without deciding it."""

    QUESTION = "question"
    ANSWER = "answer"
    NARROWED = "narrowed"


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that was said; text: by whoever *by* is, and no more than their word."""

    kind: RemarkKind
    by: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Minted:
    """One token that came of a request."""

    jti: str
    txn: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Review:
    """What must be looked at by someone else after break-glass.

    group: who was alarmed. closed_by: None while it is open.
    """

    group: str
    due_at: datetime
    closed_by: str | None = None
    closed_at: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Callback:
    """Where an enforcement point wants to be told of the end, and of which ends.

    state: its own word, sent back as it came. told: somebody is telling it, or has.
    """

    uri: str
    events: tuple[str, ...] = ()
    state: Json = None
    told: bool = False


@dataclass(frozen=True, slots=True)
class Submitted:
    """What an enforcement point submitted: it wants a decision, and gets no token.

    task: what it knows the request by. items: how many requests the task has, 0 where it is this
    one alone. evaluation_id: of the denial. digest: of the question that was denied, with the
    context members that bind (AuthZEN Access Request and Approval Profile, cited as
    ARAP §21.1.4). resource, action: as it wrote them. until: for how long it wants it.
    says: what its own caller gives as a reason, and no more than their word.
    """

    task: str
    evaluation_id: str
    digest: str
    resource: Mapping[str, Json]
    action: Mapping[str, Json]
    items: int = 0
    says: Mapping[str, Json] = field(default_factory=dict)
    until: datetime | None = None
    callback: Callback | None = None


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """All that is remembered of an access request that people decide; one row in the store.

    request: as it was asked; its id is the ``access_request_id`` and the story's in the ledger.
    fingerprint: SHA-256 of all that a repetition must not change (client, key, subject, …).
    asked: the offer as policy made it; offer: as it stands now, never wider.
    expires_at: when waiting ends: for votes while pending, for collection while approved.
    not_after: the end of the grant; None before it is granted.
    ended_by, reason: who ended it or said no, and why; reason is told to who asked.
    policy_digest: of the set that asked for people.
    calls, spent: how many tokens came of it, and per ``type.field`` what they add up to.
    extends: the id of the grant that this one only makes longer.
    extensions: how many more tokens than one may come of it, where it is no plan.
    behind: ids of the people who stand behind the request and may not decide it.
    break_glass: the reason that was given for going ahead at once.
    submitted: what is asked for is a decision; None: a token. Then calls are permits, not tokens.
    """

    request: AccessRequest
    fingerprint: str
    status: Status
    asked: Offer
    offer: Offer
    terms: ApprovalTerms
    asked_at: datetime
    expires_at: datetime
    policy_digest: str
    behind: frozenset[str] = frozenset()
    votes: tuple[Vote, ...] = ()
    remarks: tuple[Remark, ...] = ()
    granted_at: datetime | None = None
    not_after: datetime | None = None
    minted: tuple[Minted, ...] = ()
    calls: int = 0
    spent: Mapping[str, int | Decimal] = field(default_factory=dict)
    ended_by: str | None = None
    reason: str = ""
    extends: str | None = None
    extensions: int = 0
    break_glass: str | None = None
    review: Review | None = None
    submitted: Submitted | None = None
    revision: int = 0

    @property
    def id(self) -> str:
        """The ``access_request_id``."""
        return self.request.id

    @property
    def due_at(self) -> datetime:
        """When somebody must look at it though nobody touched it: to end it, or to forget it."""
        if self.status in (Status.PENDING, Status.APPROVED):
            return self.expires_at
        end = self.not_after or self.expires_at
        review = self.review
        if review is not None and review.closed_by is None:
            return min(end, review.due_at) if self.status is Status.GRANTED else review.due_at
        return end if self.status is Status.GRANTED else end + REMEMBERED
