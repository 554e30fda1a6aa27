"""What policy says of a request now that people said yes: it stays the authority."""

from dataclasses import dataclass, replace
from functools import reduce

from fleeting.core.access_requests import ApprovalTerms, RequestRecord
from fleeting.core.asking import Permits, approval_terms
from fleeting.core.client_auth import Registration
from fleeting.core.evaluations import asking_client
from fleeting.core.issuance import Grantable, refusal
from fleeting.core.limits import strictest
from fleeting.core.model import (
    AccessRequest,
    AskedBy,
    Client,
    Decision,
    Resource,
    Subject,
    SubjectKind,
    Verdict,
)

_STILL = (Verdict.PERMITTED, Verdict.NEEDS_APPROVAL, Verdict.NEEDS_STEP_UP)
"""Step-up is asked for when it is collected, of the login that is there then."""


_NOBODY = ApprovalTerms(())


@dataclass(frozen=True, slots=True)
class Reconsidered:
    """What policy says now. refusal: why not, in public words; terms: how people are to decide."""

    refusal: str | None = None
    terms: ApprovalTerms = _NOBODY


def request_now(
    record: RequestRecord, registration: Registration | None, resource: Resource | None
) -> AccessRequest | None:
    """Return the recorded request for what is offered, by its parties as they are declared now.

    None: one of them is not declared any more.
    """
    if registration is None or resource is None:
        return None
    request, client = record.request, registration.client
    if request.asked_by is AskedBy.EVALUATION:
        client = asking_client(client)
    return replace(
        request,
        subject=_subject_now(request.subject, client),
        client=client,
        resource=resource,
        operations=record.offer.operations,
    )


def _subject_now(subject: Subject, client: Client) -> Subject:
    if subject.kind is SubjectKind.CLIENT and subject.id == client.client_id:
        return replace(subject, groups=client.groups)
    return subject


def reconsider(decision: Decision, permits: Permits) -> Reconsidered:
    """Return whether *decision*, on all that is offered, lets it through, and after whose votes."""
    refused = [answer for answer in decision.answers if answer.verdict not in _STILL]
    if refused or not decision.answers:
        return Reconsidered(refusal(refused).description)
    limits = reduce(strictest, (answer.paths[0].limits for answer in decision.answers))
    granted = Grantable((), limits, ())
    return Reconsidered(terms=approval_terms(granted, decision, permits))
