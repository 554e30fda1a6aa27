"""The commands of people: sign in, see what waits, decide it, and end it."""

import typer

from fleeting.cli import approving, ending, login, requests
from fleeting.cli.groups import TakesIds, add


def add_to(app: typer.Typer) -> None:
    """Add them to *app*, in the order of their use."""
    _add_seeing(app)
    _add_deciding(app)
    _add_ending(app)


def _add_seeing(app: typer.Typer) -> None:
    add(app, login.login, "fleeting login --issuer https://auth.example.com")
    add(app, login.logout, "fleeting logout")
    add(app, login.whoami, "fleeting whoami", "fleeting whoami --json | jq -r .groups[]")
    add(
        app,
        requests.requests,
        "fleeting requests",
        "fleeting requests --mine --watch",
        "fleeting requests --open --json | jq -r .[].id",
        "fleeting requests --to-approve --watch --json",
    )
    add(app, requests.show, "fleeting show AZqcT3Xw", cls=TakesIds)


def _add_deciding(app: typer.Typer) -> None:
    add(
        app,
        approving.approve,
        "fleeting approve AZqcT3Xw",
        'fleeting approve AZqcT3Xw --comment "as agreed with the customer"',
        "fleeting approve AZqcT3Xw --yes \\",
        "    --offer $(fleeting show AZqcT3Xw --json | jq -r .offer.digest)",
        cls=TakesIds,
    )
    add(
        app,
        approving.deny,
        'fleeting deny AZqcT3Xw --reason "this customer was refunded yesterday"',
        cls=TakesIds,
    )
    add(
        app,
        approving.narrow,
        "fleeting narrow AZqcT3Xw amount=2000",
        "fleeting narrow AZqcT3Xw --lifetime 30s --uses 1",
        "fleeting narrow AZqcT3Xw --calls 5 --total payment_refund.amount=20000",
        cls=TakesIds,
    )
    add(app, approving.ask, 'fleeting ask AZqcT3Xw "which invoice is it?"', cls=TakesIds)
    add(app, approving.answer, 'fleeting answer AZqcT3Xw "2026-0042"', cls=TakesIds)
    add(
        app,
        approving.review,
        'fleeting review AZqcT3Xw --note "the outage was real; see INC-7"',
        cls=TakesIds,
    )


def _add_ending(app: typer.Typer) -> None:
    add(app, ending.return_, "fleeting return AZqcT3Xw", name="return", cls=TakesIds)
    add(app, ending.cancel, "fleeting cancel AZqcT3Xw", cls=TakesIds)
    add(app, ending.extend, "fleeting extend AZqcT3Xw --by 1h", cls=TakesIds)
    add(
        app,
        ending.revoke,
        'fleeting revoke AZqcT3Xw --reason "not needed any more"',
        'fleeting revoke --client support-bot --reason "its key leaked"',
        'fleeting revoke --approver bea --reason "her account was taken over"',
        cls=TakesIds,
    )
    add(app, ending.away, "fleeting away --to bea --until 3d", "fleeting away --back")
