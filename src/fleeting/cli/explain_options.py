"""The options of ``fleeting policy explain``: a request that nobody sent, or one that was."""

from typing import Annotated

import typer

_ASKED, _WHO, _WHICH = "What is asked", "Who asks", "Another request"

Id = Annotated[
    str | None,
    typer.Argument(metavar="ID", help="A recorded request's id, txn or jti.", show_default=False),
]
Test = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The request of this test.", rich_help_panel=_WHICH),
]
Type = Annotated[
    str | None, typer.Option("--type", help="The operation's type.", rich_help_panel=_ASKED)
]
Actions = Annotated[
    list[str] | None,
    typer.Option(
        "--action",
        metavar="ACTION",
        help="One of the type's actions.",
        show_default="its only one",
        rich_help_panel=_ASKED,
    ),
]
Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--field",
        metavar="NAME=VALUE",
        help="A field that bounds the operation; again for others, or for one of several.",
        rich_help_panel=_ASKED,
    ),
]
Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", metavar="SCOPE", help="An OAuth scope.", rich_help_panel=_ASKED),
]
Resource = Annotated[
    str | None, typer.Option(help="The API that the token is for.", rich_help_panel=_ASKED)
]
Context = Annotated[
    list[str] | None,
    typer.Option(
        "--context",
        metavar="NAME=VALUE",
        help="What the request says of itself, such as ticket=INC-7.",
        rich_help_panel=_ASKED,
    ),
]
At = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="When it is asked.", show_default="now", rich_help_panel=_ASKED
    ),
]
Client = Annotated[
    str | None,
    typer.Option(
        help="Its client_id.", show_default="the only one that may ask", rich_help_panel=_WHO
    ),
]
Subject = Annotated[
    str | None,
    typer.Option(
        help="The user for whom it asks.", show_default="the client itself", rich_help_panel=_WHO
    ),
]
Groups = Annotated[
    list[str] | None,
    typer.Option(
        "--group",
        metavar="GROUP",
        help="A group that the subject is in.",
        show_default="those of the client",
        rich_help_panel=_WHO,
    ),
]
Attributes = Annotated[
    list[str] | None,
    typer.Option(
        "--attribute",
        metavar="NAME=VALUE",
        help="An attribute of the user.",
        rich_help_panel=_WHO,
    ),
]
Actors = Annotated[
    list[str] | None,
    typer.Option(
        "--actor",
        metavar="NAME",
        help="Who acts for the subject, current actor first.",
        show_default="the client, for a user",
        rich_help_panel=_WHO,
    ),
]
Acr = Annotated[str | None, typer.Option(help="How the user logged in.", rich_help_panel=_WHO)]
LoginAge = Annotated[
    str | None,
    typer.Option(metavar="5m", help="How long ago the user logged in.", rich_help_panel=_WHO),
]
