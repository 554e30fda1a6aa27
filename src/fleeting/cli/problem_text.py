"""Show one problem of a policy as compilers do: place, words, the line, and a caret below it."""

import os
import re
from pathlib import Path

from rich.text import Text

from fleeting.policy import Problem

_WORD = re.compile(r"[\w@]+")


def problem_text(problem: Problem, source: str) -> Text:
    """Return *problem* for people, with its line of *source* where there is one."""
    place = f"{nearby(problem.file)}:{problem.line}:{problem.column}"
    text = Text.assemble((place, "bold"), ": ", (problem.message, "red"), "\n")
    lines = source.splitlines()
    if 0 < problem.line <= len(lines):
        text.append_text(_quotation(problem, lines[problem.line - 1]))
    if problem.hint:
        text.append(f"   {problem.hint}\n", "cyan")
    return text


def nearby(file: str) -> str:
    """Return *file* as one would type it here: relative where that is no detour."""
    relative = os.path.relpath(file)
    return file if relative.startswith("..") and Path(file).is_absolute() else relative


def _quotation(problem: Problem, line: str) -> Text:
    number = f"{problem.line:>4} | "
    start = problem.column - 1
    word = _WORD.match(line, start)
    caret = "^" * (len(word[0]) if word else 1)
    # Tabs stay tabs below, so that the caret stands right however wide they are.
    below = re.sub(r"[^\t]", " ", line[:start])
    margin = " " * (len(number) - 2) + "| "
    quoted = Text.assemble((number, "dim"), line, "\n", (margin, "dim"), below, (caret, "bold red"))
    return quoted.append("\n")
