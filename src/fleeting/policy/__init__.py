"""Policy: load, validate and decide with Cedar. Knows core; knows no HTTP and no store."""

from fleeting.policy.bundle import PolicyBundle
from fleeting.policy.comparing import Difference, compare
from fleeting.policy.engine import DecisionEngine
from fleeting.policy.loading import load_policies, load_steps
from fleeting.policy.policies import Policy
from fleeting.policy.problems import PolicyProblems, PolicySource, Problem
from fleeting.policy.schema import PolicyWorld, build_schema
from fleeting.policy.sets import PolicySet, StoredSetError, read_set
from fleeting.policy.verifying import Disagreement, OnDisagreement, Verify, ignore

__all__ = [
    "DecisionEngine",
    "Difference",
    "Disagreement",
    "OnDisagreement",
    "Policy",
    "PolicyBundle",
    "PolicyProblems",
    "PolicySet",
    "PolicySource",
    "PolicyWorld",
    "Problem",
    "StoredSetError",
    "Verify",
    "build_schema",
    "compare",
    "ignore",
    "load_policies",
    "load_steps",
    "read_set",
]
