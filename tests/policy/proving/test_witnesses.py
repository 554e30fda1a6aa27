"""What the solver finds is a request that the engine decides as the solver said."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleeting.core.context import declare_context
from fleeting.core.model import Verdict
from fleeting.core.operations import declare_type
from fleeting.policy import PolicySource, PolicyWorld, load_policies
from fleeting.policy.proving.parties import Parties
from fleeting.policy.proving.proofs import Prover, Status
from fleeting.policy.proving.properties import load_properties
from fleeting.policy.proving.solving import Effort
from tests.policy.proving import conditions as given_
from tests.policy.proving.conditions import NOW
from tests.policy.proving.rules import forbid, permit

EFFORT = Effort(timedelta(seconds=20), NOW)


@pytest.fixture
def found(pay, property_, parties, effort):
    """Return the plainest request that one permit with the condition grants."""

    def found(when, who="principal", more="", parties=parties):
        bundle = pay(permit("a", when=when, who=who))
        verdict = Prover(bundle, parties, effort).prove(property_("permitted = true", more))
        assert verdict.status is Status.BROKEN, verdict
        assert verdict.tried == 0
        return verdict.counterexample.case.request

    return found


def test_only_what_matters_is_said(found):
    request = found('principal is User && principal has department && principal.department != "x"')
    assert request.subject.attributes == {"department": "other-1"}
    assert request.subject.groups == frozenset()
    assert request.operations[0].fields.keys() == {"amount", "to", "currency"}
    assert request.context == {}
    assert [actor.sub for actor in request.actors] == [request.client.client_id]


def test_a_string_that_fits_a_pattern_is_made_up(found):
    assert found('context.request has ticket && context.request.ticket != "A-0"').context == {
        "ticket": "B-1"
    }
    liked = found('context.request has ticket && context.request.ticket like "INC-*9"')
    assert liked.context["ticket"].startswith("INC-")


def test_a_path_that_is_liked_is_a_path(found):
    request = found('context.operation has file && context.operation.file like "/reports/*/q1"')
    assert request.operations[0].fields["file"].startswith("/reports/")


def test_sets_are_made_of_what_is_asked_of_them(found):
    request = found(
        'context.operation.currency.containsAll(["EUR", "USD"]) && '
        '!context.operation.currency.contains("GBP") && context.operation has labels && '
        'context.operation.labels.containsAny(["x", "y"]) && principal is User && '
        "principal has tags && principal.tags.isEmpty()"
    )
    assert set(request.operations[0].fields["currency"]) == {"EUR", "USD"}
    assert {*request.operations[0].fields["labels"]} & {"x", "y"}
    assert request.subject.attributes["tags"] == ()
    other = found('context.operation has labels && !context.operation.labels.contains("x")')
    assert other.operations[0].fields["labels"] == ("other-1",)


def test_a_field_with_a_closed_set_of_values_has_one_of_them():
    field = {"kind": "exact", "values": ["a", "b"]}
    world = PolicyWorld({"t": declare_type("t", {"actions": ["do"], "fields": {"x": field}})})
    text = '@id("a") permit (principal, action, resource) when { context.operation.x != "a" };'
    assert broken(text, world).operations[0].fields == {"x": "b"}


def test_numbers_truths_and_instants_are_what_they_must_be(found):
    request = found(
        'context.operation has value && context.operation.value == decimal("1.2500") && '
        "context.operation has final && context.operation.final && principal is User && "
        "principal has level && principal.level == -3 && principal has staff && !principal.staff &&"
        " context has auth_age && context.auth_age == 77 && context.delegation_depth == 3"
    )
    assert request.operations[0].fields["value"] == Decimal("1.25")
    assert request.operations[0].fields["final"] is True
    assert request.subject.attributes == {"level": -3, "staff": False}
    assert request.subject.auth_time == NOW - timedelta(seconds=77)
    assert len(request.actors) == 3


def test_a_login_just_too_old_by_part_of_a_second_is_found(pay, property_, parties, effort):
    bundle = pay(
        permit("a", '@max_age("5m")', who="principal is User")
        + permit("b", '@approval("1 of leads")', who="principal is User")
    )
    late = "when = 'context has auth_age && context.auth_age == 300'"
    verdict = Prover(bundle, parties, effort).prove(property_("approvals_under = 2", late))
    assert verdict.status is Status.BROKEN


def test_one_text_stays_the_same_wherever_it_stands(found):
    request = found(
        'context has actor && context has acr && context.acr == context.actor && context.acr != "x"'
    )
    assert request.subject.acr == request.actors[0].sub


def test_a_client_is_its_own_actor(found):
    request = found('principal is Client && context has actor && context.actor == "app"')
    assert request.client.client_id == "app"
    assert [actor.sub for actor in request.actors] == ["app"]


def test_a_user_has_no_more_than_its_provider_says(found, parties):
    request = found('principal is User && principal in Group::"a"')
    assert request.subject.issuer == "https://idp"
    plain = found('principal is User && principal.issuer == "https://small"')
    assert plain.subject.issuer == "https://small"
    one = replace(parties, providers=parties.providers[:1])
    staff = found("principal is User && principal has staff && principal.staff", parties=one)
    assert staff.subject.attributes == {"staff": True}
    named = found('principal == User::"eve"')
    assert named.subject.id == "eve"
    taken = replace(parties, clients=(replace(parties.clients[0], client_id="user-1"),))
    assert found("principal is User", parties=taken).subject.id == "user-2"


def test_what_no_policy_reads_gets_a_plain_value():
    fields = {
        "a": {"kind": "exact", "type": "integer"},
        "b": {"kind": "at_most", "type": "decimal", "minimum": "2.5"},
        "c": {"kind": "exact", "type": "boolean"},
        "d": {"kind": "one_of"},
        "e": {"kind": "text", "pattern": "[a-c]{3}"},
        "f": {"kind": "exact", "values": ["only"]},
    }
    world = PolicyWorld(
        {"t": declare_type("t", {"actions": ["do"], "fields": fields})},
        context_keys=declare_context(
            {
                "s": {"type": "string", "required": True, "pattern": "x[0-9]"},
                "i": {"type": "integer", "required": True},
                "b": {"type": "boolean", "required": True},
            }
        ),
    )
    request = broken('@id("a") permit (principal, action, resource);', world)
    assert request.operations[0].fields == {
        "a": 0,
        "b": Decimal("2.5"),
        "c": True,
        "d": ("other-1",),
        "e": "abc",
        "f": "only",
    }
    assert request.context == {"s": "x0", "i": 0, "b": True}


def broken(text, world, why=None):
    (all_,) = load_properties(
        [PolicySource("p", '[[properties]]\nname="p"\nnever={permitted=true}')], world
    )
    bundle = load_policies([PolicySource("a", text)], world)
    clients = given_.PARTIES.clients
    resource = replace(given_.PARTIES.resources[0], types=frozenset(world.types))
    verdict = Prover(bundle, Parties(clients, (resource,)), EFFORT).prove(all_)
    if why is not None:
        assert verdict.status is Status.OPEN
        assert verdict.why == (why,)
        return None
    return verdict.counterexample.case.request


@pytest.mark.parametrize(
    "reads", ["true", 'context.operation.x != "q"', 'context.operation.x like "*"']
)
def test_a_string_that_cannot_be_made_up_leaves_the_property_open(reads):
    field = {"kind": "exact", "pattern": "(?=b)(?:a|b)(?<=a)"}
    world = PolicyWorld({"t": declare_type("t", {"actions": ["do"], "fields": {"x": field}})})
    text = f'@id("a") permit (principal, action, resource) when {{ {reads} }};'
    broken(text, world, "what the solver found for t:do was not confirmed by the engine")


@settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=40,
    suppress_health_check=list(HealthCheck),
)
@given(
    st.lists(
        st.tuples(
            given_.patterned,
            given_.scopes,
            st.sampled_from(
                ["", '@uses("1")', '@step_up("x")', '@bound("mtls")', '@approval("1 of a")']
            ),
        ),
        min_size=1,
        max_size=4,
    ),
    given_.cases(),
)
def test_the_solver_and_the_engine_take_the_same_path(written, case):
    """Decide one request by both: the same path, the same limits, the same refusals."""
    from tests.policy.proving.test_outcomes import decided_by_solver, policies

    bundle = policies(
        [
            (permit if place != 1 else forbid)(
                f"p{place}",
                *([terms] if place != 1 else []),
                when=condition,
                who=scope,
                action='action in Action::"pay", resource',
            )
            for place, (condition, scope, terms) in enumerate(written)
        ]
    )
    answer = case.decided_by(bundle)
    found = decided_by_solver(bundle, case)
    if found is not None:
        granted = answer.verdict in {
            Verdict.PERMITTED,
            Verdict.NEEDS_APPROVAL,
            Verdict.NEEDS_STEP_UP,
            Verdict.NOT_BOUND,
        }
        assert found == ([answer.paths[0].policy] if granted else [])
