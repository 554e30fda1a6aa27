import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fleeting
from fleeting.core.model import Verdict
from fleeting.policy.proving.enumerating import cases
from fleeting.policy.proving.parties import Parties, places
from fleeting.policy.proving.proofs import Prover, Status, breaks
from fleeting.policy.proving.solving import Effort
from tests.policy.proving import conditions as given_
from tests.policy.proving.conditions import NOW
from tests.policy.proving.rules import forbid, permit
from tests.policy.proving.test_outcomes import policies

SMALL = "context.operation.amount <= 100"


def test_a_set_is_encoded_once_for_all_properties(pay, property_, parties, effort):
    prover = Prover(pay(permit("a", '@uses("1")')), parties, effort)
    statuses = [
        prover.prove(property_(never)).status for never in ("uses_over = 1", "permitted = true")
    ]
    assert statuses == [Status.PROVED, Status.BROKEN]


def prove(bundle, property_, parties, effort):
    verdict = Prover(bundle, parties, effort).prove(property_)
    if verdict.counterexample is not None:
        found = verdict.counterexample
        assert found.case.decided_by(bundle) == found.answer
        assert breaks(found.case, found.answer, property_, bundle)
    return verdict


def test_what_no_permit_grants_is_proved(pay, property_, parties, effort):
    bundle = pay(permit("a", '@lifetime("60s") @uses("1")'))
    for never in ('lifetime_over = "1m"', "uses_over = 1"):
        verdict = prove(bundle, property_(never), parties, effort)
        assert verdict.status is Status.PROVED
        assert (verdict.note, verdict.why, verdict.tried) == ("", (), 0)


def test_a_broken_property_has_a_request_that_the_engine_confirms(pay, property_, parties, effort):
    bundle = pay(permit("a", when=SMALL) + permit("b", '@approval("2 of leads")'))
    verdict = prove(bundle, property_("approvals_under = 2"), parties, effort)
    assert verdict.status is Status.BROKEN
    case = verdict.counterexample.case
    assert case.request.operations[0].fields["amount"] <= 100
    assert verdict.counterexample.answer.verdict is Verdict.PERMITTED
    beyond = property_("approvals_under = 2", "when = 'context.operation.amount > 100'")
    assert prove(bundle, beyond, parties, effort).status is Status.PROVED


def test_a_path_that_still_needs_approvals_counts(pay, property_, parties, effort):
    bundle = pay(permit("a", '@approval("2 of leads")'))
    verdict = prove(bundle, property_("permitted = true"), parties, effort)
    assert verdict.counterexample.answer.verdict is Verdict.NEEDS_APPROVAL
    other = property_('approvals_under = "2 of finance"')
    assert prove(bundle, other, parties, effort).status is Status.BROKEN


def test_a_login_or_a_key_that_is_missing_is_no_counterexample(pay, property_, parties, effort):
    bundle = pay(
        permit("a", '@step_up("gold") @max_age("5m") @bound("mtls")', who="principal is User")
    )
    verdict = prove(bundle, property_("permitted = true"), parties, effort)
    request = verdict.counterexample.case.request
    assert request.subject.acr == "gold"
    assert NOW - request.subject.auth_time <= timedelta(minutes=5)
    weak = property_("permitted = true", """when = '!(context has acr && context.acr == "gold")'""")
    assert prove(bundle, weak, parties, effort).status is Status.PROVED
    assert prove(bundle, property_('bound_under = "mtls"'), parties, effort).status is Status.PROVED


def test_a_forbid_over_limits_caps_what_a_permit_says(pay, property_, parties, effort):
    wide = permit("a", '@lifetime("5m") @uses("9")')
    cap = forbid("b", "context.limits.uses > 1 || context.limits.lifetime > 60")
    never = property_("uses_over = 1")
    assert prove(pay(wide), never, parties, effort).status is Status.BROKEN
    assert prove(pay(wide + cap), never, parties, effort).status is Status.PROVED


def test_the_ceilings_of_clients_and_resources_count(pay, property_, parties, effort):
    bundle = pay(permit("a", '@lifetime("1h")'))
    never = property_('lifetime_over = "5m"')
    verdict = prove(bundle, never, parties, effort)
    assert verdict.counterexample.case.request.resource.identifier == "https://other"
    capped = replace(parties, resources=parties.resources[:1])
    assert prove(bundle, never, capped, effort).status is Status.PROVED


def test_an_unbound_token_is_found_where_a_client_is_declared_bearer(
    pay, property_, parties, effort
):
    bundle = pay(permit("a"))
    verdict = prove(bundle, property_("unbound = true"), parties, effort)
    assert verdict.counterexample.case.request.client.client_id == "app"
    assert verdict.counterexample.case.request.key is None


def test_a_condition_may_speak_of_the_limits_about_to_be_granted(pay, property_, parties, effort):
    bundle = pay(permit("a", '@lifetime("60s")') + permit("b", '@uses("2")', when=SMALL))
    long = property_("permitted = true", "when = 'context.limits.lifetime > 60'")
    verdict = prove(bundle, long, parties, effort)
    assert verdict.status is Status.PROVED  # the shorter path is always there, and comes first
    assert verdict.note == ""


