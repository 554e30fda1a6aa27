from dataclasses import replace
from datetime import timedelta

import pytest

from fleeting.core.model import (
    ApprovalStage,
    Resource,
    SenderConstraint,
    SenderKey,
    StepUp,
    Verdict,
)
from fleeting.policy import Verify
from fleeting.policy.facts import meets

REFUNDS = """
@id("small-refunds")
@lifetime("60s") @uses("1")
permit (principal in Group::"support", action == Action::"payment_refund:refund", resource)
when { context.operation.amount <= 5000 };

@id("large-refunds")
@lifetime("5m") @uses("1") @approval("2 of payments-leads")
permit (principal in Group::"support", action == Action::"payment_refund:refund", resource)
when { context.operation.amount <= 500000 };

@id("refunds-are-single-use") @reason("refund tokens are single-use and live at most five minutes")
forbid (principal, action == Action::"payment_refund:refund", resource)
unless { context.limits.uses == 1 && context.limits.lifetime <= 300 };
"""
REFUND = 'principal, action == Action::"payment_refund:refund", resource'


@pytest.fixture(scope="module")
def answer(load, now):
    def answer(text, request):
        (answer,) = load(text).decide(request, now=now).answers
        return answer

    return answer


def permit(id_, annotations="", condition="true", scope=REFUND):
    return f'@id("{id_}") {annotations} permit({scope}) when {{ {condition} }};\n'


def forbid(id_, annotations="", condition="true", scope=REFUND):
    return permit(id_, annotations, condition, scope).replace("permit(", "forbid(")


def test_the_path_without_approval_is_chosen_and_the_others_are_told(answer, ask, refund):
    decided = answer(REFUNDS, ask(refund(5000)))
    assert decided.verdict is Verdict.PERMITTED
    assert [path.policy for path in decided.paths] == ["small-refunds", "large-refunds"]
    assert decided.paths[0].limits.lifetime == timedelta(seconds=60)
    assert decided.paths[0].limits.uses == 1


def test_a_path_that_needs_approvals_is_refused_without_naming_policies_or_groups(
    answer, ask, refund
):
    decided = answer(REFUNDS, ask(refund(5001)))
    assert decided.verdict is Verdict.NEEDS_APPROVAL
    (reason,) = decided.reasons
    assert reason == "this needs approval by people"
    (path,) = decided.paths
    assert path.policy == "large-refunds"
    assert path.limits.approvals == (ApprovalStage(2, "payments-leads"),)


def test_what_no_policy_permits_is_refused(answer, ask, refund):
    decided = answer(REFUNDS, ask(refund(500_001)))
    assert decided.verdict is Verdict.NO_PERMIT
    assert decided.reasons == ("no policy permits payment_refund:refund for this request",)
    assert answer(REFUNDS, ask(refund(), groups=["sales"])).verdict is Verdict.NO_PERMIT
    assert answer("", ask("payments:read")).reasons == (
        "no policy permits scope payments:read for this request",
    )


def test_a_forbid_wins_over_every_permit(answer, ask, refund):
    rules = REFUNDS + forbid("closed", '@reason("refunds are closed")')
    decided = answer(rules + forbid("silent"), ask(refund()))
    assert decided.verdict is Verdict.FORBIDDEN
    assert decided.forbids == ("closed", "silent")
    assert decided.reasons == ("refunds are closed",)
    assert [path.policy for path in decided.paths] == ["small-refunds", "large-refunds"]


def test_a_forbid_without_a_reason_says_only_that_it_is_one(answer, ask, refund):
    decided = answer(REFUNDS + forbid("closed"), ask(refund()))
    assert decided.reasons == ("policy forbids payment_refund:refund for this request",)


