"""Tell findings about policies to programs, and to CI systems at the place they are about."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fleeting import __version__
from fleeting.cli.problem_text import length_of_word, visible
from fleeting.policy import Problem
from fleeting.policy.rules import ERRORS, WARNINGS, Rule

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LINK = re.compile(r"\[([^]]+)]\([^)]+\)")
"""A Markdown link: the manual has them, a text of SARIF must not (§3.11)."""


def report(
    errors: Iterable[Problem], warnings: Iterable[Problem], **facts: object
) -> dict[str, Any]:
    """Return findings for programs: ``problems`` are the errors."""
    return {
        **facts,
        "problems": [asdict(each) for each in errors],
        "warnings": [asdict(each) for each in warnings],
    }


def from_root(file: str) -> str:
    """Return *file* as CI systems name it: relative to the repository, or to where we are."""
    root = Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd()).resolve()
    path = Path(file).resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


# GitHub workflow commands: whatever a policy says, it must not be able to give another command.


def github(problems: Iterable[Problem], sources: Mapping[str, str]) -> Iterator[str]:
    """Yield one workflow command for each of *problems*."""
    for problem in problems:
        end = problem.column + length_of_word(problem, sources.get(problem.file, ""))
        properties = {
            "file": from_root(problem.file),
            "line": problem.line,
            "col": problem.column,
            "endColumn": end,
            "title": f"fleeting {problem.rule}",
        }
        told = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
        yield f"::{problem.severity} {told}::{_data(_sentence(problem))}"


def _sentence(problem: Problem) -> str:
    return visible(problem.message + (f" ({problem.hint})" if problem.hint else ""))


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(visible(text)).replace(":", "%3A").replace(",", "%2C")


# SARIF 2.1.0.


def sarif(problems: Iterable[Problem], sources: Mapping[str, str]) -> dict[str, Any]:
    """Return *problems* as a SARIF log: one run of one tool (SARIF 2.1.0 §3.13)."""
    rules = [*ERRORS.values(), *WARNINGS.values()]
    places = {rule.id: place for place, rule in enumerate(rules)}
    driver = {
        "name": "fleeting",
        "version": __version__,
        "rules": [_sarif_rule(rule) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(problem, places, sources) for problem in problems],
    }
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}


def _sarif_rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.meaning},
        "help": {"text": _LINK.sub(r"\1", rule.instead)},
        "defaultConfiguration": {"level": "error" if rule.id in ERRORS else "warning"},
    }


def _result(
    problem: Problem, places: Mapping[str, int], sources: Mapping[str, str]
) -> dict[str, Any]:
    end = problem.column + length_of_word(problem, sources.get(problem.file, ""))
    region = {"startLine": problem.line, "startColumn": problem.column, "endColumn": end}
    place = {"artifactLocation": _artifact(problem.file), "region": region}
    return {
        "ruleId": problem.rule,
        "ruleIndex": places[problem.rule],
        "level": str(problem.severity),
        "message": {"text": _sentence(problem)},
        "locations": [{"physicalLocation": place}],
    }


def _artifact(file: str) -> dict[str, str]:
    name = from_root(file)
    if Path(name).is_absolute():
        return {"uri": Path(name).as_uri()}
    return {"uri": quote(name), "uriBaseId": "%SRCROOT%"}
