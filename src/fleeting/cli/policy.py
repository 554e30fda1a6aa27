"""``fleeting policy check``: say what is wrong with a set of policies, and what is doubtful."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleeting.cli.groups import add, group
from fleeting.cli.options import AsJson, Config
from fleeting.cli.terminal import counted, err, fail, note, say, say_json

if TYPE_CHECKING:
    from fleeting.policy import PolicyBundle, PolicySource, Problem
    from fleeting.server.settings import Settings

app = group(
    "policy",
    "Write, check, test, prove and change the policies of an installation.",
    "fleeting policy check",
    "fleeting policy test",
)

_PATIENCE = "2s"
"""How long the solver may think about one question before it keeps silent."""


class Format(StrEnum):
    """How findings are told."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found. bundle: None if there is an error. sources: by their name."""

    errors: tuple["Problem", ...]
    warnings: tuple["Problem", ...]
    bundle: "PolicyBundle | None"
    sources: dict[str, str]
    files: int

    @property
    def policies(self) -> int | None:
        """How many policies there are, if they can be loaded."""
        return None if self.bundle is None else len(self.bundle.policies)

    @property
    def digest(self) -> str | None:
        """What names the set, if it can be loaded."""
        return None if self.bundle is None else self.bundle.digest

    @property
    def problems(self) -> tuple["Problem", ...]:
        """Every finding, errors first."""
        return (*self.errors, *self.warnings)


def check(
    config: Config = None,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings, too.")] = False,
    accept: Annotated[
        list[str] | None,
        typer.Option("--accept", metavar="WARNING", help="Leave out these warnings. Repeatable."),
    ] = None,
    global_budget: Annotated[
        int, typer.Option(min=0, help="How many policies may have no condition in their scope.")
    ] = 20,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out what takes a solver to find.")
    ] = False,
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format", help="How to tell it.", show_default="text; github in GitHub Actions"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find every error in the policies, and whatever is right but probably not meant.

    They are parsed, checked against the declared operation types, and linted, as 'fleeting serve'
    does when it starts: what is wrong then is an error. So are the roles of people, in console/,
    where there are any. Warnings are about what can be loaded: of
    permits that give too much or nothing, ids that nobody has, operations that nobody may do.

    The exit code is 1 if there is an error, with --strict also if there is a warning. A policy
    accepts a warning with @accept("unlimited-uses: it only reads").
    """
    from fleeting.server.settings import config_path, load_settings

    path = config_path(config)
    chosen = Format.JSON if as_json else format_ or _usual_format()
    accepted = _rules(accept or [])
    found = _check(load_settings(path), path, budget=global_budget, quick=quick)
    warnings = tuple(each for each in found.warnings if each.rule not in accepted)
    found = replace(found, warnings=warnings)
    failed = bool(found.errors or (strict and found.warnings))
    _tell(found, chosen, ok=not failed)
    if failed:
        fail()


def _tell(found: Checked, chosen: Format, *, ok: bool) -> None:
    from fleeting.cli.policy_reports import github, report, sarif
    from fleeting.cli.problem_text import problem_text

    if chosen is Format.JSON:
        facts = {"policies": found.policies, "files": found.files, "digest": found.digest}
        say_json({"ok": ok, **report(found.errors, found.warnings, **facts)})
    elif chosen is Format.SARIF:
        say_json(sarif(found.problems, found.sources))
    elif chosen is Format.GITHUB:
        for line in github(found.problems, found.sources):
            typer.echo(line)
        _sum_up(found)
    else:
        for problem in found.problems:
            err().print(problem_text(problem, found.sources.get(problem.file, "")))
        _sum_up(found)


def _usual_format() -> Format:
    import os

    return Format.GITHUB if os.environ.get("GITHUB_ACTIONS") == "true" else Format.TEXT


def _rules(names: Iterable[str]) -> frozenset[str]:
    from fleeting.core.declaring import nearest
    from fleeting.policy.rules import WARNINGS

    for name in names:
        if name not in WARNINGS:
            hint = nearest(name, WARNINGS) or f"; there are {', '.join(WARNINGS)}"
            raise typer.BadParameter(f"--accept: no warning is called '{name}'{hint}")
    return frozenset(names)


def _check(settings: "Settings", path: Path, *, budget: int, quick: bool) -> Checked:
    from fleeting.policy import PolicyProblems, load_policies
    from fleeting.policy.reviewing import review, sound_part
    from fleeting.server.installing import policy_sources, policy_world
    from fleeting.server.reviewing import declared_parties

    sources, world = policy_sources(settings.policies), policy_world(settings)
    declared = declared_parties(settings, path)
    roles, wrong = _roles(settings)
    texts = {each.name: each.text for each in (*sources, *roles, declared.settings)}
    files = len(sources) + len(roles)
    try:
        bundle = load_policies(sources, world)
    except PolicyProblems as found:
        part = sound_part(sources, world, found.problems)
        warnings = () if part is None else review(part, declared, whole=False)
        return Checked((*found.problems, *wrong), warnings, None, texts, files)
    more = None if quick else _solved(bundle, settings)
    warnings = review(bundle, declared, more=more, budget=budget)
    return Checked(wrong, warnings, bundle, texts, files)


def _roles(settings: "Settings") -> "tuple[Sequence[PolicySource], tuple[Problem, ...]]":
    """Return the installation's own files of roles, and what is wrong with them."""
    from fleeting.policy import PolicyProblems
    from fleeting.policy.roles import CedarRoles
    from fleeting.server.console_policies import role_sources

    if settings.console_policies is None:
        return (), ()
    sources = role_sources(settings.console_policies)
    try:
        CedarRoles(sources)
    except PolicyProblems as found:
        return sources, found.problems
    return sources, ()


def _solved(bundle: "PolicyBundle", settings: "Settings") -> "Iterable[Problem] | None":
    """Return what a solver finds in *bundle*; None where none is installed."""
    if find_spec("z3") is None:
        note("z3 is not installed: policies without effect are found in plain cases only")
        return None
    from fleeting.cli.proving import asking_parties, effort
    from fleeting.policy.proving.findings import findings

    return findings(bundle, asking_parties(settings), effort(_PATIENCE))


def _sum_up(found: Checked) -> None:
    errors, warnings = len(found.errors), len(found.warnings)
    files = counted(found.files, "file")
    told = [counted(errors, "error")] if errors else []
    told += [counted(warnings, "warning")] if warnings else []
    if found.bundle is None:
        err().print(f"{' and '.join(told)} in {files}")
        return
    count = len(found.bundle.policies)
    what = counted(count, "policy", "policies")
    say(f"{what} in {files}: {' and '.join(told) or 'nothing wrong'}")
    if not count:
        say("(with no policy, nothing is permitted)")


add(
    app,
    check,
    "fleeting policy check -c my-installation/fleeting.toml",
    "fleeting policy check --strict --accept unpermitted-operation",
    "fleeting policy check --format sarif > policies.sarif",
    "fleeting policy check --json | jq '.problems[].message'",
)
