"""The laws of every set of policies, over drawn ones: decided by compiled policies alone."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleeting.core.model import SenderConstraint, SenderKey, Verdict
from fleeting.policy import PolicySource, Verify, load_policies
from tests.policy import fuzz
from tests.policy.generating import WORLD, questions
from tests.policy.writing import policy_texts

ANNOTATIONS = ("", '@lifetime("1m")', '@lifetime("2h") @uses("5")', '@uses("1") @bound("dpop")')
LAW = settings(
    deadline=None,
    max_examples=12,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@st.composite
def sets(draw):
    """Draw policies that load; half of the permits hold for everybody."""
    texts = draw(policy_texts(most=4))
    texts += [f'@id("all{n}") permit(principal, action, resource);' for n in range(2)]
    texts = [
        text.replace(" permit(", f" {draw(st.sampled_from(ANNOTATIONS))} permit(", 1)
        for text in texts
    ]
    taken = fuzz.load(texts)
    return [text for text in texts if text.split('"')[1] in taken]


def load(texts):
    return load_policies([PolicySource("law", "\n".join(texts))], WORLD, verify=Verify.OFF)


def decisions(texts, asked):
    bundle = load(texts)
    for facts in asked:
        key = SenderKey(SenderConstraint.DPOP, "thumbprint")
        yield bundle.decide(replace(facts.request, key=key), now=facts.now).answers[0]


def outcome(answer):
    """Return what a decision comes to, whatever its policies are called."""
    chosen = answer.paths[0].limits if answer.paths else None
    return answer.verdict, chosen, bool(answer.forbids), bool(answer.errors)


@LAW
@given(texts=sets(), asked=questions())
def test_forbid_wins(texts, asked):
    nothing = '@id("nothing") forbid(principal, action, resource);'
    for answer in decisions([*texts, nothing], asked):
        assert answer.verdict in (Verdict.FORBIDDEN, Verdict.POLICY_ERROR)


@LAW
@given(texts=sets(), asked=questions())
def test_without_a_permit_nothing_is_permitted(texts, asked):
    forbids = [text for text in texts if " forbid(" in text]
    for answer in decisions(forbids, asked):
        assert answer.verdict in (Verdict.NO_PERMIT, Verdict.FORBIDDEN)
        assert answer.paths == ()


@LAW
@given(texts=sets(), asked=questions(), order=st.randoms(use_true_random=False))
def test_order_and_duplicates_are_irrelevant(texts, asked, order):
    again = [re.sub(r'@id\("(.+?)"\)', r'@id("\1-again")', text) for text in texts]
    shuffled = [*texts, *again]
    order.shuffle(shuffled)
    once = [outcome(answer) for answer in decisions(texts, asked)]
    assert [outcome(answer) for answer in decisions(shuffled, asked)] == once


@LAW
@given(texts=sets(), more=sets(), asked=questions())
def test_more_forbids_never_permit_more(texts, more, asked):
    forbids = [text.replace('@id("', '@id("more-') for text in more if " forbid(" in text]
    before, after = decisions(texts, asked), decisions([*texts, *forbids], asked)
    for less, answer in zip(before, after, strict=True):
        if answer.verdict is Verdict.PERMITTED:
            assert less.verdict is Verdict.PERMITTED
            assert answer.paths == less.paths


def uses(limit):
    return float("inf") if limit is None else limit


def below(facts, lifetime, uses):
    resource = replace(facts.request.resource, max_lifetime=lifetime, max_uses=uses)
    return facts._replace(request=replace(facts.request, resource=resource))


@LAW
@given(
    texts=sets(),
    asked=questions(),
    seconds=st.sampled_from([1, 90, 7200]),
    most=st.sampled_from([1, 3]),
)
def test_limits_only_ever_shrink(texts, asked, seconds, most):
    ceiling = timedelta(seconds=seconds)
    policies = load(texts).policies
    wide = decisions(texts, [below(facts, timedelta(hours=3), 4) for facts in asked])
    narrow = decisions(texts, [below(facts, ceiling, most) for facts in asked])
    for one, other in zip(wide, narrow, strict=True):
        before = {path.policy: path.limits for path in one.paths}
        for path in other.paths:
            terms = policies[path.policy].terms
            for most_lifetime in (terms.lifetime, ceiling, before[path.policy].lifetime):
                assert most_lifetime is None or path.limits.lifetime <= most_lifetime
            for most_uses in (terms.uses, most, before[path.policy].uses):
                assert uses(path.limits.uses) <= uses(most_uses)
            assert path.limits.lifetime <= WORLD.hard_cap


@pytest.mark.parametrize("verify", Verify)
def test_no_policies_permit_nothing(verify, ask, refund, now, world):
    (answer,) = load_policies([], world, verify=verify).decide(ask(refund()), now=now).answers
    assert answer.verdict is Verdict.NO_PERMIT
