import cedarpy
import pytest

from fleeting.policy import PolicyWorld, build_schema


def test_the_schema_declares_entities_and_context(world):
    schema = build_schema(world)
    assert 'entity User in [Group] { "issuer": String, "department"?: String' in schema
    assert 'type RequestContext = { "ticket"?: String, "urgency"?: Long };' in schema
    assert '"currency": Set<String>' in schema
    assert '"value": decimal' in schema
    assert 'action "scope:payments:read" in [Action::"scope"]' in schema
    cedarpy.Schema.from_str(schema)


def test_the_schema_of_an_empty_world_is_one():
    cedarpy.Schema.from_str(build_schema(PolicyWorld(types={})))


@pytest.mark.parametrize(
    "condition",
    [
        'context.operation.amount < 5 && context.operation.payment_id == "42"',
        'context.operation.currency.contains("EUR")',
        'context.operation has note && context.operation.note like "*x*"',
        'context.request has ticket && context.request.ticket like "INC-*"',
        'context.client in Group::"bots" && context.delegation_depth < 2',
        'context has actor && context.actor == "agent"',
        'context has acr && context.acr == "gold"',
        "context has auth_age && context.auth_age < 600",
        'context.now < datetime("2027-01-01") && context.now.toTime() < duration("18h")',
        'principal is User && principal.issuer == "https://idp"',
        'principal has tags && principal.tags.contains("x")',
    ],
)
def test_policies_can_read_all_that_is_promised(load, condition):
    scope = 'principal, action in Action::"payment_refund", resource == Resource::"https://api"'
    assert load(f'@id("a") permit({scope}) when {{ {condition} }};').policies.keys() == {"a"}
