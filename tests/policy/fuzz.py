"""Hold the compiled engine to the Cedar engine, for as long as one likes.

``make fuzz`` runs it for a minute, ``make fuzz ARGS='--seconds 3600'`` for an hour. It prints the
seed of each round, and on a difference the smallest policies and request that show it; the same
``--seed`` shows it again.
"""

import argparse
import re
import secrets
import sys
import time
from collections import Counter

from hypothesis import HealthCheck, Phase, given, seed, settings

from fleeting.policy import PolicyProblems, PolicySource, load_policies
from fleeting.policy.compiled import CompiledEngine
from fleeting.policy.compiling import compile_policy
from fleeting.policy.engine import SlicedEngine
from fleeting.policy.loading import _policy
from fleeting.policy.parsing import parse_policy
from fleeting.policy.problems import Problem
from fleeting.policy.python_code import NotCompilable
from fleeting.policy.scanner import split_policies
from fleeting.policy.verifying import _erring
from tests.policy.generating import TYPES, WORLD, questions
from tests.policy.writing import policy_texts

ROUND = 200
"""Examples under one seed."""

counted = Counter()
"""What was compared so far; answers are as many for permits as for forbids."""


def load(texts):
    """Return the policies of *texts* that the loader takes, by id."""
    try:
        return load_policies([PolicySource("fuzz", "\n".join(texts))], WORLD).policies
    except PolicyProblems as error:
        problems = error.problems
    refused = {problem.policy for problem in problems}
    assert "" not in refused, problems  # no syntax error: that were the generator's
    counted["refused"] += len(refused)
    counted.update(re.sub("`.*?`", "`…`", problem.message) for problem in problems)
    return load([text for text in texts if text[5 : text.index('"', 5)] not in refused])


def take(texts):
    """Return what can be parsed of *texts* as policies, though the validator was never asked."""
    source = PolicySource("fuzz", "\n".join(texts))
    parsed = [parse_policy(text, WORLD) for text in split_policies(source)]
    named = WORLD.actions()
    policies = [_policy(each, named) for each in parsed if not isinstance(each, Problem)]
    return {policy.id: policy for policy in policies}


def is_compiled(policy, type_name):
    """Say whether *policy* is one that the compiler knows."""
    try:
        return compile_policy(policy.node, WORLD, type_name) is not None
    except NotCompilable:
        return False


def compare(policies, asked):
    """Hold every answer about *policies* to Cedar's; *asked* are facts."""
    counted["questions"] += len(asked)
    reference = SlicedEngine(policies.values(), TYPES)
    compiled = CompiledEngine(reference, WORLD)
    for facts in asked:
        operation = facts.operation
        action = f"{operation.type}:{operation.actions[0]}"
        for effect in ("permits", "forbids"):
            ours = getattr(compiled, effect)(action, facts)
            theirs = getattr(reference, effect)(action, facts)
            assert ours.satisfied == theirs.satisfied, (ours, theirs, facts)
            assert _erring(ours) == _erring(theirs), (ours, theirs, facts)
            assert not any("bug" in error for error in ours.errors), ours
            counted["satisfied"] += len(theirs.satisfied)
            counted["erring"] += len(theirs.errors)


def valid_policies(texts, asked):
    """Whatever the loader takes answers as Cedar does; nearly all of it is compiled."""
    policies = load(texts)
    counted["policies"] += len(policies)
    counted["compiled"] += sum(is_compiled(each, "pay") for each in policies.values())
    compare(policies, asked)


def any_policies(texts, asked):
    """What the loader refuses is not compiled, or answers as Cedar does all the same."""
    policies = take(texts)
    counted["unchecked"] += len(policies)
    counted["unchecked, compiled"] += sum(is_compiled(each, "pay") for each in policies.values())
    compare(policies, asked)


PROPERTIES = {
    valid_policies: policy_texts(),
    any_policies: policy_texts(loose=True),
}
QUIET = settings(
    deadline=None,
    database=None,
    max_examples=ROUND,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


def run(check, number, examples=ROUND):
    """Try *check* on so many examples, those of the seed *number*."""
    drawn = given(texts=PROPERTIES[check], asked=questions())
    seed(number)(settings(QUIET, max_examples=examples)(drawn(check)))()


def main():
    """Run round after round until the time is over; 1 at the first difference."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="stop after as long")
    parser.add_argument("--seed", type=int, help="start here instead of somewhere")
    options = parser.parse_args()
    start = secrets.randbelow(2**32) if options.seed is None else options.seed
    end = time.monotonic() + options.seconds
    number = start
    while number == start or time.monotonic() < end:
        for check in PROPERTIES:
            print(f"--seed {number} {check.__name__}: {dict(counted)}", flush=True)  # noqa: T201
            run(check, number)
        number += 1
    print(f"no difference: {dict(counted)}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
