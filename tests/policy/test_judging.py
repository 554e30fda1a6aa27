from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from fleeting.policy.engine import SlicedEngine
from fleeting.policy.facts import Facts
from fleeting.policy.judging import Judge, Truth

REFUND = 'action == Action::"payment_refund:refund"'
MAKE = 'action == Action::"transfer:make"'


def judged(load, now, request, text, limits=None):
    """Judge one policy for the first action of a request."""
    bundle = load(text)
    operation = request.operations[0]
    action = f"{operation.type}:{operation.actions[0]}"
    (only,) = Judge(bundle).judge(action, Facts(request, operation, now, limits))
    return only


def failed(judged):
    return [(each.text, dict(seen)) for each, seen in judged.told(judged.failed())]


def test_a_condition_that_failed_is_told_with_what_it_saw(load, now, ask, refund):
    text = (
        f'@id("x") permit (principal in Group::"leads", {REFUND}, resource) when {{'
        ' context.operation.amount <= 50 && context.operation.currency.contains("USD") };'
    )
    assert failed(judged(load, now, ask(refund()), text)) == [
        (
            'principal in Group::"leads"',
            {"principal": 'Client::"bot"', "groups of the principal": ["support"]},
        ),
        ("context.operation.amount <= 50", {"context.operation.amount": 5000}),
        (
            'context.operation.currency.contains("USD")',
            {"context.operation.currency": ["EUR"]},
        ),
    ]


def test_a_satisfied_policy_has_no_failed_conditions(load, now, ask, refund):
    text = (
        f'@id("x") permit (principal, {REFUND}, resource) when {{ context.operation.amount > 5 }};'
    )
    assert judged(load, now, ask(refund()), text).failed() == ()


def test_what_is_not_wanted_fails_where_it_is_true(load, now, ask, refund):
    clause = "unless { context.operation.amount > 5 }"
    text = f'@id("x") forbid (principal, {REFUND}, resource) {clause};'
    (told,) = failed(judged(load, now, ask(refund()), text))
    assert told[0] == "context.operation.amount > 5"


def test_what_hangs_on_a_failed_condition_is_not_blamed(load, now, ask, transfer):
    text = (
        f'@id("x") permit (principal, {MAKE}, resource) when {{'
        " context.operation has final && context.operation.final };"
    )
    one = judged(load, now, ask(transfer()), text)
    assert failed(one) == [("context.operation has final", {"context.operation.final": None})]
    assert one.truth(one.taken.conditions[-1]) is Truth.UNKNOWN


def test_a_cap_cannot_be_known_while_nothing_is_granted(load, now, ask, refund):
    text = f'@id("x") forbid (principal, {REFUND}, resource) when {{ context.limits.uses > 1 }};'
    one = judged(load, now, ask(refund()), text)
    assert failed(one) == [("context.limits.uses > 1", {"context.limits.uses": None})]
    assert [was for _, was in one.reached()] == [True]  # its action, and no more


def test_links_are_worked_out_no_further_than_cedar_does(load, now, ask, transfer):
    text = (
        f'@id("x") permit (principal, {MAKE}, resource) when {{'
        " (true || context.operation.final) && !(false && context.operation.final) &&"
        " (false || true) && !(true && false) };"
    )
    text = text.replace("context.operation.final", "(context.operation has final && false)")
    one = judged(load, now, ask(transfer()), text)
    assert one.failed() == ()
    assert [atom.text for atom, _ in one.reached()] == [
        MAKE,
        *("true", "false", "false", "true", "true", "false"),
    ]


def test_reaching_ends_where_a_condition_fails(load, now, ask, refund):
    text = (
        f'@id("x") permit (principal, {REFUND}, resource) when {{ true }}'
        " unless { context.operation.amount > 5 } when { false };"
    )
    one = judged(load, now, ask(refund()), text)
    assert [was for _, was in one.reached()] == [True, True, True]


def test_an_unknown_part_leaves_the_whole_unknown(load, now, ask, refund):
    text = (
        f'@id("x") forbid (principal, {REFUND}, resource) unless {{'
        " true && (context.limits.uses > 1 || !(context.limits.uses > 2)) };"
    )
    one = judged(load, now, ask(refund()), text)
    assert one.truth(one.taken.conditions[-1]) is Truth.UNKNOWN
    assert [atom.text for atom, _ in one.reached()] == [REFUND, "true"]


