"""``fleeting login``, ``logout`` and ``whoami``: who acts when this machine approves."""

import sys
from typing import Annotated, Any

import typer

from fleeting.cli.options import AsJson, Config
from fleeting.cli.terminal import CommandError, say, say_json

Issuer = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The authorization server.",
        show_default="the installation's, or the only one that you are signed in at",
    ),
]


def login(config: Config = None, *, issuer: Issuer = None) -> None:
    """Sign in, so that this command line can act for you.

    It prints an address and a code: open the address in a browser, sign in there, compare the code
    and say yes. Nothing is opened by itself. What is kept on this machine is a session and the key
    that it is bound to, for you alone to read.
    """
    from fleeting.cli.console_api import ConsoleApi, issuer_of, open_http
    from fleeting.cli.device_login import sign_in
    from fleeting.cli.logins import Login, keep

    named = issuer_of(config, issuer)
    if named is None:
        raise CommandError("sign in where? 'fleeting login --issuer https://…'")
    with open_http() as http:
        token, key = sign_in(named, http, _say_at_once)
        who = ConsoleApi(Login(named, token, key), http).get("/api/whoami")
        keep(Login(named, token, key, str(who["id"])))
    say(f"signed in at {named} as {_called(who)}")


def _say_at_once(line: str) -> None:
    """Print before the wait that follows, to a pipe as well."""
    say(line)
    sys.stdout.flush()


def logout(config: Config = None, *, issuer: Issuer = None) -> None:
    """End the session, here and at the server."""
    from fleeting.cli.console_api import ApiRefusalError, console_of
    from fleeting.cli.logins import forget

    with console_of(config, issuer) as api:
        try:
            api.post("/api/logout", {})
        except ApiRefusalError as error:
            if error.error != "invalid_token":  # over already: that is what was wanted
                raise
        finally:
            forget(api.login.issuer)
        say(f"signed out of {api.login.issuer}")


def whoami(config: Config = None, *, issuer: Issuer = None, as_json: AsJson = False) -> None:
    """Say who you are to the server, in which groups, and what you may do there."""
    from fleeting.cli.console_api import console_of
    from fleeting.cli.requests_text import shown_instant
    from fleeting.cli.words import clean

    with console_of(config, issuer) as api:
        who = api.get("/api/whoami")
    if as_json:
        say_json(who)
        return
    say(f"{_called(who)} at {api.login.issuer}")
    say(f"groups     {', '.join(map(clean, who['groups'])) or 'none'}")
    say(f"may        {', '.join(map(clean, who['may'])) or 'nothing'}")
    say(f"signed in  {shown_instant(who['signed_in_at'])}")
    for each in who["delegations"]:
        say(
            f"away       until {shown_instant(each['until'])}: {clean(each['to'])} may vote for you"
        )


def _called(who: dict[str, Any]) -> str:
    from fleeting.cli.words import clean

    id_, name = clean(who["id"]), clean(who["name"])
    return id_ if id_ == name else f"{name} ({id_})"
