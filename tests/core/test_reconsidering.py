"""Policy has the last word, by the parties as they are declared then."""

from dataclasses import replace

from fleeting.core.client_auth import Registration
from fleeting.core.limits import Terms, parse_approval
from fleeting.core.model import (
    ActionDecision,
    AskedBy,
    Client,
    Decision,
    Limits,
    Path,
    Resource,
    Subject,
    SubjectKind,
    Verdict,
)
from fleeting.core.reconsidering import reconsider, request_now
from fleeting.policy.annotations import Annotations
from tests.approving import minutes, offer, pending

CLIENT = Client("support-bot", frozenset(), groups=frozenset({"now"}))
RESOURCE = Resource("https://payments", frozenset({"payment_refund"}), max_uses=1)


def answer(verdict, approval=""):
    limits = Limits(minutes(5), approvals=parse_approval(approval) if approval else ())
    return ActionDecision(0, "refund", verdict, (Path("p", limits),), reasons=("said so",))


PERMITS = {"p": Annotations("p", "why", Terms())}


def test_what_is_decided_again_is_what_is_offered_by_the_parties_of_today():
    record = pending(offer=offer(100))
    request = request_now(record, Registration(CLIENT), RESOURCE)
    assert request.operations == offer(100).operations
    assert (request.client, request.resource) == (CLIENT, RESOURCE)
    assert request.subject == record.request.subject
    itself = Subject(SubjectKind.CLIENT, "support-bot", frozenset({"then"}))
    record = replace(record, request=replace(record.request, subject=itself))
    assert request_now(record, Registration(CLIENT), RESOURCE).subject.groups == {"now"}


def test_who_asks_for_decisions_has_no_ceilings_of_tokens():
    record = pending()
    record = replace(record, request=replace(record.request, asked_by=AskedBy.EVALUATION))
    client = replace(CLIENT, types=frozenset(), max_uses=1)
    request = request_now(record, Registration(client), RESOURCE)
    assert (request.client.types, request.client.max_uses) == (None, None)


def test_a_party_that_is_not_declared_any_more_asks_nothing():
    assert request_now(pending(), None, RESOURCE) is None
    assert request_now(pending(), Registration(CLIENT), None) is None


def test_it_goes_through_only_where_policy_lets_all_of_it_through():
    waiting = answer(Verdict.NEEDS_APPROVAL, "2 of leads")
    said = reconsider(Decision("d", (waiting, answer(Verdict.PERMITTED))), PERMITS)
    assert said.refusal is None
    assert said.terms.stages == parse_approval("2 of leads")
    assert (said.terms.policies, said.terms.reasons) == (("p",), ("why",))
    assert reconsider(Decision("d", (answer(Verdict.NEEDS_STEP_UP),)), PERMITS).refusal is None
    refused = reconsider(Decision("d", (waiting, answer(Verdict.FORBIDDEN))), PERMITS)
    assert refused.refusal == "said so"
    assert reconsider(Decision("d", ()), PERMITS).refusal == "policy does not permit this"
