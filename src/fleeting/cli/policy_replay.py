"""``fleeting policy replay``: what another set of policies would have said of what was asked."""

import asyncio
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from fleeting.cli.options import AsJson, Config, moment
from fleeting.cli.terminal import complain, fail, note, say, say_json

if TYPE_CHECKING:
    from fleeting.cli.replay_text import Replayed
    from fleeting.policy.replay_report import ReplayReport
    from fleeting.server.settings import Settings

Since = Annotated[
    str, typer.Option(metavar="WHEN", help="From so long ago, or from an instant (ISO 8601, UTC).")
]
Until = Annotated[
    str | None, typer.Option(metavar="WHEN", help="To so long ago, or to an instant; now.")
]
OfType = Annotated[
    str | None, typer.Option("--type", metavar="TYPE", help="Only operations of this type.")
]
OfClient = Annotated[
    str | None, typer.Option("--client", metavar="CLIENT_ID", help="Only what this client asked.")
]


class FailOn(StrEnum):
    """What ends in exit code 1."""

    NEWLY_PERMITTED = "newly-permitted"
    NEWLY_DENIED = "newly-denied"
    LIMITS_CHANGED = "limits-changed"
    FAULTS = "faults"
    ANY = "any"


def replay(
    config: Config = None,
    *,
    candidate: Annotated[
        str | None,
        typer.Option(
            metavar="SET",
            help="A directory, a git revision or a recorded digest; by default, what is in use.",
        ),
    ] = None,
    since: Since = "7d",
    until: Until = None,
    type_: OfType = None,
    client: OfClient = None,
    fail_on: Annotated[
        list[FailOn] | None,
        typer.Option(
            metavar="KIND",
            help="End with exit code 1 if there is any, or nothing was replayed. Repeatable: "
            "newly-permitted, newly-denied, limits-changed, faults, any.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Decide the recorded requests of a period again, with other policies, and show the difference.

    Every request is decided as it was: its subject, context and time, and the ceilings of then.
    What is newly permitted or denied, and which limits change, is counted by the policy that makes
    the difference, with examples for 'fleeting explain'. Access that needs approval, a stronger
    login or a key stands between denied and permitted.

    The same policies must decide the same again; where they do not, that is a fault. It only reads
    the ledger, a little at a time, so that the server is not slowed down.
    """
    from fleeting.cli.replay_text import replay_json, replay_text

    replayed = _replay(config, candidate, (since, until), type_, client)
    if as_json:
        say_json(replay_json(replayed))
    else:
        say(replay_text(replayed))
    _remark(replayed.report)
    if fail_on and not replayed.report.requests:
        fail()  # a gate that looked at nothing has found nothing out
    if any(_found(replayed.report, each) for each in fail_on or ()):
        fail()


def _replay(
    config: Config,
    candidate: str | None,
    period: tuple[str, str | None],
    type_: str | None,
    client: str | None,
) -> "Replayed":
    from fleeting.cli.compared_sets import load_named
    from fleeting.cli.reading import ledger_of
    from fleeting.cli.replay_text import Replayed
    from fleeting.cli.sifting import REQUESTS, deciding, dumps, progress, sift
    from fleeting.cli.stored_sets import recorded_set
    from fleeting.policy.replay_report import ReplayReport
    from fleeting.policy.replaying import Replaying
    from fleeting.server.settings import config_path, load_settings

    settings = load_settings(config_path(config))
    since, until = span(*period)
    name = candidate or str(settings.policies)
    bundle = load_named(name, settings, partial(recorded_set, settings), as_recorded=True)
    check_type(settings, type_)
    replaying = Replaying(bundle, operation_type=type_, dumps=dumps)
    report = ReplayReport()
    with ledger_of(settings) as evidence, progress("replaying") as advance:
        take = deciding(replaying, report.add, report.left_out, client)
        asyncio.run(sift(evidence, REQUESTS, (since, until), take, advance))
    return Replayed(report, bundle, name, since, until)


def span(since: str, until: str | None) -> tuple[datetime, datetime]:
    """Return the period that ``--since`` and ``--until`` say.

    Raises:
        typer.BadParameter: they say none.
    """
    now = datetime.now(UTC)
    start, end = moment(since, now), now if until is None else moment(until, now)
    if start >= end:
        raise typer.BadParameter(f"--since {since} is not before the end of the period")
    return start, end


def check_type(settings: "Settings", type_: str | None) -> None:
    """Refuse a ``--type`` that is not declared.

    Raises:
        typer.BadParameter: with what is.
    """
    from fleeting.core.declaring import nearest
    from fleeting.core.model import SCOPE_TYPE

    known = (*settings.types, SCOPE_TYPE)
    if type_ is not None and type_ not in known:
        hint = nearest(type_, known) or f"; there are {', '.join(known)}"
        raise typer.BadParameter(f"--type {type_}: no such operation type is declared{hint}")


def _remark(report: "ReplayReport") -> None:
    """Say on standard error what the result leaves out."""
    from fleeting.cli.replay_text import remark

    if report.faults.count:
        complain(
            f"not the same again, of what these very policies decided: {report.faults.count:,}; "
            "this must not be. If 'fleeting audit verify' finds nothing altered, please report it"
        )
    remark(report.left_out)
    if report.requests and not report.exact:
        note("none of them was decided by these very policies then: --fail-on faults shows nothing")
    if not report.requests:
        note("no request was replayed: --since says from when on, --client and --type whose")


def _found(report: "ReplayReport", wanted: FailOn) -> bool:
    counts = {each.value: count for each, count in report.decisions.items()}
    counts["faults"] = report.faults.count
    if wanted is FailOn.ANY:
        return any(counts.get(each.value) for each in FailOn)
    return bool(counts.get(wanted.value))
