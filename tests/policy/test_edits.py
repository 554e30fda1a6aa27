"""Edits change the words they are meant to change, and nothing else of a file."""

from decimal import Decimal

import pytest

from fleeting.policy import PolicySource
from fleeting.policy.edits import (
    annotation_words,
    apply,
    bounds,
    removal,
    scope_actions,
    set_annotation,
    set_bound,
    texts_by_id,
)
from fleeting.policy.parsing import parse_policy
from tests.policy.conftest import WORLD

FILE = """\
// What this file is about.

// Small ones.
@id("small")
@lifetime("60s") // a minute
permit (
  principal in Group::"support",
  action in [Action::"transfer:make", Action::"payment_refund:refund"],
  resource
)
when { context.operation.amount <= 5000 };

@id("large") permit (principal, action == Action::"payment_refund:refund", resource);
@id("all") permit (principal, action, resource);
"""
SOURCE = PolicySource("file.cedar", FILE)
TEXTS = texts_by_id([SOURCE])


def changed(*edits):
    (source,) = apply([SOURCE], edits)
    return source.text


def test_policies_are_found_by_their_ids():
    assert list(TEXTS) == ["small", "large", "all"]
    assert texts_by_id([PolicySource("x", "permit (principal, action, resource);")]) == {}


def test_an_annotation_is_changed_where_it_stands_or_set_after_the_id():
    assert changed(set_annotation(TEXTS["small"], "lifetime", "20s")) == FILE.replace("60s", "20s")
    assert annotation_words(TEXTS["small"], "lifetime") == '@lifetime("60s")'
    assert changed(
        set_annotation(TEXTS["large"], "lifetime", "20s"),
        set_annotation(TEXTS["large"], "uses", "1"),
    ) == FILE.replace('@id("large")', '@id("large") @uses("1") @lifetime("20s")')
    assert annotation_words(TEXTS["large"], "lifetime") == ""


def test_a_policy_goes_with_its_own_comment_and_leaves_the_others():
    without = changed(removal(TEXTS["small"]))
    assert without.startswith('// What this file is about.\n\n@id("large")')
    assert changed(*map(removal, TEXTS.values())) == "// What this file is about.\n\n"
    scope = "(principal, action, resource)"
    pair = f'@id("a") permit {scope}; @id("b") forbid {scope};'
    texts = texts_by_id([PolicySource("x", pair)])
    (source,) = apply([PolicySource("x", pair)], [removal(texts["b"])])
    assert source.text == '@id("a") permit (principal, action, resource); '


@pytest.mark.parametrize(
    ("policy", "actions", "before", "after"),
    [
        (
            "small",
            ["transfer:make"],
            'action in [Action::"transfer:make", Action::"payment_refund:refund"]',
            'action == Action::"transfer:make"',
        ),
        ("all", ["b", "a"], "action", 'action in [Action::"a", Action::"b"]'),
        ("large", ["b"], 'action == Action::"payment_refund:refund"', 'action == Action::"b"'),
    ],
)
def test_the_actions_of_a_scope_are_replaced_whole(policy, actions, before, after):
    edit, words = scope_actions(TEXTS[policy], actions)
    assert (words, edit.text) == (before, after)
    text = TEXTS[policy].text
    assert text.replace(before, after, 1) in changed(edit)


def found(condition, kind="when"):
    text = f'@id("a") permit (principal, action, resource) {kind} {{ {condition} }};'
    source = PolicySource("file.cedar", text)
    policy = texts_by_id([source])["a"]
    parsed = parse_policy(policy, WORLD)
    return source, policy, bounds(policy, parsed.node)


@pytest.mark.parametrize(
    ("condition", "upper", "strict", "value"),
    [
        ("context.operation.amount <= 5000", True, False, 5000),
        ("context.operation.amount < 5000", True, True, 5000),
        ("context.operation.amount >= 5000", False, False, 5000),
        ("context.operation.amount > 5000", False, True, 5000),
        ("5000 >= context.operation.amount", True, False, 5000),
        ("5000 < context.operation.amount", False, True, 5000),
        ('context.operation.value.lessThan(decimal("5.00"))', True, True, Decimal("5.00")),
        (
            'context.operation.value.greaterThanOrEqual(decimal("5.00"))',
            False,
            False,
            Decimal("5.00"),
        ),
    ],
)
def test_a_bound_is_found_and_changed_in_either_direction(condition, upper, strict, value):
    other = 'principal is User && context.operation.currency == ["EUR"]'
    source, policy, (bound,) = found(f"{other} && {condition}")
    assert (bound.upper, bound.strict, bound.value) == (upper, strict, value)
    assert bound.words == condition
    (source,) = apply([source], [set_bound(policy, bound, type(value)(7))])
    new = '"7.0000"' if isinstance(value, Decimal) else "7"
    old = '"5.00"' if isinstance(value, Decimal) else "5000"
    assert condition.replace(old, new) in source.text


@pytest.mark.parametrize(
    ("condition", "kind"),
    [
        ("context.operation.amount <= 5000", "unless"),
        ("context.operation.amount <= 5000 || principal is User", "when"),
        ("!(context.operation.amount <= 5000)", "when"),
        ("context.operation.amount <= 5 && !(context.operation.amount <= 5)", "when"),
        ("context.operation.amount <= 5 && context.operation.amount <= 5", "when"),
        ("context.operation.amount == 5", "when"),
        ("context.operation.amount <= context.operation.amount", "when"),
        ("context.operation.amount + 1 <= 5", "when"),
        ("context.delegation_depth <= 5", "when"),
        ("context.operation.amount <= -5", "when"),
        ("principal.level <= 5", "when"),
        ("context.operation.final", "when"),
        ('context.operation.value.lessThan(decimal("5.0")) || true', "when"),
    ],
)
def test_what_need_not_hold_or_is_not_sure_is_no_bound(condition, kind):
    assert found(condition, kind)[2] == []


def test_a_scope_without_its_parts_is_no_scope():
    text = texts_by_id([PolicySource("x", '@id("a") permit (principal, action')])["a"]
    with pytest.raises(ValueError, match="three parts"):
        scope_actions(text, ["a"])


def test_other_files_stay_as_they_are():
    other = PolicySource("other.cedar", FILE)
    edit = set_annotation(TEXTS["small"], "lifetime", "20s")
    assert apply([other, SOURCE], [edit])[0] is not None
    assert apply([other, SOURCE], [edit])[0] == other