def test_a_forbid_reads_the_limits_of_the_chosen_path(answer, ask, refund):
    for terms, verdict in [
        ('@lifetime("5m") @uses("1")', Verdict.PERMITTED),
        ('@lifetime("6m") @uses("1")', Verdict.FORBIDDEN),
        ('@lifetime("5m") @uses("2")', Verdict.FORBIDDEN),
        ('@lifetime("5m")', Verdict.FORBIDDEN),
    ]:
        rules = REFUNDS[REFUNDS.index('@id("refunds-are') :] + permit("a", terms)
        assert answer(rules, ask(refund())).verdict is verdict


@pytest.mark.parametrize(
    "condition",
    [
        "context.limits.approvals == 3",
        'context.limits.bound == "dpop"',
        "context.limits.uses == 9223372036854775807",
        "context.limits.lifetime == 300",
    ],
)
def test_all_limits_can_be_read(answer, ask, refund, condition):
    rules = permit("a", '@approval("2 of a, then 1 of b")') + forbid("b", "", condition)
    assert answer(rules, ask(refund())).verdict is Verdict.FORBIDDEN


def test_a_forbid_may_explain_where_nothing_is_permitted_anyhow(answer, ask, refund):
    large = '@reason("refunds over 5,000 EUR are made by hand")'
    rules = REFUNDS + forbid("by-hand", large, "context.operation.amount > 500000")
    decided = answer(rules, ask(refund(500_001)))
    assert decided.verdict is Verdict.FORBIDDEN
    assert decided.forbids == ("by-hand",)
    assert decided.reasons == ("refunds over 5,000 EUR are made by hand",)


def test_a_permit_may_say_something_to_the_caller(answer, ask, refund):
    decided = answer(permit("a", '@reason("mind the gap")'), ask(refund()))
    assert (decided.verdict, decided.reasons) == (Verdict.PERMITTED, ("mind the gap",))


OVERFLOW = "context.operation.amount + 9223372036854775807 > 0"


@pytest.mark.parametrize(
    "rules",
    [
        permit("a", "", OVERFLOW),
        permit("a") + permit("b", "", OVERFLOW),
        permit("a") + forbid("b", "", OVERFLOW),
    ],
)
def test_a_policy_that_errs_denies_whatever_its_effect(load, now, ask, refund, rules):
    bundle = load(rules)
    for _ in range(2):
        (decided,) = bundle.decide(ask(refund()), now=now).answers
        assert decided.verdict is Verdict.POLICY_ERROR
        assert decided.reasons == ("policy could not be evaluated for this request",)
        assert "overflow" in decided.errors[0]


def test_a_request_that_cedar_cannot_take_is_denied(answer, ask, user, refund):
    for subject in (user("\ud800"), user(groups=["\ud800"])):
        rules = permit("a", scope='principal in Group::"\ufffd", action, resource')
        decided = answer(rules + permit("b"), ask(refund(), subject=subject))
        assert decided.verdict in (Verdict.POLICY_ERROR, Verdict.PERMITTED)
    decided = answer(permit("b"), ask(refund(), subject=user("\ud800")))
    assert decided.verdict is Verdict.POLICY_ERROR


def test_no_decision_is_a_refusal(load, ask, refund, now):
    rules = permit("a", "", 'context.request has ticket && context.request.ticket == "x"')
    request = ask(refund(), context={"ticket": "\ud800"})  # which `core` lets nobody write
    (decided,) = load(rules, verify=Verify.ALL).decide(request, now=now).answers
    assert decided.verdict is Verdict.POLICY_ERROR


@pytest.mark.parametrize(
    ("wider", "narrower"),
    [
        ('@lifetime("2m")', '@lifetime("1m")'),
        ('@uses("2")', '@uses("1")'),
        ("", '@uses("9")'),
        ('@approval("2 of a")', '@approval("1 of a") @lifetime("9m")'),
        ('@approval("1 of a")', '@lifetime("9m")'),
        ('@step_up("gold")', '@approval("1 of a")'),
        ('@bound("mtls")', '@step_up("gold")'),
    ],
)
def test_less_ceremony_comes_first_then_the_narrower(answer, ask, refund, wider, narrower):
    decided = answer(permit("a", wider) + permit("b", narrower), ask(refund()))
    assert [path.policy for path in decided.paths] == ["b", "a"]


