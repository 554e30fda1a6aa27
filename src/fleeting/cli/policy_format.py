"""``fleeting policy format``: lay policies out as the Cedar editor extension does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleeting.cli.options import AsJson, Config
from fleeting.cli.terminal import counted, err, fail, harmless, say, say_json

if TYPE_CHECKING:
    from fleeting.policy import Problem


@dataclass(frozen=True, slots=True)
class Layout:
    """One file as it is and as it would be; formatted: None where it is no Cedar."""

    path: Path
    text: str
    formatted: str | None
    problems: tuple["Problem", ...] = ()

    @property
    def is_changed(self) -> bool:
        """Say whether formatting changes it."""
        return self.formatted not in (None, self.text)


def format_(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="By default all policies of the installation."),
    ] = None,
    *,
    config: Config = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if a file would change.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Write nothing; show what would change.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Format policies as the Cedar editor extension does.

    Comments stay, and what a policy means never changes: where the formatter would change it, the
    policy is left as it is. A file with a syntax error is left alone and reported.

    The exit code is 1 if a file has an error, with --check also if a file would change.
    """
    layouts = [_layout(path) for path in files or _installed(config)]
    changed = [layout for layout in layouts if layout.is_changed]
    if not check and not diff:
        from fleeting.cli.whole_files import replace_text

        for layout in changed:
            replace_text(layout.path, layout.formatted or "")
    if as_json:
        say_json(_report(layouts, written=not check and not diff))
    else:
        _tell(layouts, changed, written=not check and not diff, diff=diff)
    if any(layout.problems for layout in layouts) or (check and changed):
        fail()


def _installed(config: Path | None) -> list[Path]:
    from fleeting.server.installing import policy_sources
    from fleeting.server.settings import config_path, load_settings

    settings = load_settings(config_path(config))
    return [Path(source.name) for source in policy_sources(settings.policies)]


def _layout(path: Path) -> Layout:
    from fleeting.cli.whole_files import read_text
    from fleeting.policy import PolicyProblems, PolicySource
    from fleeting.policy.formatting import format_source

    text = read_text(path)
    try:
        return Layout(path, text, format_source(PolicySource(str(path), text)))
    except PolicyProblems as found:
        return Layout(path, text, None, found.problems)


def _report(layouts: Sequence[Layout], *, written: bool) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "written": written,
        "changed": [str(layout.path) for layout in layouts if layout.is_changed],
        "problems": [asdict(problem) for layout in layouts for problem in layout.problems],
    }


def _tell(
    layouts: Sequence[Layout], changed: Sequence[Layout], *, written: bool, diff: bool
) -> None:
    from fleeting.cli.problem_text import nearby, problem_text

    for layout in layouts:
        for problem in layout.problems:
            err().print(problem_text(problem, layout.text))
    if diff:
        for layout in changed:
            typer.echo(harmless("".join(_diff(layout))), nl=False)
        return
    for layout in changed:
        say(f"{'formatted' if written else 'would format'} {nearby(str(layout.path))}")
    same = sum(layout.formatted == layout.text for layout in layouts)
    if not changed and same == len(layouts):
        say(f"{counted(same, 'file')}: formatted already")


def _diff(layout: Layout) -> Iterator[str]:
    from difflib import unified_diff

    from fleeting.cli.problem_text import nearby

    name = nearby(str(layout.path))
    before, after = (
        layout.text.splitlines(keepends=True),
        (layout.formatted or "").splitlines(keepends=True),
    )
    return unified_diff(before, after, name, f"{name} (formatted)")
