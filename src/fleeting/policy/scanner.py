"""Split Cedar files into policies, and know where every token stands: Cedar's errors do not."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from fleeting.policy.problems import PolicySource, Problem
from fleeting.policy.rules import SYNTAX

DEEPEST = 100
"""How deeply a policy may nest: the Cedar engine's own stack ends some way beyond, and with it the
whole process."""

_OPENING = frozenset("([{")
_CLOSING = frozenset(")]}")
_NESTING = (*_OPENING, "if")

_STRING = r'"(?:[^"\\\n]|\\.|\n(?!\s*(?:@|permit\b|forbid\b)))*"'
_COMMENT = r"//[^\n\r]*"
_TOKEN = re.compile(
    rf"""
      (?P<blank>  \s+ | {_COMMENT} )
    | (?P<string> {_STRING} )
    | (?P<name>   [A-Za-z_][A-Za-z0-9_]* )
    | (?P<symbol> :: | [=!<>]= | && | \|\| | [0-9]+ | . )
    """,
    re.DOTALL | re.VERBOSE,
)
_BLANKS = re.compile(rf"(?:\s|{_COMMENT})*")
_LANDMARK = re.compile(rf"{_STRING}|{_COMMENT}|;", re.DOTALL)
"""All that must be seen to tell which semicolons end a policy."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a policy; start: its place in the policy's own text."""

    text: str
    start: int


@dataclass(frozen=True, slots=True)
class PolicyText:
    """The text of one policy and where it stands; comments before it are left out."""

    source: PolicySource
    start: int
    text: str
    line: int
    column: int

    @property
    def tokens(self) -> tuple[Token, ...]:
        """Its tokens; of a policy that is right, nobody may ever ask for them."""
        return _tokens(self.text)

    def find(self, word: str, *, nth: int = 0) -> int | None:
        """Return where the token *word* stands, as a name or as the string ``"word"``."""
        places = self._places(word)
        return self.tokens[places[nth]].start if nth < len(places) else None

    def find_near(self, word: str, near: str) -> int | None:
        """Return where that *word* stands which has the fewest tokens between it and *near*."""
        others = self._places(near)
        pairs = [(abs(place - other), place) for place in self._places(word) for other in others]
        return self.tokens[min(pairs)[1]].start if pairs else None

    def find_annotation(self, name: str) -> int | None:
        """Return where the annotation *name* stands."""
        for at, word in zip(self.tokens, self.tokens[1:], strict=False):
            if at.text == "@" and word.text == name:
                return at.start
        return None

    def find_too_deep(self) -> int | None:
        """Return where the policy begins to be nested too deeply for the Cedar engine to parse."""
        if sum(map(self.text.count, _NESTING)) <= DEEPEST:
            return None
        depth = conditionals = 0
        for token in self.tokens:
            depth += (token.text in _OPENING) - (token.text in _CLOSING)
            conditionals += token.text == "if"  # what follows one is within it: nothing closes it
            if depth > DEEPEST or conditionals > DEEPEST:
                return token.start
        return None

    def _places(self, word: str) -> list[int]:
        forms = (word, f'"{word}"')
        return [place for place, token in enumerate(self.tokens) if token.text in forms]

    def problem(
        self,
        message: str,
        hint: str = "",
        *,
        at: int | None = None,
        policy: str = "",
        rule: str = SYNTAX,
    ) -> Problem:
        """Return a problem with this policy, at its start unless *at* says where."""
        line, column = _moved(self.line, self.column, self.text[: at or 0])
        return Problem(self.source.name, line, column, message, hint, policy, rule)


def split_policies(source: PolicySource) -> Iterator[PolicyText]:
    """Yield the policies of *source* in their order.

    A semicolon outside of strings and comments ends a policy, and nothing else in Cedar has one:
    so a policy with an open bracket does not swallow those that follow it. A string ends at the
    latest where a line begins like a policy, so that an open quote does not swallow them either.
    """
    text, seen, after = source.text, 0, 0
    line = column = 1
    for end in _ends(text):
        start = after + _length_of_blanks(text, after)
        line, column = _moved(line, column, text[seen:start])
        yield PolicyText(source, start, text[start:end], line, column)
        seen, after = start, end


def _ends(text: str) -> Iterator[int]:
    """Yield where each policy ends; the last one may have no semicolon."""
    end = 0
    for found in _LANDMARK.finditer(text):
        if found[0] == ";":
            end = found.end()
            yield end
    rest = _tokens(text[end:])
    if rest:
        yield end + rest[-1].start + len(rest[-1].text)


def _length_of_blanks(text: str, start: int) -> int:
    found = _BLANKS.match(text, start)
    return 0 if found is None else found.end() - start


def _moved(line: int, column: int, text: str) -> tuple[int, int]:
    """Return the place behind *text*, which begins at *line* and *column*."""
    lines = text.count("\n")
    return line + lines, len(text) - text.rfind("\n") if lines else column + len(text)


@lru_cache(maxsize=64)
def _tokens(text: str) -> tuple[Token, ...]:
    found = _TOKEN.finditer(text)
    return tuple(Token(each[0], each.start()) for each in found if each.lastgroup != "blank")
