"""Tell which ids can be taken for each other: by the eye, or by a slip of the finger."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

_FOREIGN: Mapping[str, str] = {
    **dict(zip("аеорсухіјѕԁԛԝһӏвкмнтг", "aeopcyxijsdqwhlbkmhtr", strict=True)),
    **dict(zip("αοινρτυκχηεγ", "aoivptukxney", strict=True)),
}
_TWINS: Mapping[str, str] = {
    "0": "o",
    "1": "l",
    "i": "l",
    "|": "l",
    "5": "s",
    "rn": "m",
    "vv": "w",
    "cl": "d",
}
_TWIN = re.compile("|".join(map(re.escape, sorted(_TWINS, key=len, reverse=True))))
_SEPARATORS = re.compile(r"[-_.:/ ]+")
_SHORTEST = 5
"""Shorter words differ by one letter all the time, and nobody confuses them."""


def skeleton(name: str) -> str:
    """Return what the eye takes *name* for: ids with one skeleton look alike (UTS #39, in short).

    Case, accents, full-width forms and separators do not count.
    """
    plain = unicodedata.normalize("NFKD", name).casefold()
    seen = "".join(_FOREIGN.get(each, each) for each in plain if not unicodedata.combining(each))
    return _TWIN.sub(lambda found: _TWINS[found[0]], _SEPARATORS.sub("", seen))


def disguised(name: str) -> str:
    """Return what *name* reads as, if it has no ASCII letter and every letter looks like one."""
    folded = name.casefold()
    if not any(map(str.isalpha, folded)) or any(e.isalpha() and e not in _FOREIGN for e in folded):
        return ""
    return "".join(_FOREIGN.get(each, each) for each in folded)


def look_alikes(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield every pair of *names* that look the same, each pair once and in order."""
    by_skeleton: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        by_skeleton.setdefault(skeleton(name), []).append(name)
    for alike in by_skeleton.values():
        yield from pairwise(alike)


def slips(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield every pair of *names* that one slip of a letter tells apart, once and in order.

    A slip is a letter too many or too few, another one, or two in the other order, within one
    word of 5 letters or more: so `team-a` is no slip of `team-b`, and digits count for what they
    are.
    """
    buckets: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        for key in _keys(name):
            buckets.setdefault(key, []).append(name)
    found = {
        (one, other)
        for alike in buckets.values()
        for place, one in enumerate(alike)
        for other in alike[place + 1 :]
        if skeleton(one) != skeleton(other) and _is_slip(one, other)
    }
    yield from sorted(found)


def _keys(name: str) -> set[str]:
    """Return what *name* shares with each of its slips: itself with at most one letter less."""
    if len(name) < _SHORTEST:
        return set()
    return {name, *(name[:at] + name[at + 1 :] for at in range(len(name)))}


def _is_slip(one: str, other: str) -> bool:
    words, others = _SEPARATORS.split(one), _SEPARATORS.split(other)
    if len(words) != len(others):
        return False
    pairs = [(a, b) for a, b in zip(words, others, strict=True) if a != b]
    return len(pairs) == 1 and _one_slip(*pairs[0])


def _one_slip(a: str, b: str) -> bool:
    if len(a) > len(b):
        a, b = b, a
    start = next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
    rest_a, rest_b = a[start:], b[start:]
    changed = rest_a[:1] + rest_b[:1]
    if len(b) < _SHORTEST or any(each.isdigit() for each in changed):
        return False
    if len(a) < len(b):
        return rest_a == rest_b[1:]
    swapped = rest_a[:2] == rest_b[1::-1] and rest_a[2:] == rest_b[2:]
    return rest_a[1:] == rest_b[1:] or swapped