GLASS = '@lifetime("1s") @break_glass("alarm leads, review in 24h")'


def test_nobody_is_alarmed_where_as_few_people_are_needed_anyway(answer, ask, refund):
    emergency = replace(ask(refund()), break_glass="the shop is down")
    decided = answer(permit("a", GLASS) + permit("b", '@lifetime("9m")'), emergency)
    assert [path.policy for path in decided.paths] == ["b", "a"]
    decided = answer(permit("a", GLASS) + permit("b", '@approval("1 of a")'), emergency)
    assert [path.policy for path in decided.paths] == ["a", "b"]


def test_equal_paths_are_taken_by_id(answer, ask, refund):
    decided = answer(permit("b") + permit("a"), ask(refund()))
    assert [path.policy for path in decided.paths] == ["a", "b"]


def test_ceilings_come_on_top_of_the_permit(answer, ask, refund):
    resource = Resource("https://api", frozenset(), max_uses=3)
    client = {"max_lifetime": timedelta(seconds=30)}
    decided = answer(permit("a"), ask(refund(), client=client, resource=resource))
    assert decided.paths[0].limits.lifetime == timedelta(seconds=30)
    assert decided.paths[0].limits.uses == 3


def test_a_login_that_is_good_enough_is_no_ceremony(answer, ask, refund, user, now):
    rules = permit("a", '@step_up("gold") @max_age("10m")') + permit("b", '@approval("1 of x")')
    ada = user(acr="gold", auth_time=now - timedelta(minutes=10))
    assert answer(rules, ask(refund(), subject=ada)).paths[0].policy == "a"
    assert answer(rules, ask(refund(), subject=ada)).verdict is Verdict.PERMITTED
    late = replace(ada, auth_time=now - timedelta(minutes=11))
    assert answer(rules, ask(refund(), subject=late)).paths[0].policy == "b"


def test_a_login_that_is_not_good_enough_is_told(answer, ask, refund, user):
    decided = answer(permit("a", '@step_up("gold jade")'), ask(refund(), subject=user(acr="tin")))
    assert decided.verdict is Verdict.NEEDS_STEP_UP
    assert decided.reasons == ("needs a stronger or fresher login: acr gold or jade",)
    decided = answer(permit("a", '@max_age("5m")'), ask(refund(), subject=user(acr="tin")))
    assert decided.reasons == ("needs a stronger or fresher login",)


def test_a_login_ages_also_for_what_was_decided_before(load, ask, refund, user, now):
    bundle = load(permit("a", '@max_age("10m")'))
    request = ask(refund(), subject=user(auth_time=now))
    verdicts = [
        bundle.decide(request, now=now + timedelta(minutes=age)).answers[0].verdict
        for age in (0, 10, 11)
    ]
    assert verdicts == [Verdict.PERMITTED, Verdict.PERMITTED, Verdict.NEEDS_STEP_UP]


def test_logins_are_compared_as_asked(user, now):
    fresh = user(acr="gold", auth_time=now)
    assert meets(user(), None, now=now)
    assert meets(fresh, StepUp(("gold",), timedelta(0)), now=now)
    assert meets(fresh, StepUp(("gold",)), now=now)
    assert not meets(user(), StepUp(("gold",)), now=now)
    assert not meets(user(acr=""), StepUp(("",)), now=now)
    assert not meets(user(), StepUp((), timedelta(1)), now=now)


