"""``fleeting return``, ``cancel``, ``extend``, ``revoke``, ``away``: before, after, and instead."""

from typing import Annotated, Any

import typer

from fleeting.cli.approving import Id, do
from fleeting.cli.login import Issuer
from fleeting.cli.options import AsJson, Config, duration
from fleeting.cli.terminal import CommandError, say, say_json

_Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why, for the record.")]


def return_(
    id_: Id,
    config: Config = None,
    *,
    reason: _Reason = "",
    issuer: Issuer = None,
    as_json: AsJson = False,
) -> None:
    """Give access back before its end: its tokens are refused from now on."""
    said = {"reason": reason} if reason else {}
    do(id_, config, issuer, "return", "returned", as_json=as_json, **said)


def cancel(
    id_: Id,
    config: Config = None,
    *,
    reason: _Reason = "",
    issuer: Issuer = None,
    as_json: AsJson = False,
) -> None:
    """Take back a request that still waits."""
    said = {"reason": reason} if reason else {}
    do(id_, config, issuer, "cancel", "cancelled", as_json=as_json, **said)


def extend(
    id_: Id,
    config: Config = None,
    *,
    by: Annotated[str, typer.Option("--by", metavar="1h", help="How much longer.")],
    issuer: Issuer = None,
    as_json: AsJson = False,
) -> None:
    """Ask for more time before the end; the same people decide, and there is no gap."""
    duration(by)
    do(id_, config, issuer, "extend", "asked to be extended", as_json=as_json, duration=by)


def revoke(  # noqa: PLR0913 -- options, each with a help of its own
    id_: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="The request, or what alone begins like its id."),
    ] = None,
    config: Config = None,
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the record.")],
    client: Annotated[
        str | None, typer.Option(metavar="CLIENT_ID", help="Everything of this client.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option(metavar="SUBJECT", help="Everything of this subject.")
    ] = None,
    approver: Annotated[
        str | None, typer.Option(metavar="PERSON", help="Everything that this person approved.")
    ] = None,
    token: Annotated[str | None, typer.Option(metavar="JTI", help="One token, by its jti.")] = None,
    issuer: Issuer = None,
    as_json: AsJson = False,
) -> None:
    """Take access away: every use is refused from the moment that it is recorded."""
    from fleeting.cli.console_api import console_of

    everything = {"client": client, "subject": subject, "approver": approver, "token": token}
    named = {kind: value for kind, value in everything.items() if value is not None}
    if len(named) + (id_ is not None) != 1:
        raise typer.BadParameter("name one: ID, --client, --subject, --approver or --token")
    if id_ is not None:
        do(id_, config, issuer, "revoke", "revoked", as_json=as_json, reason=reason)
        return
    with console_of(config, issuer) as api:
        found = api.post("/api/revoke", {**named, "reason": reason})
    _say_revoked(found, as_json=as_json)


def _say_revoked(found: dict[str, Any], *, as_json: bool) -> None:
    from fleeting.cli.words import clean

    if as_json:
        say_json(found)
    else:
        say(f"revoked: everything of {clean(found['kind'])} {clean(found['value'])}")


def away(
    config: Config = None,
    *,
    to: Annotated[
        str | None, typer.Option("--to", metavar="PERSON", help="Who votes in your place.")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="TIME", help="Such as 2026-10-01T12:00, or 3d."),
    ] = None,
    back: Annotated[bool, typer.Option("--back", help="Nobody votes for you any more.")] = False,
    issuer: Issuer = None,
    as_json: AsJson = False,
) -> None:
    """Let somebody else vote in your place while you are away; you and they count once."""
    from fleeting.cli.console_api import console_of

    if back == (to is not None) or (to is None) != (until is None):
        raise typer.BadParameter("write --to PERSON --until TIME, or --back")
    body = {} if to is None else {"to": to, "until": _until(until or "")}
    with console_of(config, issuer) as api:
        person = api.post("/api/delegate", body)
    if as_json:
        say_json(person)
    else:
        _say_away(person)


def _say_away(person: dict[str, Any]) -> None:
    from fleeting.cli.requests_text import shown_instant
    from fleeting.cli.words import clean

    for each in person["delegations"]:
        say(f"{clean(each['to'])} votes in your place until {shown_instant(each['until'])}")
    if not person["delegations"]:
        say("nobody votes in your place")


def _until(text: str) -> str:
    import re
    from datetime import UTC, datetime, timedelta

    ahead = re.fullmatch(r"([1-9][0-9]{0,3})([hd])", text)
    if ahead is not None:
        unit = "hours" if ahead[2] == "h" else "days"
        return (datetime.now(UTC) + timedelta(**{unit: int(ahead[1])})).isoformat()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{text!r} is no time: write 2026-10-01T12:00, or 3d") from None
    return (at if at.tzinfo is not None else at.astimezone()).isoformat()
