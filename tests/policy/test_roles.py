from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fleeting.core.access_requests import ApprovalTerms, Offer, RequestRecord, Review, Vote
from fleeting.core.ceremony import Escalation
from fleeting.core.lifecycle import Status
from fleeting.core.model import (
    AccessRequest,
    ApprovalStage,
    AskedBy,
    Client,
    Operation,
    Resource,
    Subject,
    SubjectKind,
)
from fleeting.core.people import ConsoleAction, Person
from fleeting.policy import PolicyProblems, PolicySource
from fleeting.policy.roles import BUILT_IN, CedarRoles

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
REFUND = Operation("payment_refund", ("refund",), {"amount": 5})
OFFER = Offer((REFUND,), timedelta(minutes=1), 1)
REQUEST = RequestRecord(
    request=AccessRequest(
        "r1",
        "t1",
        AskedBy.TOKEN_EXCHANGE,
        Subject(SubjectKind.USER, "alice", frozenset(), {}),
        (),
        Client("bot", frozenset()),
        Resource("https://api", frozenset()),
        (REFUND,),
        {},
        None,
    ),
    fingerprint="f",
    status=Status.PENDING,
    asked=OFFER,
    offer=OFFER,
    terms=ApprovalTerms((ApprovalStage(1, "leads"),), escalation=Escalation(timedelta(1), "heads")),
    asked_at=NOW,
    expires_at=NOW + timedelta(minutes=15),
    policy_digest="d",
    behind=frozenset({"olga"}),
)
ANYBODY = Person("zoe", "Zoe")
ALICE = Person("alice", "Alice", aliases=frozenset({"other"}))
OLGA = Person("olga", "Olga")
OPERATOR = Person("op", "Op", frozenset({"fleeting-operators"}), issuer="https://idp")
AUDITOR = Person("au", "Au", frozenset({"fleeting-auditors"}))
AUTHOR = Person("pa", "Pa", frozenset({"fleeting-policy-authors"}))
ROLES = CedarRoles([BUILT_IN], ["payout"])
A = ConsoleAction


def roles(text, sensitive=()):
    return CedarRoles([PolicySource("console/mine.cedar", text)], sensitive)


@pytest.mark.parametrize("action", [A.VIEW, A.ASK, A.ANSWER, A.APPROVE, A.DENY, A.NARROW])
def test_everyone_who_is_signed_in_may_take_part(action):
    assert ROLES.allows(ANYBODY, action, REQUEST)


@pytest.mark.parametrize(
    "action",
    [A.REVOKE, A.CANCEL, A.RETURN, A.EXTEND, A.REVIEW],
)
def test_what_is_others_is_not_anybodys_to_end(action):
    assert not ROLES.allows(ANYBODY, action, REQUEST)


@pytest.mark.parametrize("action", [A.MANAGE_PEOPLE, A.READ_LEDGER, A.EDIT_POLICIES, A.REVOKE])
def test_what_is_done_to_no_request_is_for_those_whom_a_role_names(action):
    assert not ROLES.allows(ANYBODY, action)
    assert not ROLES.allows(ALICE, action)


@pytest.mark.parametrize("person", [ALICE, OLGA, Person("al", "Al", aliases=frozenset({"alice"}))])
def test_who_a_request_is_for_or_stands_behind_it_may_be_done_with_it(person):
    for action in (A.CANCEL, A.RETURN, A.EXTEND, A.REVOKE):
        assert ROLES.allows(person, action, REQUEST)


def test_a_client_of_the_same_name_makes_nobody_its_subject():
    request = replace(REQUEST.request, subject=Subject(SubjectKind.CLIENT, "zoe", frozenset()))
    assert not ROLES.allows(ANYBODY, A.CANCEL, replace(REQUEST, request=request))


def test_who_approved_it_may_take_that_back():
    vote = Vote("zoe", "Zoe", NOW, 0, "leads", OFFER, NOW)
    assert ROLES.allows(ANYBODY, A.REVOKE, replace(REQUEST, votes=(vote,)))


def test_who_was_alarmed_may_close_the_review():
    alarmed = Person("on", "On", frozenset({"oncall"}))
    review = replace(REQUEST, review=Review("oncall", NOW))
    assert ROLES.allows(alarmed, A.REVIEW, review)
    assert not ROLES.allows(ANYBODY, A.REVIEW, review)


