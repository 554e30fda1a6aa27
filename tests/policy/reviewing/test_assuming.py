"""What is said to follow must follow: held against every example of a small world."""

import json
from itertools import product

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleeting.policy.reviewing.assuming import Assumptions, Range, conditions


def parsed(when, scope="principal, action, resource"):
    text = f"permit({scope}) when {{ {when} }};"
    policies = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
    return policies["policy0"]


def assuming(when, **scope):
    assumed = Assumptions()
    for node, truth in conditions(parsed(when, **scope)):
        assumed.assume(node, truth=truth)
    return assumed


def follows(given_, asked):
    return assuming(given_).holds(parsed(asked)["conditions"][0]["body"])


@pytest.mark.parametrize(
    ("given_", "asked", "answer"),
    [
        ("context.a <= 5", "context.a <= 7", True),
        ("context.a <= 5", "context.a < 6", True),
        ("context.a <= 5", "context.a < 5", None),
        ("context.a <= 5", "context.a > 5", False),
        ("context.a <= 5", "context.a >= 5", None),
        ("context.a <= 5", "context.a == 6", False),
        ("context.a <= 5", "context.a != 6", True),
        ("context.a >= 5", "context.a == 4", False),
        ("context.a >= 5", "context.a < 5", False),
        ("context.a >= 5", "context.b < 5", None),
        ("context.a == 5", "context.a == 5 && context.a > 4", True),
        ("context.a >= 5 && context.a <= 5", "context.a == 5", True),
        ("!(context.a > 5)", "context.a <= 5", True),
        ("!(context.a > 5 || context.b)", "!context.b", True),
        ("!(context.a > 5 && context.b)", "!context.b", None),
        ("context.a != 5", "context.a == 5", False),
        ("context.b || context.c", "context.b || context.c", True),
        ("context.b || context.c", "context.c", None),
        ("context.b", "context.c || context.b", True),
        ("context.b", "context.c && !context.b", False),
        ("context.b", "context.c && context.b", None),
        ("context.b", "false", False),
        ("context.b", "true || context.c", True),
        ('context.s == "x"', 'context.s == "y"', False),
        ('context.s == "x"', 'context.s != "y"', True),
        ('context.s == "x"', 'context.t == "y"', None),
        ('principal == User::"a"', "principal is User", True),
        ('principal == User::"a"', "principal is Client", False),
        ("principal is User", "principal is User", True),
        ("resource == resource", "principal is User", None),
        ('principal is User in Group::"g"', 'principal in Group::"g"', True),
        ('!(principal is User in Group::"g")', 'principal in Group::"g"', None),
        ("context.b", 'context.s like "x*"', None),
    ],
)
def test_what_follows_and_what_does_not(given_, asked, answer):
    assert follows(given_, asked) is answer


def test_a_scope_is_a_condition_like_another():
    scope = 'principal is User in Group::"g", action, resource == Resource::"r"'
    assumed = assuming("true", scope=scope)
    for text in ("principal is User", 'principal in Group::"g"', 'resource == Resource::"r"'):
        assert assumed.holds(parsed(text)["conditions"][0]["body"]) is True
    assert assuming("true", scope='principal in Group::"g", action, resource').facts


@pytest.mark.parametrize(
    "when",
    [
        "context.a > 5 && context.a < 3",
        "context.a > 5 && context.a < 6",
        "context.a == 5 && context.a != 5",
        'context.s == "x" && context.s == "y"',
        "context.b && !context.b",
        "!context.b && context.b && context.a > 1",
        "principal is User && principal is Client",
        'principal == User::"a" && principal == User::"b"',
        "false",
    ],
)
def test_a_contradiction_is_seen(when):
    assert assuming(when).conflict is not None


def test_copies_go_their_own_way():
    first = assuming("context.a > 5")
    copy = first.copy()
    copy.assume(parsed("context.a < 3")["conditions"][0]["body"])
    assert (first.conflict, copy.conflict.left) == (None, Range(low=6))


def test_a_long_chain_is_not_too_deep():
    assert follows(" && ".join(["context.a > 5"] * 200), "context.a > 4") is True


NUMBERS = st.integers(0, 3)
ATOMS = st.one_of(
    st.builds(
        "context.{} {} {}".format,
        st.sampled_from("ab"),
        st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
        NUMBERS,
    ),
    st.builds("{} < context.a".format, NUMBERS),
    st.sampled_from(["context.c", "true", 'context.s == "x"', '"y" != context.s']),
)
CONDITIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("!({})".format, inner),
    ),
    max_leaves=5,
)
WORLDS = [
    {"a": a, "b": b, "c": c, "s": s}
    for a, b, c, s in product(range(-1, 5), (0, 2), (True, False), "xy")
]


def evaluate(node, world):
    """Evaluate as Cedar does, which for these few operators is quickly said."""
    ((operator, operands),) = node.items()
    if operator == "Value":
        return operands
    if operator == ".":
        return world[operands["attr"]]
    if operator == "!":
        return not evaluate(operands["arg"], world)
    left, right = (evaluate(operands[side], world) for side in ("left", "right"))
    return {
        "&&": lambda: left and right,
        "||": lambda: left or right,
        "<": lambda: left < right,
        "<=": lambda: left <= right,
        ">": lambda: left > right,
        ">=": lambda: left >= right,
        "==": lambda: left == right,
        "!=": lambda: left != right,
    }[operator]()


@given(CONDITIONS, CONDITIONS)
@settings(max_examples=200, deadline=None)
def test_nothing_is_said_that_an_example_refutes(one, other):
    assumed = assuming(one)
    bodies = [parsed(text)["conditions"][0]["body"] for text in (one, other)]
    satisfying = [world for world in WORLDS if evaluate(bodies[0], world)]
    if assumed.conflict is not None:
        assert not satisfying
        return
    answer = assumed.holds(bodies[1])
    if answer is not None:
        assert all(evaluate(bodies[1], world) is answer for world in satisfying)