def test_everything_that_can_be_looked_at_is_told(load, now, ask, transfer, user, actor):
    text = (
        f'@id("x") permit (principal is User, {MAKE}, resource == Resource::"https://b") when {{'
        ' principal == User::"eve" && principal.issuer == "x" && principal has tags &&'
        ' principal.tags.contains("t") && context.client in Group::"g" && context has actor &&'
        ' context.actor == "x" && context.now > datetime("2030-01-01") &&'
        ' context.operation.value.lessThan(decimal("1.0")) };'
    )
    person = user(attributes={"tags": ("a", "b")})
    one = judged(load, now, ask(transfer(), subject=person, actors=(actor,)), text)
    seen = {name: value for each, told in failed(one) for name, value in told.items()}
    assert seen == {
        "resource": "https://api",
        "principal": 'User::"ada"',
        "principal.issuer": "https://idp",
        "principal.tags": ["a", "b"],
        "context.client": 'Client::"bot"',
        "groups of the client": ["support"],
        "context.actor": "agent",
        "context.now": now.isoformat(),
        "context.operation.value": str(Decimal("5.00")),
    }


def test_where_the_engine_cannot_evaluate_everything_is_unknown(
    load, now, ask, refund, monkeypatch
):
    import cedarpy

    bundle = load(f'@id("x") permit (principal, {REFUND}, resource);')
    request = ask(refund())
    judge = Judge(bundle)

    def refuse(*_):
        raise ValueError("no")

    monkeypatch.setattr(cedarpy, "is_authorized", refuse)
    facts = Facts(request, request.operations[0], now)
    (one,) = judge.judge("payment_refund:refund", facts)
    assert one.truths == (Truth.UNKNOWN,)


def test_only_policies_that_take_the_action_are_judged(load, now, ask, refund, transfer):
    bundle = load(
        f'@id("a") permit (principal, {REFUND}, resource);'
        f'@id("b") permit (principal, {MAKE}, resource);'
    )
    judge = Judge(bundle)
    assert [each.policy.id for each in judge.all()] == ["a", "b"]
    assert [each.policy.id for each in judge.taken("transfer:make")] == ["b"]
    assert judge.taken("transfer:cancel") == ()


NUMBERS = st.integers(0, 3)
ATOMS = st.one_of(
    st.tuples(st.sampled_from(["<=", ">", "==", "!="]), NUMBERS).map(
        lambda each: f"context.operation.amount {each[0]} {each[1]}"
    ),
    st.sampled_from(
        ["context.request has urgency", "context.request.urgency > 1", "context.limits.uses == 1"]
    ),
)
CLAUSES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        inner.map(lambda one: f"!({one})"),
        st.lists(inner, min_size=2, max_size=3).map(lambda some: f"({' && '.join(some)})"),
        st.lists(inner, min_size=2, max_size=3).map(lambda some: f"({' || '.join(some)})"),
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["when", "unless"]), CLAUSES, NUMBERS, st.none() | NUMBERS)
def test_a_policy_is_satisfied_just_where_none_of_its_conditions_failed(
    load, now, ask, refund, keyword, clause, amount, urgency
):
    # Without the validator: what may be absent is read as if it were there, and errs.
    from dataclasses import replace

    base = load(
        f'@id("x") forbid (principal, {REFUND}, resource) when {{ context.operation.amount == 0 }};'
    )
    text = base.policies["x"].text.replace(
        "when { context.operation.amount == 0 }", f"{keyword} {{ {clause} }}"
    )
    policy = replace(base.policies["x"], text=text, reads=reads_of(text))
    bundle = replace(base, policies={"x": policy})
    context = {} if urgency is None else {"urgency": urgency}
    request = ask(refund(amount=amount), context=context)
    facts = Facts(request, request.operations[0], now)
    whole = SlicedEngine([policy], bundle.world.types).forbids(
        "payment_refund:refund", facts._replace(limits=None)
    )
    (one,) = Judge(bundle).judge("payment_refund:refund", facts)
    if not policy.reads_limits:
        assert (not one.failed()) == bool(whole.satisfied)


def reads_of(text):
    import json

    import cedarpy

    from fleeting.policy.tree import read

    return read(json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]["policy0"])
