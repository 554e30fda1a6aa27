"""Show one problem of a policy as compilers do: place, words, the line, and a caret below it."""

import os
import re
from pathlib import Path

from rich.text import Text

from fleeting.core.declaring import UNSAFE
from fleeting.policy import Problem
from fleeting.policy.problems import Severity

_WORD = re.compile(r"[\w@]+|\"(?:[^\"\\]|\\.)*\"")
_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


def problem_text(problem: Problem, source: str) -> Text:
    """Return *problem* for people, with its line of *source* where there is one."""
    place = f"{nearby(problem.file)}:{problem.line}:{problem.column}"
    colour = _COLOURS[problem.severity]
    text = Text.assemble((visible(place), "bold"), ": ")
    if problem.severity is Severity.WARNING:
        text.append("warning: ", colour).append(visible(problem.message))
        text.append(f" [{problem.rule}]", "dim")
    else:
        text.append(visible(problem.message), colour)
    text.append("\n")
    line = _line(problem, source)
    if line is not None:
        text.append_text(_quotation(problem, line, colour))
    if problem.hint:
        text.append(f"   {visible(problem.hint)}\n", "cyan")
    return text


def nearby(file: str) -> str:
    """Return *file* as one would type it here: relative where that is no detour."""
    relative = os.path.relpath(file)
    return file if relative.startswith("..") and Path(file).is_absolute() else relative


def visible(text: str) -> str:
    """Return *text* on one line, with what could steer a terminal or deceive the eye spelt out."""
    return UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def length_of_word(problem: Problem, source: str) -> int:
    """Return how many characters the word or string has that *problem* points at, at least 1."""
    return _length_at(_line(problem, source) or "", problem.column - 1)


def _length_at(line: str, start: int) -> int:
    word = _WORD.match(line, start)
    return len(word[0]) if word else 1


def _line(problem: Problem, source: str) -> str | None:
    """Return the line of *source*; lines end where the policies' own places count them."""
    lines = source.split("\n")
    return lines[problem.line - 1] if source and problem.line <= len(lines) else None


def _quotation(problem: Problem, line: str, colour: str) -> Text:
    number = f"{problem.line:>4} | "
    start = problem.column - 1
    caret = "^" * _length_at(line, start)
    shown, before = (_shown(each) for each in (line, line[:start]))
    # Tabs stay tabs below, so that the caret stands right however wide they are.
    below = re.sub(r"[^\t]", " ", before)
    margin = " " * (len(number) - 2) + "| "
    quoted = Text.assemble((number, "dim"), shown, "\n", (margin, "dim"), below)
    return quoted.append(caret, f"bold {colour}").append("\n")


def _shown(line: str) -> str:
    return "\t".join(map(visible, line.rstrip("\r").split("\t")))
