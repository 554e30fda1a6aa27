"""The encoder against the reference engine: satisfied and erring alike, for any condition."""

import z3
from hypothesis import HealthCheck, given, settings

from fleeting.policy import PolicySource
from fleeting.policy.engine import SlicedEngine
from fleeting.policy.facts import Facts
from fleeting.policy.loading import _policy
from fleeting.policy.parsing import parse_policy
from fleeting.policy.proving.encoding import Encoder
from fleeting.policy.proving.outcomes import limit_numbers
from fleeting.policy.proving.parties import Place
from fleeting.policy.proving.variables import Variables
from fleeting.policy.scanner import split_policies
from tests.policy.proving import conditions as given_
from tests.policy.proving.fixing import Fixing

FIXED = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=80,
    suppress_health_check=[HealthCheck.too_slow],
)


def policy(text):
    """Return the policy *text*, whatever the validator would say of it."""
    (one,) = split_policies(PolicySource("fuzz.cedar", text))
    parsed = parse_policy(one, given_.WORLD)
    return _policy(parsed, given_.WORLD.actions())


def place_of(case):
    operation = case.request.operations[0]
    return Place(case.request.subject.kind, operation.type, operation.actions[0])


def answers(written, case, limits):
    """Return whether the policy is satisfied and whether it errs, as the solver has it."""
    variables = Variables(place_of(case), given_.WORLD, given_.PARTIES, [written])
    encoder = Encoder(variables)
    encoded = encoder.encode(written, limit_numbers(limits))
    if encoded.unsupported:
        return None
    solver = z3.Solver()
    fixed = Fixing(variables, case)
    solver.add(*variables.constraints(), *fixed.constraints())
    assert solver.check() == z3.sat, "the request is not one of those that are modelled"
    return tuple(forced(solver, truth) for truth in (encoded.satisfied, encoded.errs))


def forced(solver, truth):
    if isinstance(truth, bool):
        return truth
    yes, no = solver.check(truth), solver.check(z3.Not(truth))
    assert sorted([str(yes), str(no)]) == ["sat", "unsat"]
    return yes == z3.sat


def reference(written, case, limits):
    engine = SlicedEngine([written], given_.WORLD.types)
    operation = case.request.operations[0]
    facts = Facts(case.request, operation, case.now, limits)
    answer = engine.forbids(place_of(case).id, facts)
    return bool(answer.satisfied), bool(answer.errors)


def check(condition, scope, target, case, limits, kind="when"):
    written = policy(
        f'@id("p") forbid ({scope}, action in Action::"pay", {target}) {kind} {{ {condition} }};'
    )
    found = answers(written, case, limits)
    assert found is None or found == reference(written, case, limits), written.text
    return found


@FIXED
@given(given_.bools, given_.scopes, given_.targets, given_.cases(), given_.limits)
def test_any_condition_is_satisfied_or_errs_just_where_cedar_says_so(
    condition, scope, target, case, limits
):
    check(condition, scope, target, case, limits)


@FIXED
@given(given_.patterned, given_.cases(), given_.limits)
def test_strings_that_are_matched_with_patterns_are_as_cedar_has_them(condition, case, limits):
    check(condition, "principal", "resource", case, limits, kind="unless")
