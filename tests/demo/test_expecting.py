"""What is held against what a step says."""

import pytest

from fleeting.demo.expecting import StepFailedError, expect, expect_told


def test_what_is_as_expected_passes():
    expect("the uses", 1, 1)
    expect_told("the story", "asked, approved and spent", "asked", "spent")


def test_a_difference_says_both_sides():
    with pytest.raises(StepFailedError, match="the uses\nexpected: 1\ncame:     2"):
        expect("the uses", 1, 2)


def test_what_is_not_told_is_named():
    with pytest.raises(StepFailedError, match="the story\nexpected: revoked\ncame:     asked"):
        expect_told("the story", "asked", "asked", "revoked")
