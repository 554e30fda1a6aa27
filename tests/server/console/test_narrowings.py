"""What people want an offer to be instead."""

from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType

import pytest

from fleeting.core.access_requests import Offer, Plan, Total
from fleeting.core.errors import InvalidAuthorizationDetails, InvalidRequest
from fleeting.core.model import Operation
from fleeting.core.operations import declare_type
from fleeting.server.console.bodies import Members
from fleeting.server.console.narrowings import form_narrowing, read_narrowing

TYPES = MappingProxyType(
    {
        "deployment": declare_type(
            "deployment",
            {
                "actions": ["start", "scale"],
                "fields": {
                    "service": {"kind": "exact"},
                    "replicas": {"kind": "at_most", "type": "integer"},
                    "health": {"kind": "at_least", "type": "decimal"},
                    "regions": {"kind": "one_of"},
                },
            },
        )
    }
)
SHOP = Operation(
    "deployment",
    ("start", "scale"),
    {"service": "shop", "replicas": 3, "health": Decimal("0.95"), "regions": ("north", "south")},
)
READS = Operation("scope", ("payments:read",), {})
PLAN = Plan(10, timedelta(hours=2), (Total("deployment", "replicas", 9),))
OFFER = Offer((SHOP, READS), timedelta(minutes=4), 3)
PLANNED = Offer((SHOP,), timedelta(minutes=4), 3, PLAN)

FORM = {
    "op.0": "on",
    "op.0.action.start": "on",
    "op.0.action.scale": "on",
    "op.0.field.service": "shop",
    "op.0.field.replicas": "3",
    "op.0.field.health": "0.95",
    "op.0.choice.regions.0": "on",
    "op.0.choice.regions.1": "on",
    "op.1": "on",
    "op.1.action.payments:read": "on",
}
"""What the page sends where nobody changed anything."""


def narrowing(body, offer=OFFER):
    return read_narrowing(Members(body), offer, TYPES)


def test_what_is_not_said_stays_as_it_is():
    told = narrowing({})
    assert (told.operations, told.lifetime, told.uses, told.plan) == (None, None, None, None)


def test_operations_lifetime_and_uses_are_read():
    less = {**SHOP.to_json(), "replicas": 1}
    told = narrowing({"authorization_details": [less], "lifetime": "30s", "uses": 1})
    assert told.operations == (
        Operation("deployment", SHOP.actions, {**SHOP.fields, "replicas": 1}),
    )
    assert told.lifetime == timedelta(seconds=30)
    assert told.uses == 1


def test_scopes_are_operations_too():
    assert narrowing({"authorization_details": [READS.to_json()]}).operations == (READS,)


def test_a_plan_keeps_what_is_not_said_of_it():
    assert narrowing({"plan": {"calls": 2}}, PLANNED).plan == Plan(2, PLAN.duration, PLAN.totals)
    told = narrowing({"plan": {"duration": "1h", "totals": {"deployment.replicas": 5}}}, PLANNED)
    assert told.plan == Plan(10, timedelta(hours=1), (Total("deployment", "replicas", 5),))
    told = narrowing({"plan": {"totals": {"deployment.health": "1.5"}}}, PLANNED)
    assert told.plan is not None
    assert told.plan.totals == (Total("deployment", "health", Decimal("1.5")),)


@pytest.mark.parametrize(
    "body",
    [
        {"life": "30s"},
        {"lifetime": "30"},
        {"lifetime": 30},
        {"uses": 0},
        {"uses": True},
        {"uses": "1"},
        {"plan": []},
        {"plan": {"calls": 0}},
        {"plan": {"colls": 1}},
        {"plan": {"duration": "soon"}},
        {"plan": {"totals": [5]}},
        {"plan": {"totals": {"deployment.replicas": -5}}},
        {"plan": {"totals": {"deployment.replicas": "many"}}},
    ],
)
def test_what_cannot_be_read_is_refused(body):
    with pytest.raises(InvalidRequest):
        narrowing(body, PLANNED)


def test_there_is_nothing_to_narrow_of_a_plan_that_is_none():
    with pytest.raises(InvalidRequest, match="there is no plan"):
        narrowing({"plan": {"calls": 1}})


@pytest.mark.parametrize(
    "details",
    [
        [],
        {},
        "x",
        [7],
        [{"type": "unknown"}],
        [{"type": "scope"}, {"type": "scope", "actions": [1]}],
    ],
)
def test_operations_that_cannot_be_read_are_refused(details):
    with pytest.raises(InvalidAuthorizationDetails):
        narrowing({"authorization_details": details})


def test_a_form_that_nobody_changed_says_nothing():
    assert form_narrowing(FORM, OFFER, TYPES) == {}


def test_a_form_says_what_was_changed():
    changed = {
        **FORM,
        "op.0.field.replicas": " 2 ",
        "op.0.field.health": "0.99",
        "lifetime": " 1m ",
        "uses": "1",
    }
    del changed["op.0.choice.regions.1"], changed["op.0.action.scale"], changed["op.1"]
    assert form_narrowing(changed, OFFER, TYPES) == {
        "authorization_details": [
            {
                "type": "deployment",
                "actions": ["start"],
                "service": "shop",
                "replicas": 2,
                "health": "0.99",
                "regions": ["north"],
            }
        ],
        "lifetime": "1m",
        "uses": 1,
    }


def test_a_form_narrows_a_plan():
    form = {**FORM, "plan.calls": "2", "plan.duration": "1h"}
    assert form_narrowing(form, PLANNED, TYPES) == {"plan": {"calls": 2, "duration": "1h"}}


@pytest.mark.parametrize(
    ("without", "changed", "said"),
    [
        (("op.0", "op.1"), {}, "deny it instead"),
        (("op.0.action.start", "op.0.action.scale"), {}, "leave an action"),
        (("op.0.choice.regions.0", "op.0.choice.regions.1"), {}, "leave one of its values"),
        ((), {"op.0.field.replicas": "few"}, "whole number"),
        ((), {"uses": "1.5"}, "whole number"),
    ],
)
def test_a_form_that_leaves_nothing_or_says_no_number_is_told_so(without, changed, said):
    form = {name: value for name, value in {**FORM, **changed}.items() if name not in without}
    with pytest.raises(InvalidRequest, match=said):
        form_narrowing(form, OFFER, TYPES)