def test_a_proof_about_no_request_at_all_says_so(pay, property_, parties, effort):
    bundle = pay(permit("a"))
    none = property_("permitted = true", "when = 'context.now < context.now'")
    verdict = prove(bundle, none, parties, effort)
    assert verdict.status is Status.VACUOUS
    assert verdict.note == "no request is one that it speaks of"
    nobody = Parties((), parties.resources)
    assert prove(bundle, property_("permitted = true"), nobody, effort).note != ""


def test_what_is_not_modelled_may_still_be_proved_around(pay, property_, parties, effort):
    strange = 'if context.operation.amount < 5 then principal == User::"ada" else true'
    odd = permit("a", '@uses("1")', when='ip("10.0.0.1").isLoopback() || ' + SMALL)
    bundle = pay(odd + permit("b", '@uses("1")', when=strange))
    assert prove(bundle, property_("uses_over = 1"), parties, effort).status is Status.PROVED
    verdict = prove(bundle, property_("permitted = true"), parties, effort)
    assert verdict.status is Status.BROKEN


def test_what_is_not_proved_is_said_and_tried_at_boundary_values(pay, property_, parties, effort):
    bundle = pay(permit("a", when='ip("10.0.0.1").isLoopback()'))
    verdict = prove(bundle, property_("permitted = true"), parties, effort)
    assert verdict.status is Status.OPEN
    assert verdict.why == ("policy 'a' uses isLoopback, which is not modelled",)
    assert verdict.tried > 100


def test_boundary_values_may_show_what_the_solver_could_not(pay, property_, parties, effort):
    odd = permit("a", when='ip("127.0.0.1").isLoopback() && context.operation.amount == 7')
    verdict = prove(pay(odd), property_("permitted = true"), parties, effort)
    assert verdict.status is Status.BROKEN
    assert verdict.tried > 0
    assert verdict.why


def test_no_answer_in_time_is_no_proof(pay, property_, parties):
    hard = " && ".join(
        f"context.operation.amount * {n} != context.request.urgency * context.delegation_depth"
        for n in range(3, 9)
    )
    text = permit(
        "a",
        when="context.request has urgency && context.operation.amount > 1 && "
        "context.operation.amount * context.operation.amount * context.operation.amount == "
        f"context.request.urgency * context.request.urgency + 7 && {hard}",
    )
    verdict = prove(
        pay(text), property_("permitted = true"), parties, Effort(timedelta(milliseconds=1), NOW)
    )
    assert verdict.status is not Status.PROVED
    assert any(each.startswith("no answer in time for pay:make") for each in verdict.why)


GRANTED = st.sampled_from(["", '@uses("1")', '@lifetime("60s")', '@approval("1 of a")'])
SOME = st.lists(st.tuples(given_.bools, given_.scopes, GRANTED), min_size=1, max_size=3)


@settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=12,
    suppress_health_check=[*HealthCheck],
)
@given(
    SOME,
    given_.bools,
    st.sampled_from(["permitted = true", "uses_over = 1", "lifetime_over = '4m'"]),
)
def test_what_is_proved_no_request_at_a_boundary_breaks(
    property_, parties, effort, written, condition, never
):
    bundle = policies(
        [permit(f"p{n}", terms, when, who) for n, (when, who, terms) in enumerate(written)]
        + [forbid("f", condition)]
    )
    asked = property_(never)
    verdict = prove(bundle, asked, parties, effort)
    for place in places(bundle.world, asked.actions):
        for case in cases(place, bundle.world, parties, bundle.policies.values(), effort.now, 40):
            broken = breaks(case, case.decided_by(bundle), asked, bundle)
            assert not (broken and verdict.status is Status.PROVED), case


def test_only_the_prover_knows_the_solver():
    package = Path(fleeting.__file__).parent
    knowing = [
        p
        for p in package.rglob("*.py")
        if re.search(r"^\s*(import|from) z3\b", p.read_text(), re.MULTILINE)
    ]
    assert {path.parent for path in knowing} == {package / "policy" / "proving"}


@pytest.mark.parametrize("module", ["properties", "enumerating", "cases", "parties"])
def test_what_needs_no_solver_is_imported_without_one(module):
    program = f"import sys; sys.modules['z3'] = None; import fleeting.policy.proving.{module}"
    environment = {**os.environ, "PYTHONPATH": str(Path(fleeting.__file__).parent.parent)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


def test_who_gives_a_reason_is_one_who_may_break_a_property(pay, property_, parties, effort):
    waits = permit("waits", '@approval("1 of leads")')
    alone = property_("approvals_under = 1")
    assert prove(pay(waits), alone, parties, effort).status is Status.PROVED
    hurries = permit("hurries", '@break_glass("alarm leads, review in 1h")', when=SMALL)
    verdict = prove(pay(waits + hurries), alone, parties, effort)
    assert verdict.status is Status.BROKEN
    assert verdict.counterexample.case.request.break_glass
    assert verdict.counterexample.case.to_json()["break_glass"]
    beyond = property_("approvals_under = 1", "when = 'context.operation.amount > 100'")
    assert prove(pay(waits + hurries), beyond, parties, effort).status is Status.PROVED
