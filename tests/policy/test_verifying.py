"""Two engines, and what happens where they differ: never a permit."""

from dataclasses import dataclass, field

import pytest

from fleeting.core.model import Verdict
from fleeting.policy import PolicyBundle, Verify
from fleeting.policy.compiled import CompiledEngine
from fleeting.policy.deciding import UNEVALUATED, Deciding
from fleeting.policy.engine import NOTHING, Answer, SlicedEngine
from fleeting.policy.facts import Facts
from fleeting.policy.tree import Effect
from fleeting.policy.verifying import SAMPLE, Disagreement, VerifiedEngine, build_engine, ignore

ACTION = "payment_refund:refund"
REFUND = f'principal, action == Action::"{ACTION}", resource'
RULES = f"""
@id("a") permit({REFUND}) when {{ context.operation.amount <= 100 }};
@id("b") forbid({REFUND}) when {{ context.operation.amount == 13 }};
@id("c") forbid({REFUND}) when {{ context.limits.lifetime > 86400 }};
"""
ONE, NONE = Answer(("a",)), NOTHING
ERRED = Answer(errors=("error while evaluating policy `a`: integer overflow",))
LIKEWISE = Answer(errors=("error while evaluating policy `a`: in other words",))


@dataclass
class Scripted:
    """An engine that says what it is told to, and how often it was asked."""

    permitting: Answer = NONE
    forbidding: Answer = NONE
    asked: list[str] = field(default_factory=list)

    def fingerprint(self, action, facts):
        return action, id(facts)

    def permits(self, action, facts):
        self.asked.append("permits")
        return self.permitting

    def forbids(self, action, facts):
        self.asked.append("forbids")
        return self.forbidding


@pytest.fixture
def told():
    return []


@pytest.fixture
def facts(ask, refund, now):
    request = ask(refund(7))
    return Facts(request, request.operations[0], now)


@pytest.fixture
def decide(load, ask, refund, now, told):
    """Decide by *ours*, held to *theirs*."""
    bundle = load(RULES)

    def decide(ours, theirs, verify):
        engine = VerifiedEngine(ours, theirs, verify, told.append)
        deciding = Deciding(bundle.policies, bundle.world, engine)
        whole = PolicyBundle(bundle.policies, "", "", bundle.world, deciding)
        (answer,) = whole.decide(ask(refund(7)), now=now).answers
        return answer

    return decide


@pytest.mark.parametrize("verify", [Verify.PERMITS, Verify.ALL])
@pytest.mark.parametrize(
    ("ours", "theirs", "effect", "policies"),
    [
        (Scripted(ONE), Scripted(NONE), Effect.PERMIT, ("a",)),
        (Scripted(Answer(("a", "z"))), Scripted(ONE), Effect.PERMIT, ("z",)),
        (Scripted(ONE), Scripted(ERRED), Effect.PERMIT, ("a",)),
        (Scripted(ONE), Scripted(Answer(errors=("no decision",))), Effect.PERMIT, ("a",)),
        (Scripted(ONE), Scripted(ONE, Answer(("b",))), Effect.FORBID, ("b",)),
        (Scripted(ONE), Scripted(ONE, Answer(errors=("no decision",))), Effect.FORBID, ()),
    ],
)
def test_a_permit_that_cedar_does_not_confirm_is_denied_recorded_and_told(
    decide, told, ours, theirs, effect, policies, verify
):
    answer = decide(ours, theirs, verify)
    assert answer.verdict is Verdict.POLICY_ERROR
    assert answer.reasons == (UNEVALUATED,)
    assert told == [Disagreement(ACTION, effect, policies)]
    assert str(told[0]) in answer.errors


def test_a_disagreement_says_which_policies_it_is_about_and_nothing_of_the_caller():
    assert str(Disagreement(ACTION, Effect.PERMIT, ("a", "b"))) == (
        "the compiled permits disagree with the Cedar engine about `a`, `b`"
    )
    assert str(Disagreement(ACTION, Effect.FORBID, ())).endswith("about the request")


def test_engines_that_err_in_other_words_agree(decide, told):
    assert decide(Scripted(ERRED), Scripted(LIKEWISE), Verify.ALL).verdict is Verdict.POLICY_ERROR
    assert told == []


def test_agreement_costs_nothing_but_time(decide, told):
    assert decide(Scripted(ONE), Scripted(ONE), Verify.ALL).verdict is Verdict.PERMITTED
    assert told == []


@pytest.mark.parametrize(
    ("ours", "asked"),
    [
        (Scripted(NONE), []),
        (Scripted(ERRED), []),
        (Scripted(ONE, Answer(("b",))), ["permits"]),
        (Scripted(ONE, Answer(errors=("error",))), ["permits"]),
        (Scripted(ONE), ["permits", "forbids"]),
    ],
)
def test_permits_verifies_all_that_a_permit_rests_on_and_no_more(decide, ours, asked):
    theirs = Scripted(ONE)
    decide(ours, theirs, Verify.PERMITS)
    assert theirs.asked == asked


def test_all_verifies_refusals_too(decide, told):
    theirs = Scripted(NONE, Answer(("b",)))
    answer = decide(Scripted(NONE), theirs, Verify.ALL)
    assert theirs.asked == ["permits", "forbids"]
    assert answer.verdict is Verdict.NO_PERMIT
    assert told == [Disagreement(ACTION, Effect.FORBID, ("b",))]
    assert answer.errors == (str(told[0]),)


def test_sample_verifies_one_in_a_hundred_of_each_effect(facts, told):
    theirs = Scripted(ONE, ONE)
    engine = VerifiedEngine(Scripted(ONE, ONE), theirs, Verify.SAMPLE, told.append)
    for _ in range(2 * SAMPLE):
        engine.permits(ACTION, facts)
        engine.forbids(ACTION, facts)
    assert theirs.asked == ["permits", "forbids"] * 2


def test_a_disagreement_is_not_remembered(load, ask, refund, now, told):
    bundle = load(RULES)
    engine = VerifiedEngine(Scripted(ONE), Scripted(NONE), Verify.PERMITS, told.append)
    deciding = Deciding(bundle.policies, bundle.world, engine)
    for _ in range(2):
        deciding.decide(ask(refund(7)), 0, "refund", now=now)
    assert len(told) == 2


def test_off_trusts_the_compiled_engine_alone(load, world):
    policies = load(RULES).policies.values()
    assert isinstance(build_engine(policies, world, Verify.OFF, ignore), CompiledEngine)
    ignore(Disagreement(ACTION, Effect.PERMIT, ()))


def test_cedar_only_compiles_nothing(load, world):
    policies = load(RULES).policies.values()
    assert isinstance(build_engine(policies, world, Verify.CEDAR_ONLY, ignore), SlicedEngine)


@pytest.mark.parametrize("verify", Verify)
@pytest.mark.parametrize(
    ("amount", "verdict"),
    [(7, Verdict.PERMITTED), (13, Verdict.FORBIDDEN), (101, Verdict.NO_PERMIT)],
)
def test_every_mode_decides_alike(load, ask, refund, now, told, verify, amount, verdict):
    bundle = load(RULES, verify=verify, on_disagreement=told.append)
    (answer,) = bundle.decide(ask(refund(amount)), now=now).answers
    assert answer.verdict is verdict
    assert told == []