def test_operators_auditors_and_authors_have_their_own():
    assert ROLES.allows(OPERATOR, A.REVOKE, REQUEST)
    assert ROLES.allows(OPERATOR, A.REVOKE)
    assert ROLES.allows(OPERATOR, A.MANAGE_PEOPLE)
    assert not ROLES.allows(OPERATOR, A.READ_LEDGER)
    assert ROLES.allows(AUDITOR, A.READ_LEDGER)
    assert not ROLES.allows(AUDITOR, A.EDIT_POLICIES)
    assert ROLES.allows(AUTHOR, A.EDIT_POLICIES)
    assert not ROLES.allows(AUTHOR, A.MANAGE_PEOPLE)


def test_a_policy_may_ask_whose_groups_the_request_names():
    named = roles('permit (principal, action == Action::"approve", resource) when {context.named};')
    assert named.allows(Person("l", "L", frozenset({"leads"})), A.APPROVE, REQUEST)
    assert named.allows(Person("h", "H", frozenset({"heads"})), A.APPROVE, REQUEST)
    assert not named.allows(ANYBODY, A.APPROVE, REQUEST)
    calm = replace(REQUEST, terms=replace(REQUEST.terms, escalation=None))
    assert not named.allows(Person("h", "H", frozenset({"heads"})), A.APPROVE, calm)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ('resource.types.contains("payment_refund")', True),
        ('resource.client == "bot" && resource.subject == "alice"', True),
        ('resource.status == "pending" && !resource.break_glass', True),
        ("resource.sensitive", False),
        ('principal has issuer && principal.issuer == "https://idp"', False),
    ],
)
def test_a_policy_may_look_at_the_request(condition, holds):
    text = (
        'permit (principal, action == Action::"view", resource is AccessRequest) '
        f"when {{ {condition} }};"
    )
    assert roles(text).allows(ANYBODY, A.VIEW, REQUEST) is holds
    assert not roles(text).allows(ANYBODY, A.VIEW)


def test_a_request_for_a_sensitive_type_is_sensitive():
    text = (
        "permit (principal, action, resource is AccessRequest) when { resource.sensitive };"
        'forbid (principal == User::"op", action, resource);'
    )
    assert roles(text, ["payment_refund"]).allows(ANYBODY, A.VIEW, REQUEST)
    assert not roles(text, ["payment_refund"]).allows(OPERATOR, A.VIEW, REQUEST)


def test_a_policy_that_errs_denies():
    text = (
        "permit (principal, action, resource);"
        'forbid (principal, action, resource) when { principal.name.contains("x") };'
    )
    with pytest.raises(PolicyProblems):
        roles(text)
    overflow = (
        "permit (principal, action, resource);"
        "forbid (principal, action, resource) when { 9223372036854775807 + 1 > 0 };"
    )
    assert not roles(overflow).allows(ANYBODY, A.VIEW, REQUEST)


def test_without_policies_nobody_may_anything():
    assert not roles("").allows(OPERATOR, A.VIEW, REQUEST)


def test_what_the_engine_refuses_is_denied():
    assert not ROLES.allows(Person("a\ud800", "A"), A.VIEW, REQUEST)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            'permit (principal, action == Action::"vieww", resource);',
            "1:38: unrecognized action `Action::\"vieww\"` (did you mean 'view'?)",
        ),
        (
            (
                "\npermit (principal, action, resource is AccessRequest)\n"
                'when { resource.statu == "x" };'
            ),
            (
                "mine.cedar:3:17: attribute `statu` on entity type `AccessRequest` not found "
                "(did you mean 'status'?)"
            ),
        ),
        (
            "permit (principal, action, resource) when { resource.sensitive };",
            (
                "console/mine.cedar:1:54: attribute `sensitive` on entity type `Console` not found "
                "(only requests have attributes: write `resource is AccessRequest` in the scope)"
            ),
        ),
        (
            "permit (principal, action, resource) when { context.onw };",
            "(did you mean 'own'?)",
        ),
        ('permit (principal in Grop::"x", action, resource);', "(did you mean 'Group'?)"),
        ("permit (principal, action, resource)", "console/mine.cedar:1:1: "),
        ("permit (principal == ?principal, action, resource);", "templates are not supported"),
        (f"permit (principal, action, resource) when {{ {'(' * 150}", "nested too deeply"),
        ("permit (principal, action, resource) when { 1 };", "console/mine.cedar:1:1: unexpected"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text, told):
    with pytest.raises(PolicyProblems) as found:
        roles(text)
    assert told in str(found.value)
