"""Split Cedar files into policies, and know where every token stands: Cedar's errors do not."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fleeting.policy.problems import PolicySource, Problem
from fleeting.policy.rules import SYNTAX

DEEPEST = 100
"""How deeply a policy may nest: the Cedar engine's own stack ends some way beyond, and with it the
whole process."""

_OPENING = frozenset("([{")
_CLOSING = frozenset(")]}")

_TOKEN = re.compile(
    r"""
      (?P<blank>  \s+ | //[^\n]* )
    | (?P<string> "(?: [^"\\\n] | \\. | \n(?!\s*(?:@|permit\b|forbid\b)) )*" )
    | (?P<name>   [A-Za-z_][A-Za-z0-9_]* )
    | (?P<symbol> :: | [=!<>]= | && | \|\| | [0-9]+ | . )
    """,
    re.DOTALL | re.VERBOSE,
)


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
    tokens: tuple[Token, ...]

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
        offset = self.start + (at or 0)
        line = self.source.text.count("\n", 0, offset) + 1
        column = offset - self.source.text.rfind("\n", 0, offset)
        return Problem(self.source.name, line, column, message, hint, policy, rule)


def split_policies(source: PolicySource) -> Iterator[PolicyText]:
    """Yield the policies of *source* in their order.

    A semicolon outside of strings and comments ends a policy, and nothing else in Cedar has one:
    so a policy with an open bracket does not swallow those that follow it. A string ends at the
    latest where a line begins like a policy, so that an open quote does not swallow them either.
    """
    tokens: list[Token] = []
    for found in _TOKEN.finditer(source.text):
        if found.lastgroup == "blank":
            continue
        tokens.append(Token(found[0], found.start()))
        if found[0] == ";":
            yield _policy(source, tokens)
            tokens = []
    if tokens:
        yield _policy(source, tokens)


def _policy(source: PolicySource, tokens: list[Token]) -> PolicyText:
    start, end = tokens[0].start, tokens[-1].start + len(tokens[-1].text)
    own = tuple(Token(token.text, token.start - start) for token in tokens)
    return PolicyText(source, start, source.text[start:end], own)
