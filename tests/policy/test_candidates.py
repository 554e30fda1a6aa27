from dataclasses import replace

import pytest

from fleeting.core.errors import OAuthError
from fleeting.core.operations import declare_type
from fleeting.policy.candidates import ANY, Looked, What, candidates
from fleeting.policy.judging import Judge

REFUND = 'action == Action::"payment_refund:refund"'
MAKE = 'action == Action::"transfer:make"'
TRANSFER = {"type": "transfer", "actions": ["make"], "value": "60.00"}


@pytest.fixture
def propose(load):
    """Return what is proposed of each thing, for the first operation of a request."""

    def propose(text, asked, **changes):
        bundle = load(text, **changes)
        operation = asked.request.operations[0]
        action = f"{operation.type}:{operation.actions[0]}"
        looked = Looked.at(Judge(bundle).taken(action))
        found = candidates(asked, 0, looked, bundle.world)
        return {(thing[0].what, thing[0].name): thing for thing in found}

    return propose


def when(condition, scope=REFUND):
    return f'@id("x") permit (principal, {scope}, resource) when {{ {condition} }};'


def values(thing):
    return [change.value for change in thing]


def test_amounts_are_proposed_at_what_policies_compare_with_the_smaller_first(propose, suppose):
    text = when("context.operation.amount <= 50 || context.operation.amount == 9000")
    found = propose(text, suppose())
    assert values(found[What.FIELD, "amount"]) == [51, 50, 49, 8999, 9000, 9001]
    (changed,) = found[What.FIELD, "amount"][1].apply(suppose()).request.operations
    assert changed.fields["amount"] == 50


def test_what_no_policy_looks_at_stays_as_it_is(propose, suppose):
    assert propose(f'@id("x") permit (principal, {REFUND}, resource);', suppose()) == {}


def test_fewer_values_come_before_others_and_all_are_declared(propose, suppose):
    text = when('context.operation.currency.contains("EUR")')
    both = propose(text, suppose({"currency": ["EUR", "USD"]}))
    assert values(both[What.FIELD, "currency"]) == [["USD"], ["EUR"]]
    one = propose(text, suppose({"currency": "USD"}))
    assert values(one[What.FIELD, "currency"]) == [["EUR"]]
    assert not any(change.disclosed for change in one[What.FIELD, "currency"])


def test_text_that_stands_in_a_policy_alone_is_marked(propose, suppose):
    text = (
        f'@id("x") permit (principal, {REFUND}, resource) when {{'
        ' context.operation.payment_id == "7" && context.operation has note &&'
        ' context.operation.note == "vip" };'
    )
    found = propose(text, suppose())
    (payment,) = found[What.FIELD, "payment_id"]
    assert (payment.value, payment.disclosed) == ("7", True)
    note = found[What.FIELD, "note"]
    assert [(change.value, change.disclosed) for change in note] == [(ANY, False), ("vip", True)]
    assert note[0].apply(suppose()).request.operations[0].fields["note"] == ANY
    assert values(propose(text, suppose({"note": "vip"}))[What.FIELD, "note"]) == [None]


def test_decimals_and_truths_are_proposed(propose, suppose):
    text = (
        f'@id("x") permit (principal, {MAKE}, resource) when {{'
        ' context.operation.value.lessThan(decimal("50.0")) &&'
        " context.operation has final && context.operation.final };"
    )
    asked = suppose(TRANSFER)
    found = propose(text, asked)
    assert values(found[What.FIELD, "value"]) == ["50.0001", "50", "49.9999"]
    assert values(found[What.FIELD, "final"]) == [True, False]
    without = propose(text, suppose({**TRANSFER, "final": True}))[What.FIELD, "final"]
    assert values(without) == [False, None]
    assert "final" not in without[1].apply(asked).request.operations[0].fields


LEAST = declare_type(
    "deploy",
    {
        "actions": ["go"],
        "fields": {
            "replicas": {"kind": "at_least", "type": "integer", "optional": True},
            "regions": {"kind": "one_of"},
            "stage": {"kind": "exact", "values": ["dev", "live"]},
        },
    },
)


