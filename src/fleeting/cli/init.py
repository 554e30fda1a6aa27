"""``fleeting init``: write a working installation, and say what to do with it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from fleeting.cli.terminal import CommandError, say


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write it.")] = Path(),
    *,
    issuer: Annotated[
        str, typer.Option(help="The authorization server's own URL.")
    ] = "http://127.0.0.1:8400",
    resource: Annotated[
        str, typer.Option(help="The URL of the API that the example protects.")
    ] = "http://127.0.0.1:8401",
    force: Annotated[
        bool, typer.Option("--force", help="Write settings and policies anew; keys are kept.")
    ] = False,
) -> None:
    """Write an installation: settings, policies, and fresh keys.

    It asks nothing, and what it writes works as it is: a client support-bot that may refund
    payments at payments-api, within limits that its policies set.
    """
    from fleeting.cli.new_installation import CONFIG_NAME, write_installation

    if (directory / CONFIG_NAME).exists() and not force:
        raise CommandError(
            f"{directory / CONFIG_NAME} is there already: choose another directory, or write "
            "settings and policies anew with --force (keys are kept)"
        )
    written = write_installation(directory, issuer=issuer, resource=resource, anew=force)
    table = Table.grid(padding=(0, 2))
    for file in written:
        table.add_row("", Text(str(file.path.relative_to(directory))), Text(file.what, "dim"))
    say(Text(f"An installation in {directory}:", "bold"))
    say(table)
    _say_next(directory / CONFIG_NAME)


def _say_next(config: Path) -> None:
    say("\nNext:")
    say(f"  fleeting policy check -c {config}")
    say(f"  fleeting policy test -c {config}")
    say(f"  fleeting people add ada --group payments-leads -c {config}   # who approves")
    say(f"  fleeting serve -c {config}")
    say("then, in another terminal:")
    say(f"  fleeting request -c {config} --type payment_refund --field payment_id=42 \\")
    say("      --field amount=5000 --field currency=EUR --context ticket=INC-7")
