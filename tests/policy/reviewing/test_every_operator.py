"""Whatever Cedar has, a review reads; what it does not understand, it does not judge."""

import pytest

EVERY = [
    'if context has acr then context.acr == "x" else context.delegation_depth > 2',
    'context.operation has note && context.operation.note like "a*b"',
    "context.operation.amount + 1 < 5 || -context.operation.amount * 2 >= -7",
    'context.operation.currency.containsAny(["EUR", "USD"])',
    "!context.operation.currency.isEmpty()",
    'context.operation.currency == ["EUR"]',
    'principal in [Group::"support", Group::"finance"]',
    'action == Action::"payment_refund:refund" && action in Action::"payment_refund"',
    'ip("10.0.0.1").isInRange(ip("10.0.0.0/8")) && ip("1.2.3.4").isIpv4()',
    'decimal("1.0").lessThan(decimal("2.0"))',
    'context.now > datetime("2026-01-01") && context.now.toDate() < context.now',
    'context.now.durationSince(datetime("2026-01-01T00:00:00Z")).toHours() > 5',
    'duration("1h").toMinutes() == 60 && duration("-1d2h3m4s5ms") < duration("0ms")',
    '1 == 1 && "a" != "b" && true && !false',
    'principal == Client::"bot" && principal is Client in Group::"support"',
    'context.client == Client::"bot" && context.client in Group::"support"',
    '{a: 1, "b c": [1, 2]}["b c"].contains(context.operation.amount)',
    'resource == Resource::"https://api" && resource is Resource',
    'Group::"support" == Group::"support" || Client::"bot" in Group::"support"',
    'principal is User && principal.issuer == "x"',
    'principal is User && principal has tags && principal.tags.contains("y")',
    "context.operation.amount == 5 && context.operation.amount != 6",
]


@pytest.mark.parametrize("condition", EVERY)
def test_it_can_be_said_in_any_policy(warnings, permit, forbid, condition):
    said = [condition, f"!({condition})", f"({condition}) || context has actor"]
    text = permit("context has actor", id_="z")
    for place, each in enumerate(said):
        text += permit(each, id_=f"p{place}") + forbid(each, id_=f"f{place}")
    warnings(text, users=("",), user_groups=True)
