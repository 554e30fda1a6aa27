"""From an access request that policy wants people to decide to what is put before them."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Protocol

from fleeting.core.access_requests import ApprovalTerms, Offer, Plan, RequestRecord
from fleeting.core.ceremony import DEFAULT_WAIT, BreakGlassTerms, Escalation
from fleeting.core.issuance import Grantable, grantable
from fleeting.core.lifecycle import Event, Status, after
from fleeting.core.limits import Terms, least
from fleeting.core.model import (
    AccessRequest,
    ActionDecision,
    Actor,
    AskedBy,
    Client,
    Decision,
    Json,
    SubjectKind,
    Verdict,
)
from fleeting.core.operation_types import OperationType
from fleeting.core.plans import check_permitted, plan_json
from fleeting.core.recording import operations_json

NO_PREFIXES: Mapping[str, str] = MappingProxyType({})
WITH_APPROVAL = frozenset({Verdict.PERMITTED, Verdict.NEEDS_APPROVAL})
"""What comes of a request once people have said yes."""


class Permit(Protocol):
    """What counts of a policy here."""

    @property
    def terms(self) -> Terms:
        """What it limits, and how people are asked."""
        ...

    @property
    def reason(self) -> str:
        """Its public words; may be empty."""
        ...


Permits = Mapping[str, Permit]


def needs_people(decision: Decision) -> bool:
    """Say whether the request waits: if any of its actions does, all of it does."""
    return any(answer.verdict is Verdict.NEEDS_APPROVAL for answer in decision.answers)


def chosen(decision: Decision, permits: Permits) -> tuple[Permit, ...]:
    """Return the permits by which the actions that may come of *decision* are permitted."""
    return tuple(permits[answer.paths[0].policy] for answer in _accepted(decision))


def _accepted(decision: Decision) -> Sequence[ActionDecision]:
    return [answer for answer in decision.answers if answer.verdict in WITH_APPROVAL]


def offered(request: AccessRequest, decision: Decision, plan: Plan | None) -> Grantable:
    """Return all that may come of *request*, the actions that people decide among it.

    Raises:
        AccessDenied and its kind: nothing may; see ``core.issuance.grantable``.
    """
    granted = grantable(request, decision, accepting=WITH_APPROVAL)
    if plan is None or not plan.totals or granted.limits.uses is not None:
        return granted
    # What adds up to a total must be counted: a token without a limit of uses cannot be.
    return replace(granted, limits=replace(granted.limits, uses=1))


def asked_record(
    request: AccessRequest,
    decision: Decision,
    permits: Permits,
    *,
    plan: Plan | None,
    types: Mapping[str, OperationType],
    clients: Mapping[str, Client],
    now: datetime,
) -> RequestRecord:
    """Return the record of *request*, which waits for people from now on.

    Raises:
        AccessDenied: policy permits no such plan.
    """
    granted = offered(request, decision, plan)
    if plan is not None:
        check_permitted(plan, [permit.terms.plan for permit in chosen(decision, permits)])
    offer = Offer(granted.operations, granted.limits.lifetime, granted.limits.uses, plan)
    return RequestRecord(
        request=request,
        fingerprint=fingerprint(request, plan),
        status=_first_status(granted),
        asked=offer,
        offer=offer,
        terms=approval_terms(granted, decision, permits),
        asked_at=now,
        expires_at=now + waiting_time(request, decision, permits, types),
        policy_digest=decision.policy_digest,
        behind=behind(request, clients),
        break_glass=request.break_glass,
    )


def _first_status(granted: Grantable) -> Status:
    """Return *pending*; for a plan that needs nobody's yes, *approved* at once."""
    pending = after(Status.REQUESTED, Event.WAIT)
    return pending if granted.limits.approvals else after(pending, Event.APPROVE)


def approval_terms(granted: Grantable, decision: Decision, permits: Permits) -> ApprovalTerms:
    """Return how people are to decide: what all the policies that ask for them want together."""
    ids = dict.fromkeys(answer.paths[0].policy for answer in _waiting(decision))
    asking = [permits[id_] for id_ in ids]
    return ApprovalTerms(
        stages=granted.limits.approvals,
        policies=tuple(ids),
        reasons=tuple(dict.fromkeys(permit.reason for permit in asking if permit.reason)),
        escalation=_escalation(permit.terms.escalation for permit in asking),
        max_age=least(*(permit.terms.approver_max_age for permit in asking)),
    )


