from dataclasses import replace
from datetime import timedelta

import pytest

from tests.policy.conftest import WORLD
from tests.policy.reviewing.conftest import API, BOT

TRANSFER = 'principal in Group::"support", action == Action::"transfer:make", resource'


def test_a_permit_without_uses_is_unlimited_and_is_told(warnings, permit):
    assert warnings(permit(says=""), "unlimited-uses") == [
        (
            "1:1: nothing limits how often a token for `payment_refund` can be used "
            '(write such as @uses("1"))'
        )
    ]
    assert warnings(permit(), "unlimited-uses") == []


@pytest.mark.parametrize(
    "changes",
    [
        {"clients": (replace(BOT, max_uses=5),)},
        {"resources": (replace(API, max_uses=5),)},
        {"clients": (replace(BOT, types=frozenset({"transfer"})),)},
        {"resources": (replace(API, types=frozenset({"transfer"})),)},
    ],
)
def test_what_a_ceiling_limits_or_nobody_can_ask_for_is_not_unlimited(warnings, permit, changes):
    assert warnings(permit(says=""), "unlimited-uses", **changes) == []


def test_one_way_to_unlimited_uses_is_enough(warnings, permit):
    clients = (replace(BOT, max_uses=5), replace(BOT, client_id="other"))
    assert warnings(permit(says=""), "unlimited-uses", clients=clients)


def test_only_the_resource_of_the_scope_counts(warnings, permit):
    resources = (replace(API, max_uses=5), replace(API, identifier="https://b"))
    scope = 'principal, action == Action::"payment_refund:refund", resource == Resource::"{}"'
    for name, count in (("https://api", 0), ("https://b", 1)):
        text = permit(says="", scope=scope.format(name))
        assert len(warnings(text, "unlimited-uses", resources=resources)) == count


def test_scopes_may_be_used_without_limit(warnings, permit):
    text = permit(says="", scope='principal, action in Action::"scope", resource')
    assert warnings(text, "unlimited-uses") == []


def test_a_client_without_scopes_has_no_scope_limits(warnings, permit):
    text = permit(says='@lifetime("2h")', scope='principal, action in Action::"scope", resource')
    assert warnings(text, "beyond-ceiling", clients=(replace(BOT, scopes=frozenset()),)) == []
    assert len(warnings(text, "beyond-ceiling", clients=(replace(BOT, scopes=None),))) == 1


def test_a_sensitive_type_should_say_its_uses(warnings, permit):
    assert warnings(permit(says="", scope=TRANSFER), "unlimited-uses") == []
    assert warnings(permit(says="", scope=TRANSFER), "unstated-uses") == [
        (
            "1:1: it says nothing of uses, and `transfer` is sensitive: one use is granted "
            '(write such as @uses("1"))'
        )
    ]
    assert warnings(permit(scope=TRANSFER), "unstated-uses") == []


def test_a_sensitive_type_should_have_few_uses(warnings, permit):
    assert warnings(permit(says='@uses("1001")', scope=TRANSFER), "unlimited-uses") == [
        (
            "1:10: 1001 uses are as good as unlimited, and `transfer` is sensitive "
            '(write such as @uses("1"))'
        )
    ]
    assert warnings(permit(says='@uses("1000")', scope=TRANSFER), "unlimited-uses") == []
    assert warnings(permit(says='@uses("1001")'), "unlimited-uses") == []


def test_a_sensitive_type_should_not_live_for_hours(warnings, permit):
    day = replace(WORLD, hard_cap=timedelta(hours=24))
    text = permit(says='@uses("1") @lifetime("2h")', scope=TRANSFER)
    assert warnings(text, "long-lifetime", at=day) == [
        '1:21: a token can live for 2h, and `transfer` is sensitive (write such as @lifetime("5m"))'
    ]
    assert warnings(text.replace("2h", "1h"), "long-lifetime", at=day) == []
    assert warnings(text.replace("transfer:make", "payment_refund:refund"), at=day) != []
    short = (replace(API, max_lifetime=timedelta(minutes=5)),)
    assert warnings(text, "long-lifetime", at=day, resources=short) == []
    assert warnings(text, "long-lifetime", at=day, resources=()) == []
    assert warnings(text, "long-lifetime") == []  # the hard cap is an hour


def test_what_no_ceiling_lets_through_is_told(warnings, permit):
    text = permit(says='@uses("9") @lifetime("8h")')
    resources = (replace(API, max_uses=3, max_lifetime=timedelta(minutes=5)),)
    assert warnings(text, "beyond-ceiling", resources=resources) == [
        (
            "1:10: 9 uses are never granted: the most is 3 "
            '(write @uses("3"), or raise max_uses where it is set)'
        ),
        (
            "1:21: a lifetime of 8h is never granted: the most is 5m "
            '(write @lifetime("5m"), or raise max_lifetime where it is set)'
        ),
    ]
    assert len(warnings(text, "beyond-ceiling")) == 1  # the hard cap
    assert warnings(permit(says='@uses("3") @lifetime("5m")'), resources=resources) == warnings(
        permit(), resources=resources
    )
