"""``fleeting policy rightsize``: tighter policies, from what was used of what was granted."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleeting.cli.options import AsJson, Config
from fleeting.cli.policy_replay import Since, Until, span
from fleeting.cli.terminal import counted, note, say, say_file, say_json

if TYPE_CHECKING:
    from fleeting.cli.rightsizing import Rightsized
    from fleeting.policy import PolicySource

_MOST_HEADROOM = 10


def rightsize(
    config: Config = None,
    *,
    since: Since = "30d",
    until: Until = None,
    headroom: Annotated[
        str, typer.Option(metavar="SHARE", help="How much above what was used is left.")
    ] = "20%",
    min_uses: Annotated[
        int, typer.Option(min=1, help="Propose nothing for a permit with fewer uses.")
    ] = 20,
    diff: Annotated[bool, typer.Option("--diff", help="Print the patch alone.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Change the policy files.")] = False,
    as_json: AsJson = False,
) -> None:
    """Propose tighter policies from what was used of what was granted, with the evidence.

    Amounts, lifetimes and uses that nobody needed so much of, actions that nobody asked for, and
    permits that nobody needed. Every recorded request is decided anew by the policies as they are;
    what the ledger says was used of its token counts.

    Then every use is tried on the result: what would refuse anything that was used, or permit
    anything that is refused now, is not proposed. What is used once a year is not used in a month:
    read before you apply it, with 'patch -p1', 'git apply' or --write.
    """
    from fleeting.cli.rightsize_text import patch, rightsize_json, rightsize_text

    rightsized = _rightsize(config, span(since, until), (_share(headroom), min_uses))
    if as_json:
        say_json(rightsize_json(rightsized))
    elif diff:
        say_file(patch(rightsized))
    else:
        say(rightsize_text(rightsized))
    _remark(rightsized)
    if write:
        _write(rightsized.sources, rightsized.changed)


def _share(text: str) -> Decimal:
    try:
        share = Decimal(text[:-1]) / 100 if text.endswith("%") else Decimal(text)
    except InvalidOperation:
        share = Decimal(-1)
    if not share.is_finite() or not 0 <= share <= _MOST_HEADROOM:
        raise typer.BadParameter(f"--headroom {text}: write a share such as 20%")
    return share


def _rightsize(
    config: Config, period: tuple[datetime, datetime], margins: tuple[Decimal, int]
) -> "Rightsized":
    from fleeting.cli.rightsizing import Sizing
    from fleeting.policy.rightsizing import Margins
    from fleeting.server.settings import config_path, load_settings

    settings = load_settings(config_path(config))
    return Sizing(settings, period, Margins(*margins)).result()


def _remark(rightsized: "Rightsized") -> None:
    """Say on standard error what the result leaves out."""
    from fleeting.cli.replay_text import remark

    remark(rightsized.left_out)
    if rightsized.dropped:
        note(
            f"{counted(rightsized.dropped, 'proposal')} would have refused something that was "
            "used, or permitted more elsewhere, and is not made"
        )


def _write(before: Sequence["PolicySource"], after: Sequence["PolicySource"]) -> None:
    """Put *after* in the place of what they were made from, each whole or not at all.

    Raises:
        CommandError: one of them was changed since it was read, and so none is.
    """
    from fleeting.cli.problem_text import nearby
    from fleeting.cli.terminal import CommandError
    from fleeting.cli.whole_files import replace_text
    from fleeting.server.installing import policy_sources

    texts = {source.name: source.text for source in before}
    directories = {Path(source.name).parent for source in after}
    now = {each.name: each.text for directory in directories for each in policy_sources(directory)}
    for source in after:
        if now.get(source.name) != texts[source.name]:
            message = f"{nearby(source.name)} was changed meanwhile: nothing is written, try again"
            raise CommandError(message)
    for source in after:
        replace_text(Path(source.name), source.text)
        note(f"changed {nearby(source.name)}")
