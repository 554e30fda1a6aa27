"""The sliced engine against the whole set: the same permits, forbids and errors, always."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleeting.core.model import (
    Limits,
    Resource,
    SenderConstraint,
    Subject,
    SubjectKind,
    Verdict,
)
from fleeting.policy import PolicySource, load_policies
from fleeting.policy.engine import SlicedEngine
from fleeting.policy.facts import Facts
from fleeting.policy.tree import Effect

PRINCIPALS = [
    "principal",
    'principal in Group::"support"',
    'principal in Group::"leads"',
    'principal == User::"ada"',
    'principal in User::"ada"',
    "principal is User",
    "principal is Client",
    'principal is User in Group::"leads"',
    'principal == Client::"bot"',
]
ACTIONS = [
    'action == Action::"payment_refund:refund"',
    'action in Action::"payment_refund"',
    'action in [Action::"payment_refund:refund", Action::"transfer"]',
]
RESOURCES = [
    "resource",
    'resource == Resource::"https://api"',
    'resource in Resource::"https://api"',
    'resource == Resource::"https://else"',
    "resource is Resource",
]
CONDITIONS = [
    "true",
    "context.operation has amount && context.operation.amount <= 100",
    "context.operation has amount && 100 < context.operation.amount",
    "context.operation has amount && context.operation.amount == 100",
    "context.operation has amount && context.operation.amount >= 8 && 8 != context.operation.amount",  # noqa: E501,
    "context.operation has amount && context.operation.amount > 100 - 1",
    "context.operation has amount",
    "context.request has urgency && context.request.urgency > -2",
    "context.operation has amount && context.operation.amount + 9223372036854775800 > 0",
    'context.operation has currency && context.operation.currency.contains("EUR")',
    'context.operation has currency && context.operation.currency.containsAll(["EUR", "USD"])',
    'context.operation has note && context.operation.note like "a*"',
    'context.operation has value && context.operation.value.lessThan(decimal("5.5"))',
    "context.operation has final && context.operation.final",
    'context.request has ticket && context.request.ticket == "INC-7"',
    'context.client in Group::"bots"',
    "context.client == principal",
    'principal == User::"ada" || principal == Client::"bot"',
    'principal in [Group::"leads", Group::"bots"]',
    'principal is User && principal has department && principal.department == "it"',
    'principal is User && principal has tags && principal.tags.contains("x")',
    'principal is User && principal.issuer == "https://idp"',
    "principal has level && principal.level > 3",
    'resource == Resource::"https://api"',
    'action == Action::"payment_refund:refund"',
    'action in Action::"transfer"',
    'context has actor && context.actor == "agent"',
    'context has acr && context.acr == "gold"',
    "context has auth_age && context.auth_age < 60",
    "context.delegation_depth > 0",
    'context.now < datetime("2026-01-02T03:04:05.678Z")',
    "(if principal is User then principal has level else false) && {Value: 1, Var: 2}.Var == 2",
]
LIMITED = [
    "context.limits.uses == 1",
    "context.limits.lifetime <= 60 && context.limits.approvals == 0",
    'context.limits.bound != "dpop"',
]  # fmt: skip

scopes = st.tuples(*map(st.sampled_from, (PRINCIPALS, ACTIONS, RESOURCES))).map(", ".join)
rules = st.one_of(
    st.tuples(st.sampled_from(["permit", "forbid"]), scopes, st.sampled_from(CONDITIONS)),
    st.tuples(st.just("forbid"), scopes, st.sampled_from(LIMITED)),
)


def written(rules):
    return [
        f'@id("p{number}") {effect}({scope}) when {{ {condition} }};'
        for number, (effect, scope, condition) in enumerate(rules)
    ]


subjects = st.builds(
    Subject,
    st.just(SubjectKind.USER),
    st.sampled_from(["ada", "bob"]),
    st.frozensets(st.sampled_from(["support", "leads", "bots", "others"])),
    st.fixed_dictionaries(
        {},
        optional={
            "department": st.sampled_from(["it", "hr"]),
            "level": st.integers(2, 5),
            "tags": st.sampled_from([(), ("x",), ("y", "x")]),
        },
    ),
    issuer=st.sampled_from(["https://idp", "https://other"]),
    acr=st.sampled_from([None, "gold", "tin"]),
) | st.builds(
    Subject,
    st.just(SubjectKind.CLIENT),
    st.sampled_from(["bot", "else"]),
    st.frozensets(st.sampled_from(["support", "bots"])),
)


@pytest.fixture(scope="module")
def requests(ask, refund, transfer, actor, now):
    """Return a strategy of access requests."""
    operations = st.builds(
        refund,
        st.sampled_from([7, 8, 99, 100, 101]),
        st.sampled_from(["EUR", ["EUR"], ["USD", "EUR"], ["USD"]]),
        note=st.sampled_from(["abc", "xyz"]),
    ) | st.builds(transfer, st.sampled_from(["5.49", "5.50", "7"]), final=st.booleans())
    bare = st.builds(refund, st.sampled_from([100, 101])) | st.builds(transfer)
    return st.builds(
        ask,
        operations | bare,
        subject=subjects,
        groups=st.sampled_from([(), ("bots",)]),
        actors=st.sampled_from([(), (actor,)]),
        resource=st.sampled_from(["https://api", "https://else"]).map(
            lambda name: Resource(name, frozenset())
        ),
        context=st.sampled_from(
            [{}, {"ticket": "INC-7"}, {"ticket": "x"}, {"urgency": -2}, {"urgency": 3}]
        ),
    ).flatmap(
        lambda request: st.sampled_from([None, now, now - timedelta(seconds=60)]).map(
            lambda at: with_login(request, at)
        )
    )


def with_login(request, at):
    return replace(request, subject=replace(request.subject, auth_time=at))


limits = st.none() | st.builds(
    Limits,
    st.sampled_from([60, 61]).map(lambda seconds: timedelta(seconds=seconds)),
    st.sampled_from([None, 1, 2]),
    st.sampled_from(SenderConstraint),
)


def whole_context(facts):
    """Return all of the context, written independently of the code under test."""
    request, operation = facts.request, {}
    for name, value in facts.operation.fields.items():
        if isinstance(value, Decimal):
            operation[name] = {"__extn": {"fn": "decimal", "arg": f"{value:.4f}"}}
        elif name == "currency":
            operation[name] = [value] if isinstance(value, str) else list(value)
        else:
            operation[name] = value
    context = {
        "operation": operation,
        "request": dict(request.context),
        "client": {"__entity": {"type": "Client", "id": request.client.client_id}},
        "delegation_depth": len(request.actors),
        "now": {"__extn": {"fn": "datetime", "arg": facts.now.isoformat()[:23] + "Z"}},
    }
    if request.actors:
        context["actor"] = request.actors[0].sub
    if request.subject.acr:
        context["acr"] = request.subject.acr
    if request.subject.auth_time:
        context["auth_age"] = int((facts.now - request.subject.auth_time).total_seconds())
    if facts.limits:
        context["limits"] = {
            "lifetime": int(facts.limits.lifetime.total_seconds()),
            "uses": facts.limits.uses or 2**63 - 1,
            "approvals": 0,
            "bound": str(facts.limits.bound),
        }
    return context


def whole_entities(request):
    def parents(groups):
        return [{"type": "Group", "id": group} for group in groups]

    subject, client = request.subject, request.client
    attributes = {k: list(v) if isinstance(v, tuple) else v for k, v in subject.attributes.items()}
    if subject.issuer:
        attributes["issuer"] = subject.issuer
    principal = {"type": str(subject.kind), "id": subject.id}
    caller = {"type": "Client", "id": client.client_id}
    entities = [{"uid": principal, "attrs": attributes, "parents": parents(subject.groups)}]
    if caller != principal:
        entities.append({"uid": caller, "attrs": {}, "parents": parents(client.groups)})
    return entities


def whole_answer(texts, action, facts):
    """Return what Cedar says of all of *texts*: satisfied ids, and ids that erred."""
    request = facts.request
    result = cedarpy.is_authorized(
        {
            "principal": {"type": str(request.subject.kind), "id": request.subject.id},
            "action": {"type": "Action", "id": action},
            "resource": {"type": "Resource", "id": request.resource.identifier},
            "context": whole_context(facts),
        },
        "\n".join(texts),
        json.dumps([*whole_entities(request), *action_entities()]),
    )
    ids = {f"policy{n}": re.search('@id\\("(.*?)"', text)[1] for n, text in enumerate(texts)}
    return (
        {ids[each] for each in result.diagnostics.reasons},
        {ids[re.search("`(policy[0-9]+)`", each)[1]] for each in result.diagnostics.errors},
    )


def action_entities():
    return [
        {
            "uid": {"type": "Action", "id": f"{name}:{action}"},
            "attrs": {},
            "parents": [{"type": "Action", "id": name}],
        }
        for name, action in [
            ("payment_refund", "refund"),
            ("transfer", "make"),
            ("transfer", "cancel"),
        ]
    ]


def sliced_answer(answer):
    return set(answer.satisfied), {re.search("`(p[0-9]+)`", each)[1] for each in answer.errors}


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_slices_answer_as_the_whole_set_does(data, requests, world, now):
    texts = written(data.draw(st.lists(rules, min_size=1, max_size=12)))
    bundle = load_policies([PolicySource("a", "\n".join(texts))], world)
    engine = SlicedEngine(bundle.policies.values(), world.types)
    for request in data.draw(st.lists(requests, min_size=1, max_size=3)):
        operation = request.operations[0]
        action = f"{operation.type}:{operation.actions[0]}"
        facts = Facts(request, operation, now, data.draw(limits))
        permits = [text for text in texts if " permit(" in text]
        assert sliced_answer(engine.permits(action, facts)) == whole_answer(permits, action, facts)
        forbids = [
            text
            for text in texts
            if " forbid(" in text and (facts.limits or "context.limits" not in text)
        ]
        assert sliced_answer(engine.forbids(action, facts)) == whole_answer(forbids, action, facts)


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_what_is_remembered_is_what_would_be_decided(data, requests, world, now):
    source = PolicySource("a", "\n".join(written(data.draw(st.lists(rules, max_size=8)))))
    asked = data.draw(st.lists(requests, min_size=2, max_size=6))
    at = [now + timedelta(seconds=data.draw(st.sampled_from([0, 0, 1, 61]))) for _ in asked]
    warm = load_policies([source], world)
    for request, when in zip(asked, at, strict=True):
        fresh = load_policies([source], world)
        assert warm.decide(request, now=when) == fresh.decide(request, now=when)


@pytest.mark.parametrize(
    ("condition", "alike", "unlike"),
    [
        ("context.operation.amount <= 100", (7, 99), (100, 101)),
        ("100 < context.operation.amount", (101, 102), (100, 101)),
        ("context.operation.amount == 100", (98, 99), (99, 100)),
        ("context.operation.amount + 1 <= 100", (7, 7), (7, 8)),
        ("context.operation.amount <= 100 || context.operation.amount * 2 < 9", (7, 7), (7, 8)),
    ],
)
def test_a_number_counts_only_by_how_it_compares(load, ask, refund, now, condition, alike, unlike):
    engine = SlicedEngine(
        load(
            f'@id("p") permit(principal, {ACTIONS[0]}, resource) when {{ {condition} }};'
        ).policies.values(),
        {},
    )

    def fingerprint(amount):
        facts = Facts(ask(refund(amount)), refund(amount), now)
        return engine.fingerprint("payment_refund:refund", facts)

    assert fingerprint(alike[0]) == fingerprint(alike[1])
    assert fingerprint(unlike[0]) != fingerprint(unlike[1])


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_the_order_of_policies_and_files_is_irrelevant(data, requests, world, now):
    texts = written(data.draw(st.lists(rules, min_size=2, max_size=8)))
    shuffled = data.draw(st.permutations(texts))
    request = data.draw(requests)
    one = load_policies([PolicySource("a", "\n".join(texts))], world)
    files = [PolicySource(f"{n}", text) for n, text in enumerate(shuffled)]
    many = load_policies(files, world)
    assert one.decide(request, now=now).answers == many.decide(request, now=now).answers


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_a_satisfied_forbid_wins_and_a_permit_is_needed(data, requests, world, now):
    bundle = load_policies(
        [PolicySource("a", "\n".join(written(data.draw(st.lists(rules, max_size=10)))))], world
    )
    (answer,) = bundle.decide(data.draw(requests), now=now).answers
    effects = {id_: policy.effect for id_, policy in bundle.policies.items()}
    assert {effects[path.policy] for path in answer.paths} <= {Effect.PERMIT}
    assert {effects[id_] for id_ in answer.forbids} <= {Effect.FORBID}
    if answer.forbids:
        assert answer.verdict is Verdict.FORBIDDEN
    if answer.verdict is Verdict.PERMITTED:
        assert answer.paths
        assert not answer.errors


def test_a_flood_of_subjects_does_not_grow_the_memory(load, ask, refund, user, now):
    bundle = load('@id("a") permit(principal == User::"ada", action, resource);')
    engine = SlicedEngine(bundle.policies.values(), {})
    for number in range(30):
        request = ask(refund(), subject=user(f"u{number}"))
        bundle.decide(request, now=now)
        engine.slice("payment_refund:refund", Facts(request, request.operations[0], now))
    assert len(engine._slices) == 1
    assert len(bundle.deciding._answers) == 1, "nobody else is named, so all others are one"
