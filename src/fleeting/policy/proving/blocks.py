"""Where each property stands in its file: TOML's reader does not say."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from fleeting.policy.problems import Problem

_HEADER = re.compile(r"^\s*\[\[\s*properties\s*\]\]")


@dataclass(frozen=True, slots=True)
class Block:
    """The lines of one property; line: the number of the first."""

    line: int
    lines: Sequence[str]

    def place(self, word: str) -> tuple[int, int]:
        """Return line and column where *word* stands, or of the whole."""
        pattern = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])")
        for number, line in enumerate(self.lines):
            found = pattern.search(line)
            if word and found is not None:
                return self.line + number, found.start() + 1
        return self.line, 1

    def problem(self, file: str, message: str, hint: str = "", word: str = "") -> Problem:
        """Return a problem with what *word* says."""
        line, column = self.place(word)
        return Problem(file, line, column, message, hint)


def blocks(text: str) -> Iterator[Block]:
    """Yield the lines of each property of *text*."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if _HEADER.match(line)]
    for start, end in pairwise([*starts, len(lines)]):
        yield Block(start + 1, lines[start:end])
