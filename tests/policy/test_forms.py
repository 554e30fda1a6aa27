"""A tree from a form is the very tree that the Cedar engine makes."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleeting.policy.forms import Forms
from fleeting.policy.parsing import parse_text
from tests.policy.writing import policy_texts

SCOPE = 'permit (principal in Group::"%s", action == Action::"%s", resource)'
LITERAL = re.compile(r'"[^"\\\n]*"|\b(?:0|[1-9][0-9]*)\b')
PLAIN = st.text(st.characters(blacklist_characters='"\\', blacklist_categories=("Cc", "Cs")))


class Counting:
    """The Cedar engine, and how often it was asked."""

    def __init__(self):
        self.asked = 0

    def __call__(self, text):
        self.asked += 1
        return parse_text(text)


def parsed(*texts):
    """Return what the forms and what the engine make of *texts*, and how often it was asked."""
    engine = Counting()
    forms = Forms(engine)
    return [forms.parse(text) for text in texts], [*map(parse_text, texts)], engine.asked


def test_policies_that_are_written_alike_are_parsed_once_and_once_for_their_form():
    texts = [
        f'@id("p{n}") {SCOPE % (n, "a:b")} when {{ context.operation.amount <= {n} }};'
        for n in range(9)
    ]
    trees, expected, asked = parsed(*texts)
    assert trees == expected
    assert asked == 2


def test_literals_may_stand_in_another_order_in_the_tree():
    one = '@reason("%s") @id("%s") '
    one += 'forbid (principal, action, resource) when { %d < %d && "%s" == "%%" };'
    trees, expected, asked = parsed(*(one % (n, n + 1, n + 2, n + 3, n + 4) for n in range(5)))
    assert trees == expected
    assert asked == 2


def test_what_is_written_otherwise_is_another_form():
    texts = ["permit (principal, action, resource) when { 1 == 1 };"]
    texts += ['permit (principal, action, resource) when { "1" == 1 };']
    texts += ['permit (principal, action, resource) when { 1 == "1" };']
    trees, expected, asked = parsed(*texts, *texts)
    assert trees == expected
    assert asked == 6


@pytest.mark.parametrize(
    "condition",
    [
        'context.operation.payment_id like "#*"',
        'context.operation.payment_id == "#\\n"',
        '{"#": 1, "b": 2} == {"b": 2}',
        "context.operation.amount < -#",
        "context.operation.amount < 007#",
        "true // #\n",
        'true // "#\n',
        '"7000000000000000000" == "#"',
        "7000000000000000001 < # // 1\n",
        '"\\\\literal number 0 of this form" == "#"',
        '"literal number 1 of this form" == "#"',
        "[#, 1, 1].contains(1)",
        'ip("10.0.0.#").isInRange(ip("10.0.0.0/8"))',
        'context has "a#"',
        'context["a#"]',
        "context.a# == 1",
        " && ".join(["1 == #"] * 150),
    ],
)
def test_where_a_literal_is_more_than_a_value_the_engine_is_asked(condition):
    numbers = range(1, 5)
    texts = [f"{SCOPE % (n, n)} when {{ {condition.replace('#', str(n))} }};" for n in numbers]
    trees, expected, _ = parsed(*texts)
    assert trees == expected
    assert not any(isinstance(tree, str) for tree in expected)


def test_a_key_of_a_record_is_no_value_for_it_may_be_there_twice():
    texts = [
        f'permit (principal, action, resource) when {{ {{"{a}": 1, "{b}": 2}} == context }};'
        for a, b in ("ab", "cd", "ee", "fg")
    ]
    trees, expected, _ = parsed(*texts)
    assert trees == expected
    assert isinstance(expected[2], str)


def test_what_is_no_policy_has_no_form():
    trees, expected, asked = parsed(*[f'permit ("{n}");' for n in range(3)])
    assert trees == expected
    assert asked == 3


def test_where_the_marks_alone_are_refused_there_is_no_form():
    def engine(text):
        return "too long" if "number" in text else parse_text(text)

    forms = Forms(engine)
    texts = [f'@id("{n}") permit (principal, action, resource);' for n in range(3)]
    assert [*map(forms.parse, texts)] == [*map(parse_text, texts)]


@settings(max_examples=20)
@given(policy_texts(most=2, loose=True), st.data())
def test_any_policy_with_any_other_literals_has_the_tree_that_the_engine_makes(texts, data):
    def another(found):
        kind = PLAIN.map('"{}"'.format) if found[0][0] == '"' else st.integers(0, 10**20).map(str)
        return data.draw(kind | st.just(found[0]))

    texts = [LITERAL.sub(another, text) for text in texts for _ in range(3)]
    trees, expected, _ = parsed(*texts)
    assert trees == expected
