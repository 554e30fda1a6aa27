"""Ask policy again about a request that is decided by people, with the rules of this moment."""

from dataclasses import dataclass, replace
from datetime import datetime

from fleeting.core.access_requests import Offer, RequestRecord
from fleeting.core.issuance import within_subject_token
from fleeting.core.model import Decision, SubjectKind
from fleeting.core.reconsidering import Reconsidered, reconsider, request_now
from fleeting.usecases.people import People
from fleeting.usecases.rules import Rules


@dataclass(frozen=True, slots=True)
class SecondLook:
    """What policy says now. decision: None where it was not even asked."""

    said: Reconsidered
    decision: Decision | None = None


async def second_look(
    record: RequestRecord,
    rules: Rules,
    people: People,
    now: datetime,
    *,
    offer: Offer | None = None,
) -> SecondLook:
    """Return whether policy lets through what is offered (or *offer*), and after whose votes.

    Client and resource count as they are declared now, and a user who was disabled asks nothing.
    """
    record = record if offer is None else replace(record, offer=offer)
    subject, installation = record.request.subject, rules.installation
    if subject.kind is SubjectKind.USER:
        user = await people.person(subject.id)
        if user is not None and user.disabled:
            return SecondLook(Reconsidered("the user it is for was disabled"))
    request = request_now(
        record,
        installation.registrations.get(record.request.client.client_id),
        installation.catalogue.resources.get(record.request.resource.identifier),
    )
    types = installation.catalogue.types
    gone = [
        it.type for it in record.offer.operations if it.type not in types and it.type != "scope"
    ]
    if request is None or gone:
        return SecondLook(Reconsidered("client, resource or operation is not declared any more"))
    decision = within_subject_token(request, rules.policy.decide(request, now=now), types)
    return SecondLook(reconsider(decision, rules.policy.policies), decision)
