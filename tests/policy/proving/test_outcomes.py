"""Helpers that decide one request by the solver, and what the order of paths is."""

import z3

from fleeting.policy import PolicySource
from fleeting.policy.bundle import PolicyBundle
from fleeting.policy.deciding import Deciding
from fleeting.policy.engine import SlicedEngine
from fleeting.policy.loading import _policy
from fleeting.policy.parsing import parse_policy
from fleeting.policy.proving.encoding import Encoder
from fleeting.policy.proving.outcomes import Outcomes
from fleeting.policy.proving.parties import doors
from fleeting.policy.proving.variables import Variables
from fleeting.policy.scanner import split_policies
from tests.policy.proving.conditions import PARTIES, WORLD
from tests.policy.proving.fixing import Fixing
from tests.policy.proving.rules import forbid, permit
from tests.policy.proving.test_encoding import forced, place_of


def policies(texts):
    """Return the bundle of *texts*, whatever the validator would say of them."""
    source = PolicySource("fuzz.cedar", "\n".join(texts))
    parsed = [parse_policy(text, WORLD) for text in split_policies(source)]
    found = {p.annotations.id: _policy(p, WORLD.actions()) for p in parsed}
    engine = SlicedEngine(found.values(), WORLD.types)
    return PolicyBundle(found, "", "", WORLD, Deciding(found, WORLD, engine))


def decided_by_solver(bundle, case):
    """Return which permits are granted *case* as the solver has it; None: not modelled."""
    place = place_of(case)
    variables = Variables(place, WORLD, PARTIES, bundle.policies.values())
    encoder = Encoder(variables)
    outcomes = Outcomes(bundle, encoder)
    held = case.request.key.constraint if case.request.key else "none"
    granted = []
    chosen = [
        (door, each)
        for door in doors(PARTIES, WORLD, place)
        if door.held == held
        for each in outcomes.chosen(door)
    ]
    if encoder.unsupported:
        return None
    fixed = Fixing(variables, case)
    solver = z3.Solver()
    solver.add(*variables.constraints(), *fixed.constraints())
    assert solver.check() == z3.sat
    for door, each in chosen:
        if forced(solver, variables.through(door)) and forced(solver, each.granted):
            granted.append(each.way.policy)
    return granted


def test_a_permit_with_a_step_up_stands_twice_in_the_order(pay):
    bundle = pay(
        permit("plain", '@approval("1 of a")')
        + permit("gold", '@step_up("gold")', who="principal is User")
        + forbid("f", "context.operation.amount > 5")
    )
    from fleeting.core.model import SubjectKind
    from fleeting.policy.proving.parties import Place

    place = Place(SubjectKind.USER, "pay", "make")
    variables = Variables(place, WORLD, PARTIES, bundle.policies.values())
    outcomes = Outcomes(bundle, Encoder(variables))
    door = doors(PARTIES, WORLD, place)[0]
    ways = outcomes.ways(door)
    assert [(way.policy, way.ready) for way in ways] == [
        ("gold", True),
        ("plain", True),
        ("gold", False),
    ]
    assert outcomes.stopped_by(ways[0].limits).keys() == {"f"}
