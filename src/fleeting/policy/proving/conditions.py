"""The conditions of a policy, in Cedar's JSON form."""

import json
from functools import lru_cache

import cedarpy

from fleeting.policy.policies import Policy
from fleeting.policy.tree import Node


def conditions(policy: Policy) -> list[Node]:
    """Return the conditions of *policy* in their order.

    Raises:
        RecursionError: they are nested more deeply than Python reads JSON.
    """
    return _conditions(policy.text)


@lru_cache(maxsize=4096)
def _conditions(text: str) -> list[Node]:
    parsed = json.loads(cedarpy.policies_to_json_str(text))
    (node,) = parsed["staticPolicies"].values()
    found: list[Node] = node["conditions"]
    return found
