from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleeting.core.model import Verdict
from fleeting.policy.alternatives import Prober
from fleeting.policy.candidates import Looked, candidates
from fleeting.policy.explaining import explain
from fleeting.policy.judging import Judge
from fleeting.policy.recalling import recorded_request

REFUND = 'action == Action::"payment_refund:refund"'
TIERS = f"""\
@id("small") permit (principal in Group::"support", {REFUND}, resource)
when {{ context.operation.amount <= 100 }};
@id("large") @approval("2 of leads") permit (principal in Group::"support", {REFUND}, resource)
when {{ context.operation.amount <= 1000 }};
@id("board") permit (principal in Group::"board", {REFUND}, resource);
@id("ticket") permit (principal in Group::"support", {REFUND}, resource)
when {{ context.operation.amount <= 500 && context.request has ticket &&
        context.operation.currency.contains("USD") }};
@id("end") @reason("never") forbid (principal, {REFUND}, resource)
when {{ context.operation.amount > 5000 }};
"""


@pytest.fixture
def told(load):
    """Explain the only action of a request."""

    def told(text, asked):
        bundle = load(text)
        (only,) = explain(bundle, Judge(bundle), asked)
        return only

    return told


def changes(explanation):
    return [
        (
            {each.name or each.what.value: each.value for each in alternative.changes},
            alternative.needs_approval,
        )
        for alternative in explanation.alternatives
    ]


def test_what_is_permitted_needs_nothing_else(told, suppose):
    found = told(TIERS, suppose({"amount": 100}))
    assert found.answer.verdict is Verdict.PERMITTED
    assert (found.alternatives, found.forbids) == ((), ())


def test_permits_are_told_that_lack_least_and_those_for_others_last(told, suppose):
    found = told(TIERS, suppose({"amount": 600}))
    assert [(near.policy.id, near.personal) for near in found.near] == [
        ("small", False),
        ("ticket", False),
        ("board", True),
    ]
    lacking = [condition.text for condition, _ in found.near[1].failed]
    assert len(lacking) == 3


def test_what_would_allow_it_is_the_nearest_and_at_once_before_approved(told, suppose):
    found = told(TIERS, suppose({"amount": 2000}))
    assert changes(found) == [({"amount": 100}, False), ({"amount": 1000}, True)]
    assert [each.answer.paths[0].policy for each in found.alternatives] == ["small", "large"]


def test_approval_alone_would_do_where_it_would(told, suppose):
    found = told(TIERS, suppose({"amount": 600}))
    assert changes(found) == [({"amount": 100}, False), ({}, True)]


def test_a_forbid_is_told_with_what_makes_it_so(told, suppose):
    found = told(TIERS, suppose({"amount": 6000}))
    ((policy, held),) = [(forbid.policy.id, forbid.held) for forbid in found.forbids]
    assert policy == "end"
    assert [dict(seen) for _, seen in held] == [{"context.operation.amount": 6000}]


def test_two_changes_are_tried_where_one_does_not_do(told, suppose):
    text = (
        f'@id("x") permit (principal, {REFUND}, resource) when {{'
        " context.operation.amount <= 100 && context.request has ticket };"
    )
    assert changes(told(text, suppose())) == [({"ticket": "(any)", "amount": 100}, False)]


def test_two_changes_may_still_need_approval(told, suppose):
    text = (
        f'@id("x") @approval("1 of leads") permit (principal, {REFUND}, resource) when {{'
        " context.operation.amount <= 100 && context.request has ticket };"
    )
    assert changes(told(text, suppose())) == [({"ticket": "(any)", "amount": 100}, True)]


def test_three_changes_of_one_permit_are_tried_where_two_do_not_do(told, suppose):
    text = (
        f'@id("x") permit (principal, {REFUND}, resource) when {{'
        " context.operation.amount <= 100 && context.request has ticket &&"
        ' context.operation.currency.contains("USD") };'
    )
    found = {"ticket": "(any)", "amount": 100, "currency": ["USD"]}
    assert changes(told(text, suppose())) == [(found, False)]


def test_what_belongs_together_is_found_among_many_permits(told, suppose):
    text = "".join(
        f'@id("p{n}") permit (principal, {REFUND}, resource) when {{'
        f" context.operation.amount <= {n * 10} && context.request has urgency"
        f" && context.request.urgency > {n} }};"
        for n in range(1, 30)
    )
    ((changed, _), *_) = changes(told(text, suppose()))
    assert changed["urgency"] * 10 > changed["amount"]


def test_a_login_would_do(told, suppose):
    text = f'@id("x") @step_up("gold") @max_age("5m") permit (principal, {REFUND}, resource);'
    found = told(text, suppose(subject="ada", acr="gold", login_age="1h"))
    assert changes(found) == [({"login": {"acr": "gold", "fresh": True}}, False)]
    assert found.answer.verdict is Verdict.NEEDS_STEP_UP


