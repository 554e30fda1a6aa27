"""Show what came of policy tests: for people in the terminal, for programs as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fleeting.cli.problem_text import nearby
from fleeting.cli.terminal import counted
from fleeting.cli.words import clean, shown_operation, shown_value
from fleeting.core.model import Json
from fleeting.policy import Problem
from fleeting.policy.judging import Judge, Told
from fleeting.policy.testing import Coverage, Gap, Result, Why, why
from fleeting.policy.tree import Effect

_GAPS_SHOWN = 30


def report_text(results: Sequence[Result], coverage: Coverage | None, judge: Judge) -> Group:
    """Return what came of all tests: those that failed, counts, and what nothing exercised."""
    failed = [result for result in results if not result.passed]
    parts: list[RenderableType] = []
    for result in failed:
        parts += _failure(result, judge)
    parts.append(_counts(results, len(failed)))
    if coverage is not None:
        parts += _coverage(coverage)
    return Group(*parts)


def _failure(result: Result, judge: Judge) -> Iterator[RenderableType]:
    case = result.case
    place = (f"  {nearby(case.file)}:{case.line}", "dim")
    yield Text.assemble(("✗ ", "red"), (clean(case.name), "bold"), place)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for each in result.differences:
        told = f"expected {_shown(each.expected)}, but it is {_shown(each.actual)}"
        table.add_row(each.name, Text(told))
    for reason in why(judge, result):
        table.add_row("why", _why(reason))
    yield Padding(table, (0, 0, 1, 4), expand=False)


def _shown(value: Json) -> str:
    if value in (None, "", []):
        return "none"
    if isinstance(value, list):
        return "; ".join(shown_operation(v) if isinstance(v, dict) else clean(v) for v in value)
    return shown_value(value)


def _why(reason: Why) -> Text:
    policy = reason.policy
    place = f" ({nearby(policy.file)}:{policy.line})"
    if not reason.failed:
        words = " is satisfied" if policy.effect is Effect.PERMIT else " forbids it"
        return Text.assemble((policy.id, "bold"), (place, "dim"), words)
    text = Text.assemble((policy.id, "bold"), (place, "dim"), " is not satisfied:")
    for told in reason.failed:
        text.append_text(Text.assemble("\n  ", condition_text(told)))
    return text


def condition_text(told: Told) -> Text:
    """Return one condition and what it looked at: ``amount <= 5000  (amount is 9000)``."""
    seen = ", ".join(
        f"{clean(name).removeprefix('context.')} {_is(name)} {_seen(value)}"
        for name, value in told.seen
    )
    words = clean(told.condition.text)
    if not told.condition.wanted:
        words = f"unless {words}"
    return Text.assemble(words, (f"  ({seen})" if seen else "", "cyan"))


def _is(name: str) -> str:
    return "are" if name.startswith("groups") else "is"


def _seen(value: Json) -> str:
    if value is None:
        return "absent"
    if isinstance(value, list):
        return ", ".join(map(clean, value)) or "none"
    return shown_value(value)


def _counts(results: Sequence[Result], failed: int) -> Text:
    passed = len(results) - failed
    words = f"{counted(len(results), 'test')}: {passed} passed"
    return Text(f"{words}, {failed} failed" if failed else words, "red" if failed else "green")


def _coverage(coverage: Coverage) -> Iterator[RenderableType]:
    (policies, of_policies), (conditions, of_conditions) = coverage.policies, coverage.conditions
    yield Text(
        f"exercised: {policies} of {counted(of_policies, 'policy', 'policies')}, "
        f"{conditions} of {counted(of_conditions, 'condition')} both ways"
    )
    for gap in coverage.gaps[:_GAPS_SHOWN]:
        yield Text.assemble((f"  {nearby(gap.policy.file)}:{gap.line}: ", "dim"), _gap(gap))
    if len(coverage.gaps) > _GAPS_SHOWN:
        yield Text(f"  and {len(coverage.gaps) - _GAPS_SHOWN} more: --json has them all", "dim")


def _gap(gap: Gap) -> Text:
    if gap.condition is None:
        return Text.assemble((gap.policy.id, "bold"), f" is never {gap.never}")
    return Text.assemble(
        (gap.policy.id, "bold"), f": {clean(gap.condition.text)} ", (f"is never {gap.never}", "")
    )


# For programs.


def report_json(
    results: Sequence[Result],
    problems: Sequence[Problem],
    coverage: Coverage | None,
    judge: Judge,
) -> dict[str, Any]:
    """Return what came of all tests, for programs."""
    return {
        "ok": not problems and all(result.passed for result in results),
        "problems": [asdict(problem) for problem in problems],
        "tests": [_result_json(result, judge) for result in results],
        "coverage": None if coverage is None else _coverage_json(coverage),
    }


def _result_json(result: Result, judge: Judge) -> dict[str, Any]:
    case = result.case
    return {
        "name": case.name,
        "file": case.file,
        "line": case.line,
        "passed": result.passed,
        "expected": dict(case.expected),
        "actual": dict(result.outcome.told),
        "why": [] if result.passed else [_why_json(each) for each in why(judge, result)],
    }


def _why_json(reason: Why) -> dict[str, Any]:
    return {
        "policy": reason.policy.id,
        "satisfied": not reason.failed,
        "failed": [told_json(told) for told in reason.failed],
    }


def told_json(told: Told) -> dict[str, Any]:
    """Return one condition and what it looked at."""
    return {
        "condition": told.condition.text,
        "part": told.condition.part.value,
        "line": told.condition.line,
        "seen": dict(told.seen),
    }


def _coverage_json(coverage: Coverage) -> dict[str, Any]:
    return {
        name: {"exercised": done, "of": of}
        for name, (done, of) in (
            ("policies", coverage.policies),
            ("conditions", coverage.conditions),
        )
    } | {
        "gaps": [
            {
                "policy": gap.policy.id,
                "file": gap.policy.file,
                "line": gap.line,
                "condition": None if gap.condition is None else gap.condition.text,
                "never": gap.never,
            }
            for gap in coverage.gaps
        ]
    }
