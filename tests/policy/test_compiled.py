"""The compiled engine against the Cedar engine; `make fuzz` goes on where this stops."""

from dataclasses import replace

import pytest

from fleeting.policy import compiled
from fleeting.policy.cedar_values import EvaluationError
from fleeting.policy.compiled import CompiledEngine
from fleeting.policy.engine import Answer, SlicedEngine
from fleeting.policy.facts import Facts
from tests.policy import fuzz

REFUND = 'principal, action == Action::"payment_refund:refund", resource'
ACTION = "payment_refund:refund"


def rule(id_, condition, effect="permit", scope=REFUND):
    return f'@id("{id_}") {effect}({scope}) when {{ {condition} }};\n'


@pytest.fixture(scope="module")
def engine(load, world):
    def engine(text):
        reference = SlicedEngine(load(text).policies.values(), world.types)
        return CompiledEngine(reference, world)

    return engine


@pytest.fixture(scope="module")
def facts(ask, refund, now):
    def facts(amount=7, **changes):
        request = ask(refund(amount), **changes)
        return Facts(request, request.operations[0], now)

    return facts


@pytest.mark.parametrize("seed", [1, 2])
def test_every_policy_that_loads_answers_as_cedar_does(seed):
    fuzz.counted.clear()
    fuzz.run(fuzz.valid_policies, seed, examples=25)
    assert fuzz.counted["compiled"] >= 0.95 * fuzz.counted["policies"]
    assert fuzz.counted["satisfied"] > 25
    assert fuzz.counted["erring"] > 5


def test_what_no_validator_saw_answers_as_cedar_does_or_is_not_compiled():
    fuzz.counted.clear()
    fuzz.run(fuzz.any_policies, 3, examples=25)
    assert 0 < fuzz.counted["unchecked, compiled"] < fuzz.counted["unchecked"]


def test_ids_come_in_order_and_errors_name_their_policy(engine, facts):
    text = (
        rule("b", "true")
        + rule("a", "context.operation.amount > 5")
        + rule("c", "context.operation.amount + 9223372036854775807 > 5")
    )
    answer = engine(text).permits(ACTION, facts())
    assert answer.satisfied == ("a", "b")
    assert answer.errors == ("error while evaluating policy `c`: integer overflow",)
    assert engine(text).forbids(ACTION, facts()) == Answer()


def test_one_policy_that_is_not_compiled_leaves_the_others_fast(engine, facts, monkeypatch):
    odd = 'datetime("0000-01-01") < context.now'
    mixed = engine(rule("b", odd) + rule("a", "true") + rule("c", f"!({odd})"))
    answer = mixed.permits(ACTION, facts())
    assert answer == Answer(("a", "b"))
    (side,) = mixed._sides._young.values()
    assert [id_ for id_, _ in side.rules] == ["a"]
    assert [policy.id for policy in side.rest.policies] == ["b", "c"]
    assert engine(rule("b", odd)).permits(ACTION, facts()) == Answer(("b",))


def test_a_policy_is_compiled_once_for_each_type(engine, facts, monkeypatch):
    built = []
    compile_policy = compiled.compile_policy
    monkeypatch.setattr(
        compiled, "compile_policy", lambda *known: built.append(known[2]) or compile_policy(*known)
    )
    one = engine(
        rule("a", "true", scope="principal, action, resource")
        + rule("b", "true", scope='principal in Group::"leads", action, resource')
    )
    for groups in (("support",), ("leads",), ("support",)):
        one.permits(ACTION, facts(groups=groups))
    assert built == ["payment_refund", "payment_refund"]
    assert len(one._rules) == 2
    assert len(one._sides) == 2
    one.permits("scope:payments:read", facts())
    assert built == ["payment_refund", "payment_refund", "scope"]


def test_a_bug_in_compiled_code_is_an_error_of_the_policy(facts):
    def broken(facts, action):
        raise RuntimeError("broken")

    def erring(facts, action):
        raise EvaluationError("as Cedar would")

    rules = [("a", broken), ("b", erring)]
    answer = compiled._evaluate(rules, ("Action", ACTION), facts())
    assert not answer.satisfied
    assert answer.errors == (
        "error while evaluating policy `a`: bug: RuntimeError('broken')",
        "error while evaluating policy `b`: as Cedar would",
    )


def test_a_client_that_is_named_is_known_whatever_other_policies_read(engine, facts, user):
    named = 'Client::"bot" in Group::"support"'
    for others in ("", rule("z", 'context.client in Group::"x"')):
        text = rule("a", named) + others
        ours = engine(text)
        for client in ("bot", "other"):
            asked = facts(subject=user())
            request = replace(asked.request, client=replace(asked.request.client, client_id=client))
            asked = asked._replace(request=request)
            expected = ("a",) if client == "bot" else ()
            assert ours.permits(ACTION, asked).satisfied == expected
            assert ours._reference.permits(ACTION, asked).satisfied == expected


def test_fingerprints_are_the_references(engine, facts):
    one = engine(rule("a", "context.operation.amount > 5"))
    assert one.fingerprint(ACTION, facts(7)) == one._reference.fingerprint(ACTION, facts(8))
