"""Read the tests of an installation's policies: requests, and what is expected of each."""

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fleeting.core.declaring import DeclarationError, Table, nearest
from fleeting.core.durations import format_duration
from fleeting.core.errors import OAuthError
from fleeting.core.limits import DEFAULT_LIFETIME, describe_approvals, parse_approval
from fleeting.core.model import Json, Limits, SenderConstraint
from fleeting.core.operations import OperationType, parse_details
from fleeting.policy.hypothetical import (
    REQUEST_KEYS,
    Declared,
    Hypothetical,
    hypothetical_request,
)
from fleeting.policy.outcomes import DECISIONS, UNLIMITED
from fleeting.policy.problems import PolicySource, Problem

_CASE_KEYS = ("name", "granting", "expect", *REQUEST_KEYS)
_HEADER = re.compile(r"^\s*\[\[\s*tests\s*\]\]")
_AT_LINE = re.compile(r"\(at line (\d+), column (\d+)\)")
_QUOTED = re.compile(r"'([^']+)'")


@dataclass(frozen=True, slots=True)
class Case:
    """One test: a request, and what must come of it.

    place: which of its file's tests it is, from 0; line: where it begins.
    granting: limits that are taken for granted, so that only the forbids are asked.
    expected: what is stated, and nothing else, in the words of ``outcomes``.
    """

    name: str
    file: str
    place: int
    line: int
    asked: Hypothetical
    granting: Limits | None
    expected: Mapping[str, Json]


def read_cases(
    source: PolicySource, declared: Declared, policies: Collection[str], *, updating: bool = False
) -> tuple[list[Case], list[Problem]]:
    """Return the tests in *source*, and all that is wrong with others; *policies* are the ids.

    updating: what is expected will be written anew, so it need not be there nor be right.
    """
    try:
        tables = _tables(source.text)
    except tomllib.TOMLDecodeError as error:
        return [], [_syntax_problem(source, str(error))]
    except DeclarationError as error:
        return [], [Problem(source.name, 1, 1, str(error))]
    types = declared.catalogue.types
    cases: list[Case] = []
    problems: list[Problem] = []
    for place, (table, lines) in enumerate(zip(tables, _spans(source.text), strict=False)):
        try:
            case = _case(source, place, lines.start, table, declared)
            if "expect" in table or not updating:
                case = replace(case, expected=_expected(Table("", table), types, policies))
            cases.append(case)
        except DeclarationError as error:
            problems.append(_problem(source, lines, str(error)))
    return cases, [*problems, *_repeated(cases)]


def _tables(text: str) -> list[dict[str, Any]]:
    values = tomllib.loads(text)
    Table("", values).allow_only(("tests",))
    tables = values.get("tests", [])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise DeclarationError("tests: must be an array of tables: write [[tests]]")
    if len(tables) != sum(1 for line in text.splitlines() if _HEADER.match(line)):
        raise DeclarationError("tests: begin each test with [[tests]] on a line of its own")
    return tables


