"""``fleeting approve``, ``deny``, ``narrow``, ``ask``, ``answer``: decide what waits for you."""

import sys
from typing import Annotated, Any

import typer

from fleeting.cli.login import Issuer
from fleeting.cli.options import AsJson, Config, pairs
from fleeting.cli.terminal import CommandError, say, say_json

Id = Annotated[
    str, typer.Argument(metavar="ID", help="The request, or what alone begins like its id.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask again.")]


def approve(
    id_: Id,
    config: Config = None,
    *,
    comment: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the record.")] = "",
    offer: Annotated[
        str | None,
        typer.Option(metavar="DIGEST", help="Approve only this offer, as 'show --json' names it."),
    ] = None,
    yes: Yes = False,
    issuer: Issuer = None,
    as_json: AsJson = False,
) -> None:
    """Approve a request, exactly as it is shown.

    Shows what the token would be, and asks. If anything of it changed meanwhile, nothing is
    approved. Without a terminal say --yes, and --offer to approve nothing that you did not see.
    """
    from fleeting.cli.console_api import console_of

    with console_of(config, issuer) as api:
        request = api.shown(api.whole_id(id_))
        if not as_json:
            _show(request)
        _confirm("Approve exactly this?", yes=yes)
        seen = offer or str(request["offer"]["digest"])
        body = {"offer": seen, **({"comment": comment} if comment else {})}
        _report(api.deed(str(request["id"]), "approve", **body), "approved", as_json=as_json)


def deny(
    id_: Id,
    config: Config = None,
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; who asked will read it.")],
    issuer: Issuer = None,
    as_json: AsJson = False,
) -> None:
    """Deny a request; one person's no is enough."""
    do(id_, config, issuer, "deny", "denied", as_json=as_json, reason=reason)


def narrow(  # noqa: PLR0913 -- options, each with a help of its own
    id_: Id,
    field: Annotated[
        list[str] | None,
        typer.Argument(metavar="FIELD=VALUE", help="A field's narrower value; again for others."),
    ] = None,
    config: Config = None,
    *,
    only: Annotated[
        list[int] | None,
        typer.Option(metavar="N", help="Keep only the Nth operation; again for others."),
    ] = None,
    action: Annotated[
        list[str] | None, typer.Option(metavar="ACTION", help="Keep only this action.")
    ] = None,
    lifetime: Annotated[str | None, typer.Option(metavar="30s", help="A shorter life.")] = None,
    uses: Annotated[int | None, typer.Option(min=1, metavar="N", help="Fewer uses.")] = None,
    calls: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Fewer tokens in a plan.")
    ] = None,
    plan_for: Annotated[
        str | None, typer.Option(metavar="1h", help="A shorter time for a plan.")
    ] = None,
    total: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TYPE.FIELD=N", help="The most that a field may add up to over a plan."
        ),
    ] = None,
    issuer: Issuer = None,
    as_json: AsJson = False,
) -> None:
    """Make what is asked for less: a smaller amount, a shorter life, fewer uses; never more.

    Narrowing is not approving: it is what you and others approve from then on, and what who asked
    will get.
    """
    from fleeting.cli.console_api import console_of
    from fleeting.cli.narrowing import limit_members, narrower_operations, plan_members

    body = limit_members(lifetime, uses, plan_members(calls, plan_for, total or ()))
    if not (body or field or only or action):
        raise typer.BadParameter("say what is to be less: amount=2000, --lifetime 30s, --uses 1")
    with console_of(config, issuer) as api:
        request = api.shown(api.whole_id(id_))
        if field or only or action:
            values = pairs("", field or ())
            body["authorization_details"] = narrower_operations(request, values, only, action)
        _report(api.deed(str(request["id"]), "narrow", **body), "narrowed", as_json=as_json)


def ask(
    id_: Id,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Your question.")],
    config: Config = None,
    *,
    issuer: Issuer = None,
    as_json: AsJson = False,
) -> None:
    """Ask those behind a request a question; it goes on waiting."""
    do(id_, config, issuer, "ask", "asked", as_json=as_json, text=text)


def answer(
    id_: Id,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Your answer.")],
    config: Config = None,
    *,
    issuer: Issuer = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question about a request that you stand behind."""
    do(id_, config, issuer, "answer", "answered", as_json=as_json, text=text)


def review(
    id_: Id,
    config: Config = None,
    *,
    note: Annotated[str, typer.Option(metavar="TEXT", help="What you found.")],
    issuer: Issuer = None,
    as_json: AsJson = False,
) -> None:
    """Close the review of a break-glass access, which somebody else took."""
    do(id_, config, issuer, "review", "reviewed", as_json=as_json, note=note)


def do(
    id_: str,
    config: Config,
    issuer: str | None,
    deed: str,
    done: str,
    *,
    as_json: bool,
    **body: str,
) -> None:
    """Do one deed and say what became of the request."""
    from fleeting.cli.console_api import console_of

    with console_of(config, issuer) as api:
        _report(api.deed(api.whole_id(id_), deed, **body), done, as_json=as_json)


def _show(request: dict[str, Any]) -> None:
    from fleeting.cli.requests_text import request_text

    say(request_text(request))


def _confirm(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError("nobody is there to ask: say --yes once you know what it is")
    typer.confirm(question, abort=True)


def _report(request: dict[str, Any], done: str, *, as_json: bool) -> None:
    from fleeting.cli.requests_text import outcome_text

    if as_json:
        say_json(request)
    else:
        say(outcome_text(request, done))
