import re

import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from fleeting.policy.proving.strings import Numbered, Spelled, printable
from fleeting.policy.proving.terms import UnsupportedError
from tests.policy.proving.test_patterns import PATTERNS

MORE = [
    "(a|b)*c{2,3}",
    r"(?i)abc",
    "a*+b",
    r"\bword\b",
    "(?i:x)y",
    "[a-cx]",
    "[^a-c]",
    "(x)\\1",
    "a.?",
    "",
    "(?!q)a",
]


def matches(strings, text, pattern):
    solver = z3.Solver()
    truth = strings.matches(strings.literal(text), pattern)
    solver.add(truth)
    return solver.check() == z3.sat


@settings(derandomize=True, database=None, deadline=None, max_examples=50)
@given(st.sampled_from([*PATTERNS, *MORE]), st.data())
def test_whatever_matches_a_pattern_may_match_it_to_the_solver(pattern, data):
    text = data.draw(st.from_regex(pattern, fullmatch=True))
    if re.fullmatch(pattern, text) and all(ord(each) < 0x30000 for each in text):
        assert matches(Spelled(), text, pattern), text


@pytest.mark.parametrize("pattern", [*PATTERNS, *MORE])
def test_every_pattern_has_a_counterpart(pattern):
    strings = Spelled()
    value = strings.variable("value")
    truth = strings.matches(value, pattern)
    assert truth is True or z3.is_bool(truth)


@pytest.mark.parametrize(("pattern", "text"), [("", ""), ("(x)\\1", "xx"), ("(?!q)a", "a")])
def test_what_has_no_exact_counterpart_becomes_wider(pattern, text):
    assert matches(Spelled(), text, pattern)


@pytest.mark.parametrize(
    ("pattern", "text"), [("[A-Z]+-[0-9]+", "inc-7"), ("[^x]{2}", "ax"), ("a|b", "c")]
)
def test_a_plain_pattern_excludes_what_does_not_match(pattern, text):
    assert not matches(Spelled(), text, pattern)


@pytest.mark.parametrize("text", ["plain", "é\\u{41}", '"quoted"', "tab\t", "€"])
def test_a_text_is_read_back_as_it_was(text):
    strings = Spelled()
    solver, value = z3.Solver(), strings.variable("value")
    solver.add(value == strings.literal(text))
    assert solver.check() == z3.sat
    assert strings.read(solver.model().eval(value)) == text
    assert strings.literals() == [text]


def test_a_text_that_cannot_be_spelled_is_not_modelled():
    with pytest.raises(UnsupportedError):
        Spelled().literal("\U000e0001")


def test_printable_texts_are_those_of_any_screen():
    solver = z3.Solver()
    assert solver.check(printable(Spelled().literal("a b"))) == z3.sat
    assert solver.check(printable(Spelled().literal("é"))) == z3.unsat


def test_numbers_know_no_patterns():
    strings = Numbered()
    with pytest.raises(UnsupportedError):
        strings.like(strings.variable("value"), ["Wildcard"])
    assert strings.matches(strings.variable("value"), "a")
    assert strings.read(z3.IntVal(7)) == 7