def _spans(text: str) -> list[range]:
    """Return the lines of each test, counted from 1."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines, start=1) if _HEADER.match(line)]
    ends = [*starts[1:], len(lines) + 1]
    return [range(start, end) for start, end in zip(starts, ends, strict=False)]


def _case(
    source: PolicySource,
    place: int,
    line: int,
    values: Mapping[str, object],
    declared: Declared,
) -> Case:
    table = Table("", values)
    table.allow_only(_CASE_KEYS)
    name = table.text("name")
    if not name:
        raise table.refuse("name", "is missing: say in a sentence what is tested")
    own = {key: value for key, value in values.items() if key in REQUEST_KEYS}
    return Case(
        name=name,
        file=source.name,
        place=place,
        line=line,
        asked=hypothetical_request(Table("", own), declared),
        granting=_granting(table),
        expected={},
    )


def _inner(table: Table, key: str) -> Table | None:
    value = table.values.get(key)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise table.refuse(key, "must be a table")
    return Table(key, value)


def _granting(table: Table) -> Limits | None:
    inner = _inner(table, "granting")
    if inner is None:
        return None
    inner.allow_only(("lifetime", "uses", "bound", "approvals"))
    uses = _uses(inner)
    approvals = inner.text("approvals")
    try:
        stages = () if approvals is None else parse_approval(approvals)
    except ValueError as error:
        raise inner.refuse("approvals", str(error)) from error
    return Limits(
        lifetime=inner.duration("lifetime") or DEFAULT_LIFETIME,
        uses=None if uses == UNLIMITED else uses,
        bound=SenderConstraint(_one_of(inner, "bound", [*SenderConstraint]) or "dpop"),
        approvals=stages,
    )


def _uses(table: Table) -> Any:  # noqa: ANN401 -- a number, UNLIMITED, or None
    if table.values.get("uses") == UNLIMITED:
        return UNLIMITED
    try:
        return table.count("uses")
    except DeclarationError:
        message = f'must be a whole number of 1 or more, or "{UNLIMITED}"'
        raise table.refuse("uses", message) from None


def _one_of(table: Table, key: str, known: Sequence[str]) -> str | None:
    value = table.text(key)
    if value is not None and value not in known:
        hint = nearest(value, known) or f"; write one of {', '.join(known)}"
        raise table.refuse(key, f"is not '{value}'{hint}")
    return value


def _expected(
    table: Table, types: Mapping[str, OperationType], policies: Collection[str]
) -> Mapping[str, Json]:
    inner = _inner(table, "expect")
    if inner is None:
        hint = 'write [tests.expect] and decision = "permit" or "deny", or run with --update'
        raise table.refuse("expect", f"is missing: {hint}")
    inner.allow_only(("decision", "policies", *_LIMITS, "operations", "reason"))
    decision = _one_of(inner, "decision", DECISIONS)
    if decision is None:
        raise inner.refuse("decision", f"is missing: write one of {', '.join(DECISIONS)}")
    stated = {
        "decision": decision,
        "policies": _policies(inner, policies),
        **{key: read(inner) for key, read in _LIMITS.items()},
        "operations": _operations(inner, types),
        "reason": inner.text("reason"),
    }
    return {key: value for key, value in stated.items() if key in inner.values}


def _lifetime(table: Table) -> Json:
    lifetime = table.duration("lifetime")
    return None if lifetime is None else format_duration(lifetime)


def _approvals(table: Table) -> Json:
    written = table.text("approvals")
    if not written:
        return written
    try:
        return describe_approvals(parse_approval(written))
    except ValueError as error:
        raise table.refuse("approvals", str(error)) from error


_LIMITS: Mapping[str, Any] = {
    "lifetime": _lifetime,
    "uses": _uses,
    "bound": lambda table: _one_of(table, "bound", [*SenderConstraint]),
    "approvals": _approvals,
}


def _policies(table: Table, known: Collection[str]) -> Json:
    names = table.strings("policies")
    for name in names:
        if name not in known:
            raise table.refuse("policies", f"there is no policy '{name}'{nearest(name, known)}")
    return [*sorted(names)]


def _operations(table: Table, types: Mapping[str, OperationType]) -> Json:
    value: Any = table.values.get("operations")
    if not value:
        return []
    try:
        return [operation.to_json() for operation in parse_details(value, types)]
    except OAuthError as error:
        raise table.refuse("operations", error.description) from error


# Where something is wrong.


def _syntax_problem(source: PolicySource, message: str) -> Problem:
    found = _AT_LINE.search(message)
    if found is None:
        return Problem(source.name, len(source.text.splitlines()), 1, f"not TOML: {message}")
    said = _AT_LINE.sub("", message).strip()
    return Problem(source.name, int(found[1]), int(found[2]), f"not TOML: {said}")


def _problem(source: PolicySource, lines: range, message: str) -> Problem:
    """Return *message* at the key that it speaks of, else where its test begins."""
    said, separator, hint = message.partition("; ")
    keys = [*_QUOTED.findall(said), *reversed(said.partition(":")[0].split("."))]
    line, column = next(_places(source.text, lines, keys), (lines.start, 1))
    return Problem(source.name, line, column, said, hint if separator else "")


def _places(text: str, lines: range, keys: Sequence[str]) -> Iterator[tuple[int, int]]:
    all_lines = text.splitlines()
    for key in keys:
        form = re.compile(
            rf"(?<![\w-]){re.escape(key)}(?=[\"']?\s*[=\]])|[\"']{re.escape(key)}[\"']"
        )
        for number in lines:
            found = form.search(all_lines[number - 1].partition("#")[0])
            if found is not None:
                yield number, found.start() + 1


def _repeated(cases: Sequence[Case]) -> Iterator[Problem]:
    first: dict[str, Case] = {}
    for case in cases:
        earlier = first.setdefault(case.name, case)
        if earlier is not case:
            message = f"a test of this name is at line {earlier.line} already"
            yield Problem(case.file, case.line, 1, message)