def _waiting(decision: Decision) -> Iterable[ActionDecision]:
    return (it for it in decision.answers if it.verdict is Verdict.NEEDS_APPROVAL)


def _escalation(each: Iterable[Escalation | None]) -> Escalation | None:
    """Return the escalation that all want: to one group, and not before the most patient."""
    wanted = [*each]
    found = [escalation for escalation in wanted if escalation is not None]
    if not found or len(found) < len(wanted) or len({it.group for it in found}) > 1:
        return None
    return max(found, key=lambda it: it.after)


def waiting_time(
    request: AccessRequest,
    decision: Decision,
    permits: Permits,
    types: Mapping[str, OperationType],
) -> timedelta:
    """Return how long people have: the least of what policies, else types, say of it."""
    said = (
        permits[answer.paths[0].policy].terms.approval_in
        or _of_type(request, answer, types)
        or DEFAULT_WAIT
        for answer in _waiting(decision)
    )
    return least(*said) or DEFAULT_WAIT


def _of_type(
    request: AccessRequest, answer: ActionDecision, types: Mapping[str, OperationType]
) -> timedelta | None:
    type_ = types.get(request.operations[answer.operation].type)
    return None if type_ is None else type_.approval_in


def fingerprint(request: AccessRequest, plan: Plan | None) -> str:
    """Return what a repetition of *request* must not change, as the digest of one text.

    Not in it: ids, and what the issuer itself knows anew each time (groups, ceilings, ``acr``).
    """
    context: dict[str, Json] = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in request.context.items()
    }
    members: dict[str, Json] = {
        "asked_by": request.asked_by.value,
        "client": request.client.client_id,
        "key": None if request.key is None else request.key.to_cnf(),
        "subject": [request.subject.kind.value, request.subject.id, request.subject.issuer],
        "actors": [[actor.sub, actor.iss, actor.client_id] for actor in request.actors],
        "resource": request.resource.identifier,
        "operations": operations_json(request.operations),
        "context": context,
        "plan": None if plan is None else plan_json(plan),
        "break_glass": request.break_glass,
        # A challenge is for one call: for an alike one there is another.
        "txn": request.txn if request.asked_by is AskedBy.CHALLENGE else None,
    }
    text = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def behind(
    request: AccessRequest,
    clients: Mapping[str, Client],
    prefixes: Mapping[str, str] = NO_PREFIXES,
) -> frozenset[str]:
    """Return who may not decide *request*: who asks, who acts, and who answers for the clients.

    clients: as they are declared, with their owners, sponsors and managers.
    prefixes: by identity provider, of its subjects' ids; tokens name earlier actors without.
    """
    subject, actors = request.subject, request.actors
    people = {name for actor in actors for name in _names(actor, prefixes)}
    if subject.kind is SubjectKind.USER:
        people.add(subject.id)
    names = {request.client.client_id, subject.id, *people}
    names |= {actor.client_id for actor in actors if actor.client_id is not None}
    for name in names & clients.keys():
        client = clients[name]
        people |= client.owner | client.sponsor | client.manager
    return frozenset(people)


def _names(actor: Actor, prefixes: Mapping[str, str]) -> set[str]:
    """Return every id that *actor* may have here; whose issuer is not told may be anybody's."""
    own = prefixes.get(actor.iss or "")
    found = prefixes.values() if own is None else (own,)
    return {actor.sub, *(prefix + actor.sub for prefix in found)}


def break_glass_terms(decision: Decision, permits: Permits) -> BreakGlassTerms | None:
    """Return whom to alarm and when to review, where glass is broken; else None.

    Of several the one whose review is due first.
    """
    permitted = (it for it in decision.answers if it.verdict is Verdict.PERMITTED)
    found = [permits[answer.paths[0].policy].terms.break_glass for answer in permitted]
    broken = [terms for terms in found if terms is not None]
    return min(broken, key=lambda it: (it.review_in, it.group), default=None)
