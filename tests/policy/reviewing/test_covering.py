from dataclasses import replace

import pytest

from tests.policy.conftest import WORLD
from tests.policy.reviewing.conftest import API

ANYONE = "principal, action, resource"
TRANSFER = 'principal, action == Action::"transfer:make", resource'


def test_policies_for_every_request_have_a_budget(warnings, permit):
    text = "".join(permit("context has acr", id_=f"p{n}", scope=ANYONE) for n in range(3))
    assert warnings(text, "global-budget", budget=3) == []
    assert warnings(text, "global-budget", budget=2) == [
        (
            "7:1: 3 policies have no condition in their scope; the budget is 2 "
            "(name the action in the scope, where the policy is about one)"
        )
    ]


def test_a_permit_without_any_condition_is_told(warnings, permit, forbid):
    (told,) = warnings(permit(scope=ANYONE), "permits-everything")
    assert told.startswith("1:1: anyone may do anything: this permit has no condition at all")
    assert warnings(forbid(scope=ANYONE), "permits-everything") == []
    assert warnings(permit("context has acr", scope=ANYONE), "permits-everything") == []
    assert warnings(permit(), "permits-everything") == []


@pytest.mark.parametrize(
    ("says", "condition", "scope"),
    [
        ("", "", TRANSFER.replace("principal", 'principal in Group::"support"')),
        ("", "", TRANSFER.replace("principal", 'principal == Client::"bot"')),
        ("", 'principal in Group::"support"', TRANSFER),
        ("", 'context.client == Client::"bot"', TRANSFER),
        ("", 'context.client in Group::"support"', TRANSFER),
        ("", "principal is User && principal has level", TRANSFER),
        ("", "context has actor", TRANSFER),
        ("", 'context has acr && context.acr == "gold"', TRANSFER),
        ('@approval("1 of leads")', "", TRANSFER),
        ('@step_up("gold")', "", TRANSFER),
    ],
)
def test_a_sensitive_type_asks_who(warnings, permit, says, condition, scope):
    assert warnings(permit(condition, says=says, scope=scope), "open-to-all") == []


@pytest.mark.parametrize("who", ["principal", "principal is User", "principal is Client"])
def test_a_sensitive_type_for_anyone_is_told(warnings, permit, who):
    text = permit("context has acr || context.delegation_depth < 3", scope=TRANSFER)
    (told,) = warnings(permit(scope=TRANSFER.replace("principal", who)), "open-to-all")
    assert "1:1: anyone may have this, and `transfer` is sensitive (write such as" in told
    assert warnings(text, "open-to-all") == []


def test_what_is_not_sensitive_may_be_for_anyone(warnings, permit):
    scope = TRANSFER.replace("transfer:make", "payment_refund:refund")
    assert warnings(permit(scope=scope), "open-to-all") == []


def test_operations_that_no_policy_permits_are_told_where_they_are_declared(warnings, permit):
    text = permit(scope='principal, action == Action::"transfer:make", resource')
    assert warnings(text, "unpermitted-operation") == [
        (
            "fleeting.toml:3:1: no policy permits the operation type `payment_refund` "
            '(write a permit with action in Action::"payment_refund")'
        ),
        (
            "fleeting.toml:8:1: no policy permits `transfer:cancel` "
            '(write a permit with action == Action::"transfer:cancel")'
        ),
        (
            "fleeting.toml:12:11: no policy permits the scope `payments:read` "
            '(write a permit with action == Action::"scope:payments:read")'
        ),
        (
            "fleeting.toml:12:28: no policy permits the scope `payments:write` "
            '(write a permit with action == Action::"scope:payments:write")'
        ),
    ]


def test_a_forbid_permits_nothing(warnings, forbid):
    assert len(warnings(forbid(scope=ANYONE), "unpermitted-operation")) == 4


def test_a_permit_for_everything_leaves_nothing_out(warnings, permit):
    assert warnings(permit(scope=ANYONE), "unpermitted-operation") == []


def test_what_is_declared_elsewhere_is_told_at_the_top_of_the_settings(warnings):
    found = warnings("", "unpermitted-operation", at=replace(WORLD, scopes=frozenset({"x"})))
    assert "fleeting.toml:1:1: no policy permits the scope `x`" in found[0]


def test_a_type_that_no_resource_offers_is_told(warnings, permit):
    resources = (replace(API, types=frozenset({"transfer"})),)
    assert warnings(permit(), "unoffered-type", resources=resources) == [
        (
            "fleeting.toml:3:1: no resource offers the operation type `payment_refund` "
            '(write its name in the `types` of a resource: types = ["payment_refund"])'
        )
    ]


def test_a_policy_about_a_resource_that_does_not_offer_it_is_told(warnings, permit):
    resources = (API, replace(API, identifier="https://b", types=frozenset({"transfer"})))
    scope = 'principal, action == Action::"{}", resource == Resource::"https://b"'
    text = permit(scope=scope.format("payment_refund:refund"))
    assert warnings(text, "never-matches", resources=resources) == [
        "2:85: `https://b` offers nothing of what this is about (it offers transfer)"
    ]
    for action in ("transfer:make", "scope:payments:read"):
        text = permit(scope=scope.format(action))
        assert warnings(text, "never-matches", resources=resources) == []
