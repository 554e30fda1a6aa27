"""An approval is good for the question, the caller and the time that it was given for."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.access_requests import ApprovalTerms, Offer, RequestRecord, Submitted
from fleeting.core.asking import fingerprint
from fleeting.core.authzen import Action as Asked
from fleeting.core.authzen import Entity, Evaluation
from fleeting.core.denials import question_digest
from fleeting.core.lifecycle import Status
from fleeting.core.model import (
    ActionDecision,
    AskedBy,
    Client,
    Decision,
    Limits,
    Operation,
    Path,
    Subject,
    SubjectKind,
    Verdict,
)
from fleeting.core.operations import declare_type
from fleeting.core.reevaluating import (
    Presented,
    Question,
    Reference,
    Why,
    next_action,
    permits_in_all,
    presented_reference,
    reevaluated,
    why_not,
)
from tests.core.asking import plain_request
from tests.installation import START

FIELDS = {"id": {"kind": "exact", "type": "string"}}
TYPES = {"report": declare_type("report", {"actions": ["read"], "fields": FIELDS})}
READ = Operation("report", ("read",), {"id": "q1"})
WRITTEN = {
    "subject": {"type": "user", "id": "alice"},
    "action": {"name": "read"},
    "resource": {"type": "report", "id": "q1"},
}
ASKED = Evaluation(
    Entity("user", "alice"), Asked("read"), Entity("report", "q1"), {}, written=WRITTEN
)
REQUEST = plain_request(
    asked_by=AskedBy.EVALUATION,
    subject=Subject(SubjectKind.USER, "alice"),
    operations=(READ,),
)
LIMITS = Limits(timedelta(minutes=5), uses=2)
OFFER = Offer((READ,), timedelta(minutes=5), 2)
GRANTED = RequestRecord(
    request=REQUEST,
    fingerprint=fingerprint(REQUEST, None),
    status=Status.GRANTED,
    asked=OFFER,
    offer=OFFER,
    terms=ApprovalTerms(()),
    asked_at=START,
    expires_at=START + timedelta(minutes=15),
    policy_digest="p",
    granted_at=START,
    not_after=START + timedelta(minutes=5),
    submitted=Submitted("task", "eval", question_digest(ASKED, ()), {}, {}),
)


def asked(verdict=Verdict.NEEDS_APPROVAL, request=REQUEST):
    answer = ActionDecision(0, "read", verdict, (Path("permit", LIMITS),))
    return Question(ASKED, request, Decision("p", (answer,)), frozenset())


def why(record, question=None, now=START):
    return why_not(record, question or asked(), TYPES, now)


def test_for_the_same_question_there_is_no_reason_why_not():
    assert why(GRANTED) is None


@pytest.mark.parametrize("status", [it for it in Status if it is not Status.GRANTED])
def test_whatever_is_not_in_force_is_over(status):
    assert why(replace(GRANTED, status=status)) is Why.EXPIRED


@pytest.mark.parametrize(
    "record",
    [
        None,
        replace(GRANTED, submitted=None),
        replace(GRANTED, granted_at=None),
        replace(GRANTED, request=replace(REQUEST, client=Client("other", frozenset()))),
    ],
)
def test_what_is_not_the_caller_s_approval_is_none(record):
    assert why(record) is Why.UNVERIFIABLE


@given(st.integers(-10, 400))
def test_its_time_ends_a_second_early_never_late(seconds):
    now = START + timedelta(seconds=seconds)
    assert (why(GRANTED, now=now) is None) == (seconds < 300)


@given(st.integers(1, 5), st.integers(0, 3), st.integers(0, 30))
def test_it_is_good_for_its_uses_once_and_once_more_for_each_extension(uses, extensions, calls):
    offer = replace(OFFER, uses=uses)
    record = replace(GRANTED, offer=offer, extensions=extensions, calls=calls)
    assert permits_in_all(record) == uses * (1 + extensions)
    assert (why(record) is None) == (calls < uses * (1 + extensions))


def test_unlimited_it_counts_nothing():
    record = replace(GRANTED, offer=replace(OFFER, uses=None), calls=1000)
    assert permits_in_all(record) is None
    assert why(record) is None


@pytest.mark.parametrize(
    "request_",
    [
        replace(REQUEST, operations=(replace(READ, fields={"id": "q2"}),)),
        replace(REQUEST, subject=Subject(SubjectKind.USER, "bob")),
        replace(REQUEST, context={"ticket": "INC-1"}),
    ],
)
def test_another_question_is_out_of_its_scope(request_):
    assert why(GRANTED, asked(request=request_)) is Why.OUT_OF_SCOPE


@pytest.mark.parametrize("verdict", sorted(set(Verdict) - {Verdict.NEEDS_APPROVAL}))
def test_only_what_waits_for_people_is_permitted_by_them(verdict):
    question = asked(verdict)
    found = reevaluated(Presented(Reference("request"), GRANTED), question, {}, TYPES, START)
    assert found is Why.POLICY_DENIED
    assert next_action(found, question) == "none"


@pytest.mark.parametrize(
    ("why_", "action"),
    [
        (Why.EXPIRED, "request"),
        (Why.OUT_OF_SCOPE, "request"),
        (Why.UNVERIFIABLE, "none"),
        (Why.POLICY_DENIED, "none"),
    ],
)
def test_who_may_ask_anew_is_told_so(why_, action):
    assert next_action(why_, asked()) == action


@pytest.mark.parametrize("approval", [None, 3, "id", ["id"]])
def test_what_is_no_object_is_no_reference(approval):
    assert presented_reference({"approval": approval}) is None


@pytest.mark.parametrize("approval", [{}, {"id": 3}, {"id": None}])
def test_a_reference_without_an_id_leads_nowhere(approval):
    assert presented_reference({"approval": approval}).id == ""
