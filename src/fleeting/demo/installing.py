"""Make the demo's installation: ``fleeting init``, an owner, a scope for reading, break-glass."""

from pathlib import Path

from fleeting.demo.addresses import Addresses
from fleeting.demo.commands import output_of

CONFIG = "fleeting.toml"
BOT = "support-bot"
OWNER = "olga"

_SCOPES_LEFT_OUT = '# scopes = ["payments:read"]'
_SCOPES = 'scopes = ["payments:read"]'
_OWNER_LEFT_OUT = '# owner = "olga"'
_OWNER = f'owner = "{OWNER}"'
_READING = """\
// Reading needs no single-use token: a scope, verified offline, good for as many reads as fit into
// five minutes.
@id("reading")
@lifetime("5m")
permit (principal in Group::"support", action == Action::"scope:payments:read", resource);
"""
_EMERGENCY = """\
// Where waiting for people would do harm: at once, for less, and never unseen. The reason is
// mandatory, payments-leads are alarmed, and one of them must close the review within a day.
@id("emergency-refunds")
@lifetime("60s") @uses("1")
@break_glass("alarm payments-leads, review in 24h")
permit (principal in Group::"support", action == Action::"payment_refund:refund", resource)
when { context.operation.amount <= 100000 };
"""


def install(directory: Path, addresses: Addresses) -> None:
    """Write an installation for servers at *addresses* into *directory*.

    Raises:
        CommandFailedError: ``fleeting init`` failed.
    """
    urls = ("--issuer", addresses.issuer, "--resource", addresses.resource)
    output_of("init", str(directory), *urls)
    config = directory / CONFIG
    settings = config.read_text(encoding="utf-8").replace(_SCOPES_LEFT_OUT, _SCOPES)
    config.write_text(settings.replace(_OWNER_LEFT_OUT, _OWNER), encoding="utf-8")
    for name, text in (("reading.cedar", _READING), ("emergency.cedar", _EMERGENCY)):
        (directory / "policies" / name).write_text(text, encoding="utf-8")


def bot_key(directory: Path) -> Path:
    """Return the file of the bot's private key."""
    return directory / "keys" / f"{BOT}.jwk.json"
