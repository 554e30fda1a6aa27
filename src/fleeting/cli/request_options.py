"""The options of ``fleeting request``: what to ask for, the call to make, and who asks."""

from pathlib import Path
from typing import Annotated

import typer

ASKING, _CALLING, _WHO = "What to ask for", "The call to make", "Who asks"
_WAITING = "Where people decide"

Method = Annotated[str | None, typer.Argument(metavar="METHOD", help="With a URL: make this call.")]
Url = Annotated[str | None, typer.Argument(metavar="URL", help="The guarded API's URL.")]
Type = Annotated[
    str | None, typer.Option("--type", help="The operation's type.", rich_help_panel=ASKING)
]
Actions = Annotated[
    list[str] | None,
    typer.Option(
        "--action",
        metavar="ACTION",
        help="One of the type's actions.",
        show_default="its only one",
        rich_help_panel=ASKING,
    ),
]
Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--field",
        metavar="NAME=VALUE",
        help="A field that bounds the operation; again for others, or for one of several.",
        rich_help_panel=ASKING,
    ),
]
Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", metavar="SCOPE", help="An OAuth scope.", rich_help_panel=ASKING),
]
Resource = Annotated[
    str | None, typer.Option(help="The API that the token is for.", rich_help_panel=ASKING)
]
ShowToken = Annotated[
    bool,
    typer.Option("--show-token", help="Print the token itself too.", rich_help_panel=ASKING),
]
Plan = Annotated[
    str | None,
    typer.Option(
        metavar="JSON",
        help='Ask for standing work, such as {"calls": 10, "duration": "2h"}.',
        rich_help_panel=ASKING,
    ),
]
BreakGlass = Annotated[
    str | None,
    typer.Option(
        metavar="REASON",
        help="Why this cannot wait for anybody: somebody is alarmed, and reviews it.",
        rich_help_panel=_WAITING,
    ),
]
NoWait = Annotated[
    bool,
    typer.Option(
        "--no-wait", help="Do not wait for people: print how to go on.", rich_help_panel=_WAITING
    ),
]
Resume = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="Go on with the request of that id, or have another token of its plan.",
        rich_help_panel=_WAITING,
    ),
]
JsonBody = Annotated[
    str | None, typer.Option(metavar="JSON", help="Its body.", rich_help_panel=_CALLING)
]
Context = Annotated[
    list[str] | None,
    typer.Option(
        "--context",
        metavar="NAME=VALUE",
        help="What the request says of itself, such as ticket=INC-7.",
    ),
]
Client = Annotated[
    str | None,
    typer.Option(
        help="Its client_id.", show_default="the installation's first", rich_help_panel=_WHO
    ),
]
Key = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Its private key, a JWK or PEM.",
        show_default="CLIENT.jwk.json beside its public one",
        rich_help_panel=_WHO,
    ),
]
Issuer = Annotated[
    str | None,
    typer.Option(
        help="The authorization server.",
        show_default="the installation's",
        rich_help_panel=_WHO,
    ),
]
SubjectToken = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Act for the person whom this token is of.", rich_help_panel=_WHO
    ),
]
