import re

import pytest

from fleeting.policy.proving.patterns import PATH, samples

PATTERNS = [
    "[A-Z]+-[0-9]+",
    r"\d{4}-\d\d",
    r"(?:eur|usd)\s?\w*",
    "a.c?",
    "x|y|z",
    "[^x]+|x",
    r"\W\S\D",
    "^fixed$",
    "([a-z])x",
    "[^a-z]+",
    "[^x]",
    PATH,
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_samples_match(pattern):
    found = samples(pattern, 3)
    assert found
    assert all(re.fullmatch(pattern, text) for text in found)
    assert len(set(found)) == len(found)


def test_there_are_as_many_as_asked_for_where_there_are():
    assert len(samples("[A-Z]+-[0-9]+", 9)) == 9
    assert samples(None, 2) == ["other-1", "other-2"]
    assert samples("fixed", 5) == ["fixed"]


def test_a_pattern_beyond_us_has_none():
    assert samples("(?=a)b", 1) == []