def test_what_bounds_from_below_is_raised_first(propose, world, suppose, ask):
    from fleeting.core.operations import parse_operation

    text = (
        '@id("x") permit (principal, action == Action::"deploy:go", resource) when {'
        " context.operation has replicas && context.operation.replicas >= 5 &&"
        ' context.operation.regions.contains("north") && context.operation.stage == "dev" };'
    )
    wider = replace(world, types={"deploy": LEAST})
    body = {"type": "deploy", "regions": "south", "stage": "live"}

    def asked(**more):
        operation = parse_operation({**body, **more}, wider.types)
        return replace(suppose(), request=ask(operation))

    found = propose(text, asked(replicas=5), world=wider)
    assert values(found[What.FIELD, "replicas"]) == [6, 4, None]
    (north,) = found[What.FIELD, "regions"]
    assert (north.value, north.disclosed) == (["north"], True)
    (dev,) = found[What.FIELD, "stage"]
    assert (dev.value, dev.disclosed) == ("dev", False)
    assert values(propose(text, asked(), world=wider)[What.FIELD, "replicas"]) == [4, 5, 6]


def test_context_keys_are_given_changed_and_left_out(propose, suppose):
    text = (
        f'@id("x") permit (principal, {REFUND}, resource) when {{'
        ' context.request has ticket && context.request.ticket like "INC-*" &&'
        " context.request has urgency && context.request.urgency > 2 };"
    )
    found = propose(text, suppose())
    ticket = found[What.CONTEXT, "ticket"]
    assert [(change.value, change.disclosed) for change in ticket] == [(ANY, False), ("INC-", True)]
    assert ticket[0].apply(suppose()).request.context == {"ticket": ANY}
    assert values(found[What.CONTEXT, "urgency"]) == [1, 2, 3]
    given = suppose(context={"ticket": "X", "urgency": 2})
    found = propose(text, given)
    assert values(found[What.CONTEXT, "ticket"]) == ["INC-", None]
    assert found[What.CONTEXT, "ticket"][1].apply(given).request.context == {"urgency": 2}
    assert values(found[What.CONTEXT, "urgency"]) == [1, 3, None]
    assert found[What.CONTEXT, "urgency"][1].apply(given).request.context["urgency"] == 3


def test_what_no_request_could_say_cannot_be_applied(propose, suppose):
    text = (
        f'@id("x") permit (principal, {REFUND}, resource) when {{ context.operation.amount < 0 }};'
    )
    below = propose(text, suppose())[What.FIELD, "amount"]
    assert values(below) == [1, 0, -1]
    with pytest.raises(OAuthError):
        below[2].apply(suppose())


LOGIN = (
    '@id("a") @step_up("silver gold") @max_age("5m") permit (principal, %s, resource);'
    '@id("b") permit (principal, %s, resource) '
    'when { context has acr && context.acr == "platinum" };'
)


def test_logins_are_proposed_to_users_the_least_first(propose, suppose):
    user = suppose(subject="ada", acr="silver", login_age="1h")
    logins = propose(LOGIN % (REFUND, REFUND), user)[What.LOGIN, ""]
    assert values(logins) == [
        {"acr": "silver", "fresh": True},
        {"acr": "gold", "fresh": False},
        {"acr": "platinum", "fresh": False},
        {"acr": "gold", "fresh": True},
        {"acr": "platinum", "fresh": True},
    ]
    subject = logins[0].apply(user).request.subject
    assert (subject.acr, subject.auth_time) == ("silver", user.now)
    subject = logins[1].apply(user).request.subject
    assert (subject.acr, subject.auth_time) == ("gold", user.request.subject.auth_time)


def test_nobody_logs_in_for_a_client(propose, suppose):
    assert propose(LOGIN % (REFUND, REFUND), suppose()) == {}


def test_a_fresh_login_is_proposed_where_only_a_level_is_asked_for_not(propose, suppose):
    text = LOGIN.replace('@max_age("5m")', "") % (REFUND, REFUND)
    logins = propose(text, suppose(subject="ada"))[What.LOGIN, ""]
    assert not any(change.value["fresh"] for change in logins)


def test_a_bearer_may_bring_a_key(propose, suppose):
    bearer = suppose(client="old", key="none")
    (key,) = propose(f'@id("x") permit (principal, {REFUND}, resource);', bearer)[What.KEY, ""]
    assert key.value == "dpop"
    assert key.apply(bearer).request.key is not None


def test_another_time_is_proposed_where_policies_look_at_it(propose, suppose):
    text = when('context.now.toTime() < duration("8h")')
    asked = suppose()
    times = propose(text, asked)[What.TIME, ""]
    assert times[0].value == "2026-01-02T00:00:00Z"
    assert times[0].apply(asked).now.hour == 0


def test_scopes_have_no_fields(propose, suppose):
    text = '@id("x") permit (principal, action == Action::"scope:payments:read", resource);'
    assert propose(text, suppose(scope="payments:read")) == {}
