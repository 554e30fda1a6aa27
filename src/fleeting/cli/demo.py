"""``fleeting demo``: see the whole cycle on real HTTP; the deeds are ``fleeting.demo``'s."""

from typing import Annotated

import typer

from fleeting.cli.terminal import CommandError


def demo(
    *,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Leave both servers running, with commands to try by hand."),
    ] = False,
    auto: Annotated[
        bool,
        typer.Option(
            "--auto",
            help="Let the demo's own people approve; without a terminal they do anyway.",
        ),
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65534,
            help="The authorization server's port; the API takes the next.",
            show_default="two free ones",
        ),
    ] = None,
) -> None:
    """Show just-in-time access at work: a real server, a real API, real calls, step by step.

    It makes an installation in a temporary directory, starts the authorization server and a sample
    payments API on loopback, and shows what a token is good for, and what it is not. In the second
    act a refund waits for two people: for you, by the links that it prints, or for the demo's own.
    The exit code is 0 only if every step went as it should.
    """
    try:
        from fleeting.demo import run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("fleeting"):
            raise
        raise CommandError(
            f"the demo needs {error.name}: run pip install 'fleeting[demo]'"
        ) from None
    raise typer.Exit(run(port=port, keep=keep, auto=auto))
