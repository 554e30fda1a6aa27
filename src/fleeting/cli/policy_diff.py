"""``fleeting policy diff``: prove two sets of policies equivalent, or show what is decided anew."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fleeting.cli.options import AsJson, Config
from fleeting.cli.policy_prove import AllowUnproved, Timeout
from fleeting.cli.terminal import counted, fail, say, say_json

if TYPE_CHECKING:
    from fleeting.policy import PolicyBundle
    from fleeting.policy.proving.comparing import Comparison, Difference

Old = Annotated[str, typer.Argument(help="A directory, a git revision, or a recorded digest.")]
New = Annotated[
    str | None,
    typer.Argument(help="Likewise.", show_default="the installation's policies"),
]


def diff(
    old: Old,
    new: New = None,
    config: Config = None,
    *,
    timeout: Timeout = "10s",
    allow_unproved: AllowUnproved = False,
    as_json: AsJson = False,
) -> None:
    """Prove that two sets of policies decide alike, or list what is decided otherwise.

    What becomes newly permitted, newly denied, or permitted with other limits, for each action and
    the policy responsible, each with a request that the policy engine confirms. Reasons and ids
    are not compared. A git revision means the policies as they were then, REVISION:DIRECTORY those
    of another directory; both sets are read with today's fleeting.toml.

    The exit code is 0 if they are proved equivalent, 1 if they differ, 3 if no difference was
    found, but something is not proved.
    """
    from fleeting.cli.compared_sets import load_named
    from fleeting.cli.proving import UNPROVED, asking_parties, effort
    from fleeting.cli.stored_sets import recorded_set
    from fleeting.server.settings import config_path, load_settings

    tries = effort(timeout)
    from fleeting.policy.proving.comparing import compare

    settings = load_settings(config_path(config))
    recorded = partial(recorded_set, settings)
    before = load_named(old, settings, recorded)
    after = load_named(new or str(settings.policies), settings, recorded)
    found = compare(before, after, asking_parties(settings), tries)
    if as_json:
        say_json(_json(found, before, after))
    else:
        _show(found, before, after)
    if found.differences:
        fail()
    if found.gaps and not allow_unproved:
        raise typer.Exit(UNPROVED)


def _show(found: "Comparison", before: "PolicyBundle", after: "PolicyBundle") -> None:
    from fleeting.cli.proving import why_text

    if found.equivalent:
        say("proved: both sets decide every request alike")
        return
    for each in found.differences:
        _show_difference(each, before, after)
    if found.differences:
        say(f"{counted(len(found.differences), 'difference')}")
    if found.gaps:
        say("not proved: there may be other differences")
        text = why_text(found.gaps, found.tried, "showed no others")
        text.rstrip()
        say(text)


def _show_difference(each: "Difference", before: "PolicyBundle", after: "PolicyBundle") -> None:
    from rich.text import Text

    from fleeting.cli.proving import answer_text, case_lines, indented

    styles = {"newly permitted": "bold red", "newly denied": "yellow", "other limits": "cyan"}
    change = each.change.value
    heading = (f"{change:<15}", styles[change])
    say(Text.assemble(heading, f"  {each.action}", ("  '" + each.policy + "'", "dim")))
    lines = [*case_lines(each.case)]
    lines += [("old", answer_text(each.old, before)), ("new", answer_text(each.new, after))]
    say(indented(lines))


def _json(found: "Comparison", before: "PolicyBundle", after: "PolicyBundle") -> dict[str, Any]:
    from fleeting.cli.proving import answer_json

    return {
        "equivalent": found.equivalent,
        "old": before.digest,
        "new": after.digest,
        "differences": [
            {
                "change": each.change.value,
                "action": each.action,
                "policy": each.policy,
                "request": each.case.to_json(),
                "old": answer_json(each.old),
                "new": answer_json(each.new),
            }
            for each in found.differences
        ],
        "not_proved": list(found.gaps),
        "tried": found.tried,
    }
