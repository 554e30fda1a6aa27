"""``fleeting policy prove``: what the policies can never do, proved, or a request that shows it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fleeting.cli.options import AsJson, Config
from fleeting.cli.terminal import CommandError, counted, err, fail, say, say_json

if TYPE_CHECKING:
    from rich.text import Text

    from fleeting.policy import PolicyBundle, PolicySource
    from fleeting.policy.proving.proofs import Verdict
    from fleeting.policy.proving.properties import Property

DIRECTORY = "properties"
Files = Annotated[
    list[Path] | None,
    typer.Argument(help="Files of properties.", show_default="policies/properties/*.toml"),
]
Timeout = Annotated[
    str, typer.Option("--timeout", help="How long to think about one question, such as 10s.")
]
AllowUnproved = Annotated[
    bool,
    typer.Option("--allow-unproved", help="Exit with 0, not 3, where something is not proved."),
]
_STYLES = {"proved": "green", "counterexample": "bold red"}


def prove(
    files: Files = None,
    config: Config = None,
    *,
    timeout: Timeout = "10s",
    allow_unproved: AllowUnproved = False,
    as_json: AsJson = False,
) -> None:
    """Prove each property of the policies, or show a request that breaks it.

    Properties are tables in policies/properties/*.toml: what must 'never' be (permitted,
    lifetime_over, uses_over, approvals_under, unbound, bound_under) of 'types', 'actions' or
    all that is 'sensitive', and perhaps 'when', a Cedar condition. A proof covers every token
    that the declared clients and identity providers can ask for (decisions for enforcement
    points aside); a counterexample is one that the policy engine confirms. What cannot be
    proved is tried at boundary values, and said to be no proof.

    The exit code is 0 if all is proved, 1 if something is broken or wrong, 3 if something is not
    proved, or speaks of no request at all.
    """
    from fleeting.cli.proving import UNPROVED, effort, parties_of
    from fleeting.server.installing import load_policy_set
    from fleeting.server.settings import config_path, load_settings

    tries = effort(timeout)
    from fleeting.policy.proving.proofs import Prover, Status

    settings = load_settings(config_path(config))
    bundle = load_policy_set(settings)
    sources = _sources(files or [], settings.policies / DIRECTORY)
    properties = _checked(sources, bundle, as_json=as_json)
    prover = Prover(bundle, parties_of(settings), tries)
    verdicts = []
    for each in properties:
        verdict = prover.prove(each)
        verdicts.append(verdict)
        if not as_json:
            say(_verdict_text(verdict, bundle))
    statuses = {each.status for each in verdicts}
    if as_json:
        say_json({"ok": statuses == {Status.PROVED}, "properties": [*map(_json, verdicts)]})
    if Status.BROKEN in statuses:
        fail()
    if statuses & {Status.OPEN, Status.VACUOUS} and not allow_unproved:
        raise typer.Exit(UNPROVED)


def _sources(files: list[Path], directory: Path) -> list["PolicySource"]:
    from fleeting.cli.whole_files import read_text
    from fleeting.policy import PolicySource

    paths = files or sorted(directory.glob("*.toml"))
    if not paths:
        raise CommandError(
            f"there are no properties in {directory}: write such as\n\n"
            "  [[properties]]\n"
            '  name = "no refund token lives longer than five minutes"\n'
            '  types = ["payment_refund"]\n'
            '  never = { lifetime_over = "5m" }'
        )
    return [PolicySource(str(path), read_text(path)) for path in paths]


def _checked(
    sources: list["PolicySource"], bundle: "PolicyBundle", *, as_json: bool
) -> tuple["Property", ...]:
    from dataclasses import asdict

    from fleeting.cli.problem_text import problem_text
    from fleeting.policy import PolicyProblems
    from fleeting.policy.proving.properties import load_properties

    try:
        return load_properties(sources, bundle.world)
    except PolicyProblems as found:
        if as_json:
            say_json({"ok": False, "problems": [asdict(each) for each in found.problems]})
            fail()
        texts = {source.name: source.text for source in sources}
        for problem in found.problems:
            err().print(problem_text(problem, texts.get(problem.file, "")))
        fail(f"{counted(len(found.problems), 'problem')} in the properties")


def _verdict_text(verdict: "Verdict", bundle: "PolicyBundle") -> "Text":
    from rich.text import Text

    from fleeting.cli.problem_text import nearby
    from fleeting.cli.proving import answer_text, case_lines, indented, why_text

    status = verdict.status.value
    note = f" ({verdict.note})" if verdict.note else ""
    text = Text.assemble(
        (f"{status:<14}", _STYLES.get(status, "yellow")), f"  {verdict.property.name}{note}"
    )
    found = verdict.counterexample
    if found is not None:
        text.append(f"  {nearby(verdict.property.file)}:{verdict.property.line}\n", "dim")
        lines = [*case_lines(found.case), ("decided", answer_text(found.answer, bundle))]
        return text.append_text(indented(lines))
    if verdict.why:
        text.append("\n").append_text(why_text(verdict.why, verdict.tried, "did not break it"))
    text.rstrip()
    return text


def _json(verdict: "Verdict") -> dict[str, Any]:
    from fleeting.cli.proving import answer_json

    found = verdict.counterexample
    return {
        "name": verdict.property.name,
        "file": verdict.property.file,
        "line": verdict.property.line,
        "status": verdict.status.value,
        "note": verdict.note,
        "why": list(verdict.why),
        "tried": verdict.tried,
        "counterexample": None
        if found is None
        else {"request": found.case.to_json(), **answer_json(found.answer)},
    }