def test_without_a_key_only_a_bearer_client_is_served(answer, ask, refund, transfer):
    bearer = {"insecure_bearer": True}
    silent, bound = permit("a"), permit("a", '@bound("dpop")')
    asked = ask(refund(), client=bearer, key=None)
    assert answer(silent, asked).verdict is Verdict.PERMITTED
    assert answer(silent, asked).paths[0].limits.bound is SenderConstraint.NONE
    assert answer(bound, asked).verdict is Verdict.NOT_BOUND
    assert answer(silent, ask(refund(), key=None)).verdict is Verdict.NOT_BOUND
    wire = permit("a", '@bound("none")', scope='principal, action in Action::"transfer", resource')
    assert answer(wire, ask(transfer(), client=bearer, key=None)).verdict is Verdict.NOT_BOUND
    assert answer(wire, ask(transfer(), client=bearer)).paths[0].limits.uses == 1


def test_a_key_must_be_as_strong_as_the_path_asks(answer, ask, refund):
    rules = permit("a", '@bound("mtls")')
    assert answer(rules, ask(refund())).reasons == ("needs a key: a token bound with mtls",)
    mtls = SenderKey(SenderConstraint.MTLS, "thumbprint")
    assert answer(rules, ask(refund(), key=mtls)).verdict is Verdict.PERMITTED


def test_a_client_asks_for_no_more_than_it_was_declared_for(answer, ask, refund):
    rules = permit("a", scope="principal, action, resource")
    inside = {"types": frozenset({"payment_refund"}), "scopes": frozenset({"payments:read"})}
    outside = {"types": frozenset({"transfer"}), "scopes": frozenset()}
    for operation in (refund(), "payments:read"):
        assert answer(rules, ask(operation, client=inside)).verdict is Verdict.PERMITTED
        assert answer(rules, ask(operation, client=outside)).verdict is Verdict.OUTSIDE_CLIENT
    decided = answer(rules, ask("payments:read", client=outside))
    assert decided.reasons == ("this client may not ask for scope payments:read",)


def test_each_action_of_each_operation_has_its_answer(load, ask, refund, transfer, now):
    bundle = load(
        REFUNDS + permit("t", scope='principal, action == Action::"transfer:make", resource')
    )
    request = ask(refund(), transfer(actions=["cancel", "make"]), "payments:read")
    decision = bundle.decide(request, now=now)
    assert decision.policy_digest == bundle.digest
    assert [(each.operation, each.action, each.verdict) for each in decision.answers] == [
        (0, "refund", Verdict.PERMITTED),
        (1, "cancel", Verdict.NO_PERMIT),
        (1, "make", Verdict.PERMITTED),
        (2, "payments:read", Verdict.NO_PERMIT),
    ]


def test_what_looks_like_cedars_escapes_stays_a_string(answer, ask, refund):
    escape = '{"__entity":{"type":"User","id":"root"}}'
    condition = 'context.operation has note && context.operation.note like "*__entity*"'
    decided = answer(permit("a", "", condition), ask(refund(note=escape)))
    assert decided.verdict is Verdict.PERMITTED


def test_an_unchanged_question_is_answered_from_memory(load, ask, refund, now):
    bundle = load(REFUNDS)
    first = bundle.decide(ask(refund(7), id="one"), now=now)
    again = bundle.decide(ask(refund(7), id="two"), now=now + timedelta(hours=1))
    assert first.answers[0] is again.answers[0]


def test_an_action_of_no_declared_type_is_permitted_by_nothing(answer, ask):
    rules = permit("a", scope="principal, action, resource")
    assert answer(rules, ask("payments:erase")).verdict is Verdict.NO_PERMIT


@pytest.mark.parametrize("length", [50, 200, 450])
def test_a_long_condition_decides_like_a_short_one(answer, ask, refund, length):
    ids = " || ".join(f'context.operation.payment_id == "{42 + n}"' for n in range(length))
    assert answer(permit("a", "", ids), ask(refund())).verdict is Verdict.PERMITTED
    assert answer(permit("a", "", f"!({ids})"), ask(refund())).verdict is Verdict.NO_PERMIT
