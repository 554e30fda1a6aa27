from dataclasses import replace
from decimal import Decimal

import pytest

from fleeting.core.model import SubjectKind
from fleeting.policy.proving.cases import is_possible
from fleeting.policy.proving.enumerating import cases
from fleeting.policy.proving.parties import Place
from tests.policy.proving.conditions import NOW, PARTIES, WORLD
from tests.policy.proving.rules import permit

USER = Place(SubjectKind.USER, "pay", "make")
CLIENT = Place(SubjectKind.CLIENT, "pay", "make")
RICH = permit(
    "a",
    '@step_up("gold") @max_age("5m")',
    "context.operation.amount < 70 && context.operation has value && "
    'context.operation.value.lessThan(decimal("1.5")) && context.now > datetime("2030-01-01") && '
    'principal is User && principal has department && principal.department == "sales" && '
    "principal has level && principal.level > 3 && principal has tags && principal has staff && "
    'principal.staff && context has actor && context.actor == "agent" && '
    "context.delegation_depth <= 2 && context has auth_age && context.auth_age < 60 && "
    'context.operation has file && context.operation.file like "/a/*" && '
    'context.request has ticket && context.request.ticket == "INC-7" && '
    'principal != User::"eve" && '
    'context.now.offset(duration("1h")) > datetime("9999-12-31T23:59:59.999Z") && '
    '(principal in Group::"a" || principal in Group::"c")',
)


@pytest.fixture
def tried(pay):
    def tried(text, place, most=400):
        return [*cases(place, WORLD, PARTIES, pay(text).policies.values(), NOW, most)]

    return tried


def test_every_request_is_one_that_can_be_sent(tried):
    for place in (USER, CLIENT):
        found = tried(RICH, place)
        assert found
        assert len(found) <= 400
        assert all(is_possible(each, WORLD) for each in found)


def test_each_side_of_what_policies_compare_is_tried(tried):
    found = [each.request for each in tried(RICH, USER)]
    operations = [each.operations[0].fields for each in found]
    assert {69, 70, 71} <= {each["amount"] for each in operations}
    assert {None, Decimal("1.4999"), Decimal("1.5")} <= {each.get("value") for each in operations}
    assert {"/a/x", None} <= {each.get("file") for each in operations}
    subjects = [each.subject for each in found]
    assert {None, "sales"} <= {each.attributes.get("department") for each in subjects}
    assert {frozenset(), frozenset("a"), frozenset("ac")} <= {each.groups for each in subjects}
    assert {None, "gold"} <= {each.acr for each in subjects}
    assert {"eve", "user-1"} == {each.id for each in subjects}
    assert {"agent"} < {each.actors[0].sub for each in found}
    assert {1, 2, 3} == {len(each.actors) for each in found}
    assert {each.client.client_id for each in found} == {"bot", "app"}
    assert {None, "INC-7"} <= {each.context.get("ticket") for each in found}


def test_a_client_that_asks_for_itself_says_nothing_of_users(tried):
    assert {each.request.subject.kind for each in tried(RICH, CLIENT)} == {SubjectKind.CLIENT}


def test_nobody_tries_what_nobody_may_ask(pay):
    alone = replace(PARTIES, clients=())
    assert [*cases(USER, WORLD, alone, pay(RICH).policies.values(), NOW)] == []


def test_users_without_groups_are_tried_where_no_provider_says_any(pay):
    silent = replace(PARTIES, providers=PARTIES.providers[1:])
    found = [*cases(USER, WORLD, silent, pay(RICH).policies.values(), NOW, 200)]
    assert {each.request.subject.groups for each in found} == {frozenset()}


def test_a_condition_however_deep_is_tried_at_its_values(pay):
    (plain,) = pay(permit("a", when="context.operation.amount == 4711")).policies.values()
    (condition,) = plain.conditions
    body = condition["body"]
    for _ in range(5_000):
        body = {"||": {"left": {"Value": False}, "right": body}}
    deep = replace(plain, node={**plain.node, "conditions": [{**condition, "body": body}]})
    found = cases(CLIENT, WORLD, PARTIES, [deep], NOW)
    assert 4711 in {each.request.operations[0].fields["amount"] for each in found}


def test_a_scope_has_no_fields(world, load, parties):
    from fleeting.core.model import Client, Resource
    from fleeting.policy.proving.parties import Parties
    from tests.policy.proving.conditions import BOTH

    api = Resource("https://api", frozenset(), frozenset({"payments:read"}))
    whole = Parties((Client("bot", BOTH),), (api,))
    place = Place(SubjectKind.CLIENT, "scope", "payments:read")
    found = [*cases(place, world, whole, [], NOW)]
    assert {each.request.operations[0].type for each in found} == {"scope"}


def test_a_reason_is_tried_only_where_a_path_is_for_emergencies(tried):
    glass = '@break_glass("alarm leads, review in 24h")'
    assert {each.request.break_glass for each in tried(permit("a"), CLIENT)} == {None}
    assert len({each.request.break_glass for each in tried(permit("a", glass), CLIENT)}) == 2
