"""Policy: load, validate and decide with Cedar. Knows core; knows no HTTP and no store."""

from fleeting.policy.bundle import PolicyBundle
from fleeting.policy.engine import DecisionEngine
from fleeting.policy.loading import load_policies
from fleeting.policy.policies import Policy
from fleeting.policy.problems import PolicyProblems, PolicySource, Problem
from fleeting.policy.schema import PolicyWorld, build_schema
from fleeting.policy.verifying import Disagreement, OnDisagreement, Verify, ignore

__all__ = [
    "DecisionEngine",
    "Disagreement",
    "OnDisagreement",
    "Policy",
    "PolicyBundle",
    "PolicyProblems",
    "PolicySource",
    "PolicyWorld",
    "Problem",
    "Verify",
    "build_schema",
    "ignore",
    "load_policies",
]
