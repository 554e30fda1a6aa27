"""The options of ``fleeting policy explain``: a request that nobody sent, or one that was."""

from typing import Annotated

import typer

from fleeting.cli.request_options import ASKING
from fleeting.cli.request_options import Actions as Actions  # noqa: PLC0414 -- the same words
from fleeting.cli.request_options import Fields as Fields  # noqa: PLC0414
from fleeting.cli.request_options import Resource as Resource  # noqa: PLC0414
from fleeting.cli.request_options import Scopes as Scopes  # noqa: PLC0414
from fleeting.cli.request_options import Type as Type  # noqa: PLC0414

_WHO, _WHICH = "Who asks", "Another request"

Id = Annotated[
    str | None,
    typer.Argument(metavar="ID", help="A recorded request's id, txn or jti.", show_default=False),
]
Test = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The request of this test.", rich_help_panel=_WHICH),
]
Context = Annotated[
    list[str] | None,
    typer.Option(
        "--context",
        metavar="NAME=VALUE",
        help="What the request says of itself, such as ticket=INC-7.",
        rich_help_panel=ASKING,
    ),
]
BreakGlass = Annotated[
    str | None,
    typer.Option(metavar="REASON", help="Why it cannot wait for anybody.", rich_help_panel=ASKING),
]
At = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="When it is asked.", show_default="now", rich_help_panel=ASKING
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
