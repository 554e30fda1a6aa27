"""Parse policies that differ in nothing but literals once for all of them.

The Cedar engine takes a quarter of a millisecond for the syntax tree of one policy, and nothing
else runs meanwhile. Of a thousand policies most are written alike: another group, another amount.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from fleeting.policy.tree import Node

Parse: TypeAlias = Callable[[str], Node | str]
"""Returns Cedar's JSON form of the policies in a text, or what is wrong with it."""

Outline: TypeAlias = tuple[tuple[str, ...], tuple[bool, ...]]
"""What stands before, between and after the literals of a policy; which of them are strings."""

_LITERAL = re.compile(
    r"""
      ( "[^"\\\x00-\x1f\x7f\ud800-\udfff]*"
      | \b (?: 0 | [1-9][0-9]{0,17} ) \b
      )
    """,
    re.VERBOSE,
)
"""A plain string or number: its characters mean the same in Cedar and in JSON."""

_MARK = '"literal number {} of this form"'
_FIRST_NUMBER = 7_000_000_000_000_000_000
"""Numbers from here on are marks, too: it has one digit more than any literal above."""

_MARKED = re.compile(r'"literal number ([0-9]+) of this form"(?!:)|\b7(0{9}[0-9]{9})\b')
_LIKE_A_MARK = re.compile(r"literal number|70{9}")

_MOST_BRACES = 400
"""Of a tree with a form: JSON that is nested deeper than Python's stack has no business here."""


@dataclass(frozen=True, slots=True)
class Form:
    """The tree of every policy of one outline: JSON to be completed, and with which literals."""

    template: str
    order: tuple[int, ...]

    def tree(self, literals: Sequence[str]) -> Node:
        """Return the tree of the policy with these *literals*."""
        return json.loads(self.template % tuple([literals[place] for place in self.order]))


@dataclass(frozen=True, slots=True)
class Seen:
    """The first policy of an outline: whether there is another is not known yet."""

    literals: Sequence[str]
    tree: Node


class Forms:
    """The forms of the policies of one set, as far as it was parsed."""

    __slots__ = ("_found", "_parse")

    def __init__(self, parse: Parse) -> None:
        """Have *parse* parse whatever has no form yet."""
        self._parse = parse
        self._found: dict[Outline, Seen | Form | None] = {}

    def parse(self, text: str) -> Node | str:
        """Return what *parse* would."""
        pieces = _LITERAL.split(text)
        literals = pieces[1::2]
        outline = tuple(pieces[::2]), tuple([literal[0] == '"' for literal in literals])
        if outline not in self._found:
            return self._see(outline, literals, text)
        found = self._found[outline]
        if isinstance(found, Seen):
            found = self._found[outline] = _form(outline, found, self._parse)
        return self._parse(text) if found is None else found.tree(literals)

    def _see(self, outline: Outline, literals: Sequence[str], text: str) -> Node | str:
        tree = self._parse(text)
        if not isinstance(tree, str):
            self._found[outline] = Seen(literals, tree)
        return tree


def _form(outline: Outline, seen: Seen, parse: Parse) -> Form | None:
    """Return the form of *outline*; None where it has none.

    It has one if every literal is a value in the tree, once and whole, and if it yields, for the
    policy *seen*, the very tree that the engine made of it.
    """
    marked = parse(_marked(outline))
    if isinstance(marked, str) or any(map(_LIKE_A_MARK.search, outline[0])):
        return None
    written = json.dumps(marked, separators=(",", ":"))
    if written.count("{") > _MOST_BRACES:
        return None
    pieces = _MARKED.split(written.replace("%", "%%"))
    order = [int(one or other) for one, other in zip(pieces[1::3], pieces[2::3], strict=True)]
    if sorted(order) != [*range(len(seen.literals))]:
        return None
    form = Form("%s".join(pieces[::3]), tuple(order))
    return form if form.tree(seen.literals) == seen.tree else None


def _marked(outline: Outline) -> str:
    """Return the text of the policy that has marks for literals."""
    between, strings = outline
    marks = [
        _MARK.format(place) if string else str(_FIRST_NUMBER + place)
        for place, string in enumerate(strings)
    ]
    return "".join([f"{text}{mark}" for text, mark in zip(between, [*marks, ""], strict=True)])
