"""Make the demo's installation: ``fleeting init``, and a scope for reading payments."""

from pathlib import Path

from fleeting.demo.addresses import Addresses
from fleeting.demo.commands import output_of

CONFIG = "fleeting.toml"
BOT = "support-bot"

_SCOPES_LEFT_OUT = '# scopes = ["payments:read"]'
_SCOPES = 'scopes = ["payments:read"]'
_READING = """\
// Reading needs no single-use token: a scope, verified offline, good for as many reads as fit into
// five minutes.
@id("reading")
@lifetime("5m")
permit (principal in Group::"support", action == Action::"scope:payments:read", resource);
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
    config.write_text(settings, encoding="utf-8")
    (directory / "policies" / "reading.cedar").write_text(_READING, encoding="utf-8")


def bot_key(directory: Path) -> Path:
    """Return the file of the bot's private key."""
    return directory / "keys" / f"{BOT}.jwk.json"
