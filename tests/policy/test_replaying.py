"""The same policies decide the same again, whatever was asked; others are told apart by policy."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleeting.core.errors import AccessDenied
from fleeting.core.evidence import ChainHead, extend
from fleeting.core.issuance import within_subject_token
from fleeting.core.limits import format_duration
from fleeting.core.model import Client, Resource, SenderConstraint, SenderKey, Subject, Verdict
from fleeting.core.operations import parse_operation
from fleeting.core.recorded import TooOldError
from fleeting.core.recording import refused_entry
from fleeting.policy import PolicySource, load_policies
from fleeting.policy.replaying import Change, Replaying, limit_changes
from tests.policy.conftest import NOW, TYPES, WORLD

BASE = """
@id("small") @lifetime("60s") @uses("2")
permit (principal in Group::"support", action == Action::"payment_refund:refund", resource)
when { context.operation.amount <= 5000 };
@id("large") @lifetime("5m") @approval("2 of leads")
permit (principal in Group::"support", action == Action::"payment_refund:refund", resource)
when { context.operation.amount <= 50000 };
@id("strong") @step_up("gold") @max_age("5m")
permit (principal in Group::"users", action == Action::"payment_refund:refund", resource);
@id("transfers") @bound("mtls")
permit (principal, action in Action::"transfer", resource)
when { context.operation.value.lessThanOrEqual(decimal("10.00")) };
@id("reading")
permit (principal, action == Action::"scope:payments:read", resource)
when { context.now > datetime("2026-01-02") };
@id("never-yen") @reason("no")
forbid (principal, action, resource)
when { context.request has urgency && context.request.urgency > 3 };
"""


def record(bundle, request, at=NOW):
    """Return what the ledger holds of deciding *request*."""
    decision = within_subject_token(request, bundle.decide(request, now=at), TYPES)
    entry = refused_entry(
        request.id, AccessDenied("no"), at, client_id="bot", request=request, decision=decision
    )
    (row,) = extend(ChainHead("writer", 0, bytes(32)), [entry])
    return row, json.loads(row.body)


@pytest.fixture(scope="module")
def base():
    return load_policies([PolicySource("test.cedar", BASE)], WORLD)


@pytest.fixture(scope="module")
def differ(base, load):
    """Return how BASE with *old* replaced decides a request that BASE decided."""

    def differ(request, *replacements, **options):
        text = BASE
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        redecided = Replaying(load(text), **options).redecide(*record(base, request))
        assert not redecided.exact
        return [(each.change, each.policy, each.how) for each in redecided.differences]

    return differ


# ------------------------------------------------------------------------ the same policies

WORLDS = [
    WORLD,
    replace(WORLD, hard_cap=timedelta(seconds=30)),
    replace(
        WORLD,
        types={
            **TYPES,
            "payment_refund": replace(TYPES["payment_refund"], sensitive=True, max_uses=1),
            "transfer": replace(TYPES["transfer"], max_lifetime=timedelta(seconds=7)),
        },
    ),
]
BUNDLES = [load_policies([PolicySource("test.cedar", BASE)], world) for world in WORLDS]


def _refund(amount):
    written = {"type": "payment_refund", "payment_id": "42", "amount": amount, "currency": "EUR"}
    return parse_operation(written, TYPES)


def _transfer(value):
    return parse_operation(
        {"type": "transfer", "actions": ["make", "cancel"], "value": f"{value}"}, TYPES
    )


refunds = st.sampled_from([0, 5000, 5001, 50000, 50001]).map(_refund)
transfers = st.sampled_from([Decimal("9.99"), Decimal("10.00"), Decimal("10.0001")]).map(_transfer)
operations = refunds | transfers
ceilings = st.none() | st.frozensets(st.sampled_from(["payment_refund", "transfer"]))


@st.composite
def asked(draw, ask, user):
    client = Client(
        "bot",
        frozenset(),
        draw(ceilings),
        draw(st.none() | st.just(frozenset({"payments:read"}))),
        frozenset({"support"}),
        draw(st.booleans()),
        draw(st.none() | st.just(timedelta(seconds=10))),
        draw(st.none() | st.just(1)),
    )
    subject = user(
        groups=draw(st.sets(st.sampled_from(["support", "users"]))),
        acr=draw(st.none() | st.just("gold")),
        auth_time=NOW - timedelta(seconds=draw(st.sampled_from([0, 299, 300, 301]))),
        operations=draw(st.none() | st.lists(operations, max_size=2).map(tuple)),
    )
    constraint = draw(st.sampled_from([SenderConstraint.DPOP, SenderConstraint.MTLS]))
    return replace(
        ask(*draw(st.lists(operations | st.just("payments:read"), min_size=1, max_size=3))),
        subject=subject,
        client=client,
        resource=Resource("https://api", frozenset(TYPES), max_uses=draw(st.none() | st.just(5))),
        context=draw(st.sampled_from([{}, {"urgency": 3}, {"urgency": 4}])),
        key=draw(st.none() | st.just(SenderKey(constraint, "thumbprint"))),
    )


REPLAYING = Replaying(BUNDLES[0])


@settings(max_examples=150)
@given(data=st.data(), bundle=st.sampled_from(BUNDLES))
def test_the_same_policies_decide_the_same_again_whatever_the_ceilings_were(
    ask, user, data, bundle
):
    row, body = record(bundle, data.draw(asked(ask, user)))
    redecided = REPLAYING.redecide(row, body)
    assert redecided.exact == (bundle.digest == BUNDLES[0].digest)
    assert redecided.differences == ()
    assert redecided.answers == len(body["answers"])


def test_what_is_decided_alike_is_compared_once_but_not_remembered_for_ever(
    base, ask, refund, monkeypatch
):
    monkeypatch.setattr("fleeting.policy.replaying._KNOWN", 1)
    replaying = Replaying(base)
    for amount in (1, 2, 10000, 1, 60_000):
        assert replaying.redecide(*record(base, ask(refund(amount)))).differences == ()
    assert len(replaying._known) <= 2


def test_another_decision_of_the_same_policies_is_a_fault(base, ask, refund):
    row, body = record(base, ask(refund(1)))
    body["answers"][0]["verdict"] = Verdict.NO_PERMIT.value
    (difference,) = Replaying(base).redecide(row, body).differences
    assert difference.fault
    assert difference.change is Change.NEWLY_PERMITTED


def test_a_path_that_was_not_taken_is_no_difference_but_a_fault_of_the_same_policies(
    base, ask, refund
):
    row, body = record(base, ask(refund(1)))
    del body["answers"][0]["paths"][1]
    (difference,) = Replaying(base).redecide(row, body).differences
    assert difference.fault
    assert (difference.change, difference.policy) == (Change.SAME, "small")


def test_how_an_error_is_worded_is_no_difference(load, ask, transfer):
    text = (
        '@id("a") permit (principal, action in Action::"transfer", resource) when { 1 + %s > 0 };'
    )
    bundle = load(text % (2**63 - 1))
    row, body = record(bundle, ask(transfer()))
    assert body["answers"][0]["errors"]
    body["answers"][0]["errors"] = ["in the words of another engine"]
    assert Replaying(bundle).redecide(row, body).differences == ()


def test_what_cannot_be_replayed_is_told_apart(base, ask, refund):
    row, body = record(base, ask(refund(1)))
    with pytest.raises(TooOldError):
        Replaying(base).redecide(row, {k: v for k, v in body.items() if k != "hard_cap"})
    for name, broken in (("answers", []), ("answers", [{}]), ("type_ceilings", None)):
        with pytest.raises(ValueError, match=r"entry that this version writes|zip"):
            Replaying(base).redecide(row, {**body, name: broken})


# ------------------------------------------------------------------------ other policies


def test_what_another_permit_permits_is_newly_permitted(differ, ask, refund):
    assert differ(ask(refund(60000)), ("<= 50000", "<= 60000")) == [
        (Change.NEWLY_PERMITTED, "large", "permits it with approval")
    ]
    assert differ(ask(refund(9000)), ("<= 5000 ", "<= 9000 ")) == [
        (Change.NEWLY_PERMITTED, "small", "permits it")
    ]
    assert differ(ask(refund(9000)), (' @approval("2 of leads")', "")) == [
        (Change.NEWLY_PERMITTED, "large", "permits it")
    ]


def test_what_is_forbidden_no_more_is_the_doing_of_the_forbid(differ, ask, refund):
    request = ask(refund(1), context={"urgency": 4})
    assert differ(request, ("> 3", "> 4")) == [
        (Change.NEWLY_PERMITTED, "never-yen", "forbids it no more, small permits it")
    ]


def test_what_is_permitted_no_more_is_newly_denied(differ, ask, refund, user):
    assert differ(ask(refund(40000)), ("<= 50000", "<= 6000")) == [
        (Change.NEWLY_DENIED, "large", "permits it no more")
    ]
    assert differ(ask(refund(1), context={"urgency": 3}), ("> 3", "> 2")) == [
        (Change.NEWLY_DENIED, "never-yen", "forbids it")
    ]
    assert differ(ask(refund(1)), ('@uses("2")', '@approval("1 of leads")')) == [
        (Change.NEWLY_DENIED, "small", "asks for approval")
    ]
    someone = user(groups=["users"], acr="gold", auth_time=NOW)
    assert differ(ask(refund(1), subject=someone), ('"gold"', '"platinum"')) == [
        (Change.NEWLY_DENIED, "strong", "asks for a stronger login")
    ]


def test_what_cannot_be_evaluated_any_more_is_newly_denied(differ, ask, refund):
    overflow = f"context.operation.amount + {2**63 - 1} > 0"
    ((change, policy, how),) = differ(
        ask(refund(1)), ("context.operation.amount <= 5000 ", f"{overflow} ")
    )
    assert (change, policy) == (Change.NEWLY_DENIED, "")
    assert how.startswith("cannot be evaluated: ")
    assert "small" in how


def test_limits_that_change_are_named_with_both_values(differ, ask, refund):
    assert differ(ask(refund(1)), ('"60s"', '"30s"'), (' @uses("2")', "")) == [
        (Change.LIMITS_CHANGED, "small", "lifetime 1m → 30s; uses 2 → unlimited")
    ]
    assert differ(ask(refund(10000)), ("2 of", "3 of")) == [
        (Change.LIMITS_CHANGED, "large", "approval 2 of leads → 3 of leads")
    ]


def test_another_permit_with_other_limits_says_which_was_before(differ, ask, refund):
    first = '@id("first") @lifetime("30s") permit (principal, action, resource);\n'
    assert differ(ask(refund(1)), ('@id("small")', f'{first}@id("small")')) == [
        (Change.LIMITS_CHANGED, "first", "lifetime 1m → 30s; uses 2 → unlimited (before: small)")
    ]


def test_a_path_that_is_not_taken_is_no_difference(differ, ask, refund):
    last = '@id("last") @lifetime("1h") permit (principal, action, resource);\n'
    assert differ(ask(refund(1)), ('@id("small")', f'{last}@id("small")')) == []


def test_the_same_outcome_of_another_policy_is_counted_by_itself(differ, ask, refund):
    assert differ(ask(refund(1)), ('"small"', '"little"')) == [
        (Change.OTHERWISE, "little", "decides in place of small")
    ]
    urgent = ask(refund(10**6), context={"urgency": 4})
    assert differ(urgent, ("> 3", "> 4")) == [
        (Change.OTHERWISE, "", "no permit in place of never-yen")
    ]
    assert differ(ask(refund(10**6), context={"urgency": 3}), ("> 3", "> 2")) == [
        (Change.OTHERWISE, "never-yen", "decides in place of no permit")
    ]


def test_only_operations_of_the_type_that_was_named_are_compared(base, ask, refund, transfer):
    row, body = record(base, ask(refund(1), transfer()))
    assert Replaying(base, operation_type="transfer").redecide(row, body).answers == 1
    assert Replaying(base, operation_type="scope").redecide(row, body).answers == 0


def test_a_type_that_is_declared_no_more_permits_nothing(base, ask, refund, transfer, user):
    subject = user(groups=["support"], operations=(refund(1),))
    row, body = record(base, ask(refund(1), transfer(), subject=subject))
    fewer = replace(WORLD, types={"transfer": TYPES["transfer"]})
    without = load_policies([PolicySource("none.cedar", "")], fewer)
    redecided = Replaying(without).redecide(row, body)
    verdicts = [answer.verdict for answer in redecided.decision.answers]
    assert verdicts == [Verdict.OUTSIDE_SUBJECT_TOKEN] * 2


def test_every_limit_can_be_said(base, ask, user, refund):
    row, body = record(base, ask(refund(1), subject=user(groups=["users"])))
    before = Replaying(base).redecide(row, body).decision.answers[0].paths[0].limits
    after = replace(before, step_up=None, uses=3)
    assert [*limit_changes(before, after)] == [
        "uses unlimited → 3",
        "step_up gold → none",
        f"max_age {format_duration(timedelta(minutes=5))} → none",
    ]


def test_a_subject_is_as_it_was(base, ask, refund):
    nobody = Subject(ask(refund(1)).subject.kind, "bot", frozenset())
    row, body = record(base, ask(refund(1), subject=nobody))
    assert Replaying(base).redecide(row, body).request.subject == nobody
