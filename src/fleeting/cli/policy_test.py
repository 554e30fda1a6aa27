"""``fleeting policy test``: run the installation's own tests of its policies."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fleeting.cli.options import AsJson, Config
from fleeting.cli.terminal import counted, err, fail, note, say, say_json

if TYPE_CHECKING:
    from fleeting.cli.policy_world import World
    from fleeting.policy import PolicySource, Problem
    from fleeting.policy.cases import Case
    from fleeting.policy.testing import Coverage, Result


def run_tests(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", help="Files of tests.", show_default="all of them"),
    ] = None,
    config: Config = None,
    *,
    update: Annotated[
        bool, typer.Option("--update", help="Write into the tests what is true now; review it.")
    ] = False,
    require_coverage: Annotated[
        bool, typer.Option("--require-coverage", help="Exit 1 if anything is not exercised.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the tests in policies/tests/*.toml, and say what no test exercised.

    A test is a request and what must come of it. The exit code is 1 if one fails or cannot be read.
    What no test exercised is told where all files are run; it is no failure by itself.
    """
    from fleeting.cli import policy_test_files
    from fleeting.cli.policy_test_text import report_json, report_text
    from fleeting.cli.policy_world import world_of
    from fleeting.policy.judging import Judge
    from fleeting.policy.testing import run_case

    world = world_of(config)
    sources = policy_test_files.find_files(world.settings.policies, files or [])
    cases, problems = _read(sources, world, updating=update)
    results = [run_case(world.bundle, case) for case in cases]
    if update:
        _complain(problems, sources)
        _say_updated(policy_test_files.update(results), results)
        raise typer.Exit(1 if problems else 0)
    judge = Judge(world.bundle)
    coverage = _coverage(judge, results) if not files else None
    if as_json:
        say_json(report_json(results, problems, coverage, judge))
    else:
        _complain(problems, sources)
        say(report_text(results, coverage, judge))
    gaps = coverage is not None and bool(coverage.gaps)
    if problems or not all(each.passed for each in results) or (require_coverage and gaps):
        fail()


def _read(
    sources: list["PolicySource"], world: "World", *, updating: bool
) -> tuple[list["Case"], list["Problem"]]:
    from fleeting.policy.cases import read_cases

    cases: list[Case] = []
    problems: list[Problem] = []
    for source in sources:
        found, wrong = read_cases(source, world.declared, world.bundle.policies, updating=updating)
        cases += found
        problems += wrong
    return cases, problems


def _coverage(judge: Any, results: list["Result"]) -> "Coverage":  # noqa: ANN401 -- typed inside
    from fleeting.policy.testing import Coverer

    coverer = Coverer(judge)
    for result in results:
        coverer.note(result)
    return coverer.coverage()


def _complain(problems: list["Problem"], sources: list["PolicySource"]) -> None:
    from fleeting.cli.problem_text import problem_text

    texts = {source.name: source.text for source in sources}
    for problem in problems:
        err().print(problem_text(problem, texts[problem.file]))


def _say_updated(count: int, results: list["Result"]) -> None:
    say(f"{counted(count, 'test')} of {len(results)} written anew")
    if count:
        note("review what changed before you commit it: a test that says what is so proves nothing")
