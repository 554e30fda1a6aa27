"""The commands, as ``fleeting --help`` lists them."""

from typing import Annotated

import typer

from fleeting import __version__
from fleeting.cli import audit, db, keys, people, people_commands, policy_commands
from fleeting.cli.demo import demo
from fleeting.cli.explain import explain
from fleeting.cli.groups import TakesIds, add, group
from fleeting.cli.init import init
from fleeting.cli.request import request
from fleeting.cli.serve import serve

app = group(
    "fleeting",
    "Just-in-time access for OAuth 2.0: narrow, bound, short-lived tokens that are spent.",
    "fleeting demo",
    "fleeting init my-installation",
    "fleeting serve -c my-installation/fleeting.toml",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fleeting {__version__}")
        raise typer.Exit


@app.callback()
def fleeting(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """Just-in-time access for OAuth 2.0: narrow, bound, short-lived tokens that are spent."""


add(
    app,
    init,
    "fleeting init my-installation",
    "fleeting init . --issuer https://auth.example.com",
)
add(
    app,
    serve,
    "fleeting serve -c my-installation/fleeting.toml",
    "fleeting serve --workers 4 --bind 0.0.0.0:8400",
)
add(app, demo, "fleeting demo", "fleeting demo --keep --port 8400")
add(
    app,
    request,
    "fleeting request --type payment_refund --field payment_id=42 \\",
    "    --field amount=5000 --field currency=EUR --context ticket=INC-7",
    "fleeting request POST http://127.0.0.1:8401/payments/42/refunds \\",
    '    --json-body \'{"amount":5000,"currency":"EUR"}\'',
    "fleeting request --scope payments:read --issuer https://auth.example.com \\",
    "    --client support-bot --key support-bot.jwk.json",
)
add(
    app,
    explain,
    "fleeting explain 5vAq0cVJ3T1Gm1r0w1o8Yg",
    "fleeting explain 5vAq0cVJ3T1Gm1r0w1o8Yg --json | jq .answers",
    cls=TakesIds,
)
people_commands.add_to(app)
app.add_typer(audit.app)
app.add_typer(policy_commands.app)
app.add_typer(people.app)
app.add_typer(keys.app)
app.add_typer(db.app)
