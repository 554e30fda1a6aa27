"""Few rows that show every pair of values of any two columns together."""

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod

Row = tuple[int, ...]
Pair = tuple[int, int, int, int]
"""Column and value, and another column and its value."""


def rows(sizes: Sequence[int], most: int) -> Iterator[Row]:
    """Yield rows of places in columns of *sizes*: all if they are no more than *most*, else pairs.

    Of pairs too, no more than *most* rows.
    """
    if 0 in sizes:
        return
    if prod(sizes) <= most:
        yield from product(*map(range, sizes))
        return
    yield from _pairwise(sizes, most)


def _pairwise(sizes: Sequence[int], most: int) -> Iterator[Row]:
    """Yield rows greedily: each starts at a pair not seen yet, and takes along what it can."""
    waiting: dict[Pair, None] = dict.fromkeys(_pairs(sizes))
    for turn in range(most):
        if not waiting:
            return
        left, a, right, b = next(iter(waiting))
        row = {left: a, right: b}
        for column, size in enumerate(sizes):
            if column not in row:
                row[column] = _best(row, column, size, turn, waiting)
        for pair in _pairs_of(row):
            waiting.pop(pair, None)
        yield tuple(row[column] for column in range(len(sizes)))


def _best(row: dict[int, int], column: int, size: int, turn: int, waiting: dict[Pair, None]) -> int:
    """Return the value of *column* that shows most new pairs; of equals, another each turn."""
    values = [(value + turn) % size for value in range(size)]
    return max(
        values,
        key=lambda value: sum(
            _pair(column, value, other, its) in waiting for other, its in row.items()
        ),
    )


def _pair(a: int, value: int, b: int, other: int) -> Pair:
    return (a, value, b, other) if a < b else (b, other, a, value)


def _pairs(sizes: Sequence[int]) -> Iterator[Pair]:
    for left, right in product(range(len(sizes)), repeat=2):
        if left < right:
            for a, b in product(range(sizes[left]), range(sizes[right])):
                yield left, a, right, b


def _pairs_of(row: dict[int, int]) -> Iterator[Pair]:
    columns = sorted(row)
    for place, left in enumerate(columns):
        for right in columns[place + 1 :]:
            yield left, row[left], right, row[right]
