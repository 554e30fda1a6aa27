"""Find the files of policy tests, read them, and write into them what is true now."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

from fleeting.cli.terminal import CommandError
from fleeting.cli.whole_files import read_text
from fleeting.core.model import Json
from fleeting.policy import PolicySource
from fleeting.policy.outcomes import DENY
from fleeting.policy.testing import Result

DIRECTORY = "tests"
_USUAL = ("decision", "policies", "lifetime", "uses", "approvals", "reason")


def find_files(policies: Path, named: Sequence[Path]) -> list[PolicySource]:
    """Return the files that are *named*, else every one below the tests of *policies*.

    Raises:
        CommandError: there is none, or one is not UTF-8.
        OSError: one cannot be read.
    """
    directory = policies / DIRECTORY
    paths = sorted(named or directory.rglob("*.toml"))
    if not paths:
        raise CommandError(
            f"there are no tests: write {directory}/*.toml ('fleeting init' writes an example)"
        )
    return [PolicySource(str(path), read_text(path)) for path in paths]


def update(results: Sequence[Result]) -> int:
    """Write what came of each test as what is expected of it; return how many were changed.

    Comments and everything else in the files stay as they are.

    Raises:
        CommandError: a file cannot be edited.
    """
    changed = [result for result in results if not result.passed or not result.case.expected]
    for file in dict.fromkeys(result.case.file for result in changed):
        _rewrite(Path(file), [result for result in changed if result.case.file == file])
    return len(changed)


def _rewrite(path: Path, results: Sequence[Result]) -> None:
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8"))
    except TOMLKitError as error:
        raise CommandError(f"{path}: cannot be edited: {error}") from error
    for result in results:
        _state(document["tests"][result.case.place], result)
    path.write_text(tomlkit.dumps(document), encoding="utf-8")


def _state(test: Table, result: Result) -> None:
    """State in *test* what came of it: what it stated, or the usual where that is another story."""
    expected, told = result.case.expected, result.outcome.told
    if "expect" not in test:
        test["expect"] = tomlkit.table()
    stated = test["expect"]
    body = stated.value.body
    below: list[Any] = []
    while body and body[-1][0] is None:
        below.insert(0, body.pop())  # blanks and comments: what is added must not come after them
    names = [*expected] if expected.get("decision") == told["decision"] else [*expected, *_USUAL]
    for name in dict.fromkeys(names):
        if _counts(told, name):
            if expected.get(name) != told[name]:
                stated[name] = told[name]
        elif name in stated:
            del stated[name]
    body.extend(below)


def _counts(told: Mapping[str, Json], name: str) -> bool:
    if name == "reason" and (told["decision"] != DENY or not told["policies"]):
        return False  # nobody wrote it, so that nobody means it
    return name == "policies" or bool(told.get(name))