def test_who_asks_is_never_changed(told, suppose):
    assert told(TIERS, suppose({"amount": 5}, groups=["sales"])).alternatives == ()


def test_nothing_helps_a_client_that_may_not_ask_at_all(told, suppose):
    asked = suppose()
    client = replace(asked.request.client, types=frozenset())
    found = told(TIERS, replace(asked, request=replace(asked.request, client=client)))
    assert found.answer.verdict is Verdict.OUTSIDE_CLIENT
    assert found.alternatives == ()


def test_what_a_subject_token_does_not_carry_is_no_alternative(told, suppose, refund):
    asked = suppose({"amount": 2000}, subject="ada", groups=["support"])
    subject = replace(asked.request.subject, operations=(refund(amount=50),))
    asked = replace(asked, request=replace(asked.request, subject=subject))
    found = told(TIERS, asked)
    assert found.answer.verdict is Verdict.OUTSIDE_SUBJECT_TOKEN
    assert all(change["amount"] <= 50 for change, _ in changes(found) if change)


def test_the_engine_is_asked_no_more_often_than_the_budget_allows(load, suppose):
    bundle = load(TIERS)
    asked = suppose({"amount": 2000}, context={"ticket": "A"})
    looked = Looked.at(Judge(bundle).taken("payment_refund:refund"))
    things = candidates(asked, 0, looked, bundle.world)
    prober = Prober(bundle, asked, 0, "refund", budget=2)
    assert prober.alternatives(things) == []
    assert prober.left == 0
    assert Prober(bundle, asked, 0, "refund", budget=0).alternatives(things) == []


AMOUNTS = st.integers(0, 12)
RULES = st.lists(
    st.tuples(
        st.sampled_from(["permit", "forbid"]),
        st.sampled_from(["<=", ">", "==", "!=", "<"]),
        AMOUNTS,
        st.sampled_from(
            ["", "&& context.request has ticket", '|| context.operation.currency.contains("USD")']
        ),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(RULES, AMOUNTS)
def test_whatever_is_told_to_allow_it_is_what_the_policies_say(load, suppose, rules, amount):
    bundle = load(
        "".join(
            f'@id("p{place}") {effect} (principal, {REFUND}, resource)'
            f" when {{ context.operation.amount {operator} {mark} {more} }};"
            for place, (effect, operator, mark, more) in enumerate(rules)
        )
    )
    asked = suppose({"amount": amount})
    (found,) = explain(bundle, Judge(bundle), asked)
    for alternative in found.alternatives:
        changed = asked
        for change in alternative.changes:
            changed = change.apply(changed)
        (answer,) = bundle.decide(changed.request, now=changed.now).answers
        assert answer.verdict is Verdict.PERMITTED


def test_a_recorded_request_is_asked_again_as_it_was(suppose, declared, refund, load):
    from fleeting.core.recording import request_json

    user = suppose(subject="ada", attributes={"tags": ["a"]}, acr="x", login_age="5m")
    subject = replace(user.request.subject, operations=(refund(),), not_after=user.now)
    for asked in (
        suppose(context={"ticket": "A"}),
        suppose(scope="payments:read", client="old", key="none"),
        suppose(key="mtls", actors=["a", "b"]),
        suppose(break_glass="the shop is down and the customer waits"),
        replace(user, request=replace(user.request, subject=subject)),
    ):
        body = request_json(asked.request)
        assert recorded_request(body, asked.now, declared, request_id="hypothetical") == asked


def test_a_decision_for_an_enforcement_point_is_asked_again_as_one(suppose, declared):
    from fleeting.core.evaluations import asking_client
    from fleeting.core.model import AskedBy
    from fleeting.core.recording import request_json

    asked = suppose(key="none", client="old")
    request = asked.request
    evaluation = replace(request, asked_by=AskedBy.EVALUATION, client=asking_client(request.client))
    body = request_json(evaluation)
    again = recorded_request(body, asked.now, declared, request_id="hypothetical")
    assert again == replace(asked, request=evaluation)


def test_what_no_version_wrote_cannot_be_read(suppose, declared):
    from fleeting.core.declaring import DeclarationError
    from fleeting.core.recording import request_json

    body = {**request_json(suppose().request), "subject": 7}
    with pytest.raises(DeclarationError, match="it cannot be read"):
        recorded_request(body, suppose().now, declared)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"operations": []}, "before policy was asked"),
        ({"client": "gone"}, "its client gone is no longer declared"),
        ({"resource": "https://gone"}, "its resource https://gone is no longer declared"),
        ({"operations": [{"type": "gone", "actions": ["x"]}]}, "does not fit what is declared now"),
    ],
)
def test_what_is_no_longer_declared_is_told(suppose, declared, change, message):
    from fleeting.core.declaring import DeclarationError
    from fleeting.core.recording import request_json

    body = {**request_json(suppose().request), **change}
    with pytest.raises(DeclarationError, match=message):
        recorded_request(body, suppose().now, declared)
