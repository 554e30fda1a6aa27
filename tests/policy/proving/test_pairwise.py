from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleeting.policy.proving.pairwise import rows


def test_few_combinations_are_all_tried():
    assert [*rows([2, 3], 6)] == [*product(range(2), range(3))]
    assert [*rows([], 5)] == [()]
    assert [*rows([2, 0, 2], 5)] == []


@settings(derandomize=True, database=None, deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=6))
def test_of_many_every_pair_of_values_is_tried(sizes):
    found = [*rows([*sizes, 5, 5], 99)]
    for (left, a), (right, b) in combinations(enumerate([*sizes, 5, 5]), 2):
        assert {(row[left], row[right]) for row in found} == set(product(range(a), range(b)))


@pytest.mark.parametrize("most", [0, 1, 7])
def test_no_more_rows_are_given_than_asked_for(most):
    assert len([*rows([9, 9, 9], most)]) == most
