"""``fleeting keys``: list and rotate what signs tokens; make key pairs for clients."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fleeting.cli.groups import add, group
from fleeting.cli.options import AsJson, Config, duration
from fleeting.cli.terminal import CommandError, note, say, say_json

if TYPE_CHECKING:
    from fleeting.server.settings import Settings
    from fleeting.server.signing_keys import KeyRing

_DECLARATION = """
[[clients]]
client_id = "{name}"
jwks_file = "keys/{name}.jwks.json"
grant_types = ["client_credentials"]
types = []  # the operation types that it may ask for, such as "payment_refund\""""

app = group(
    "keys",
    "List and rotate the keys that sign tokens; make key pairs for clients.",
    "fleeting keys list",
    "fleeting keys rotate",
    "fleeting keys make deploy-bot",
)


def list_(config: Config = None, *, as_json: AsJson = False) -> None:
    """List the signing keys: which signs, which comes next, and until when each counts."""
    settings = _settings(config)
    now = datetime.now(UTC)
    _show(_rows(settings, _ring(settings), now), as_json=as_json)


def rotate(
    config: Config = None,
    *,
    activate_in: Annotated[
        str, typer.Option(metavar="DURATION", help="When the new key begins to sign.")
    ] = "10s",
    as_json: AsJson = False,
) -> None:
    """Make a new signing key, without a restart and without refusing any live token.

    It is published at once and signs after --activate-in; the old key stays published for as long
    as a token signed by it may live. Running servers follow within a second. Keys whose tokens are
    all over are retired: only their public half is kept, to verify the ledger.
    """
    from fleeting.server.signing_keys import create_key, retire_keys

    settings, now = _settings(config), datetime.now(UTC)
    activates_at = now + duration(activate_in)
    key = create_key(settings.signing_keys, activates_at)
    ring = _ring(settings)
    retired = retire_keys(settings.signing_keys, ring, now)
    rows = _rows(settings, _ring(settings), now)
    if as_json:
        say_json({"created": key.kid, "retired": retired, "keys": rows})
        return
    say(f"{key.kid} is published now and signs from {_shown(activates_at)}")
    for kid in retired:
        say(f"{kid} is retired: nothing it signed is alive")


def make(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The client's id.")],
    config: Config = None,
) -> None:
    """Make the key pair of a client, and print the lines that declare the client.

    The private key, keys/NAME.jwk.json, goes to the client and nobody else; the public one,
    keys/NAME.jwks.json, stays beside the settings. Keys that are there are never written over.

    What it prints can be appended to the settings as it is; then say there what the client may do.
    """
    from fleeting.cli.new_installation import make_client_keys
    from fleeting.server.settings import config_path

    path = config_path(config)
    if not path.is_file():
        raise CommandError(f"{path} is not there: write an installation with `fleeting init`")
    for file in make_client_keys(path.parent, name):
        note(f"{file.path}: {file.what}")
    say(_DECLARATION.format(name=name))


def _settings(config: Config) -> "Settings":
    from fleeting.server.settings import config_path, load_settings

    return load_settings(config_path(config))


def _ring(settings: "Settings") -> "KeyRing":
    from fleeting.server.signing_keys import load_key_ring

    return load_key_ring(settings.signing_keys, settings.max_lifetime)


def _rows(settings: "Settings", ring: "KeyRing", now: datetime) -> list[dict[str, Any]]:
    from fleeting.server.signing_keys import RETIRED, KeyState

    rows: list[dict[str, Any]] = [
        {
            "kid": dated.key.kid,
            "state": ring.state(dated, now).value,
            "since": dated.activates_at.isoformat(),
            "until": None if (end := ring.ends_at(dated)) is None else end.isoformat(),
        }
        for dated in ring.dated
    ]
    kept = sorted((settings.signing_keys / RETIRED).glob("*.json"))
    retired = {"state": KeyState.RETIRED.value, "since": None, "until": None}
    return [*rows, *({"kid": path.stem, **retired} for path in kept)]


def _show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    from rich.table import Table

    if as_json:
        say_json({"keys": rows})
        return
    table = Table("key", "state", box=None, pad_edge=False)
    table.columns[0].no_wrap = True  # it is copied; so the rest is short enough for 80 columns
    for row in rows:
        table.add_row(row["kid"], _state(row))
    say(table)


def _state(row: dict[str, Any]) -> str:
    """Return the state with the one instant that matters in it."""
    from fleeting.server.signing_keys import KeyState

    word, name = {
        KeyState.COMING: ("from", "since"),
        KeyState.ACTIVE: ("since", "since"),
        KeyState.RETIRING: ("until", "until"),
    }.get(KeyState(row["state"]), ("", ""))
    instant = _shown(_instant(row.get(name)))
    return f"{row['state']} {word} {instant}".rstrip()


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _shown(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


add(
    app,
    list_,
    "fleeting keys list -c my-installation/fleeting.toml",
    "fleeting keys list --json",
    name="list",
)
add(app, rotate, "fleeting keys rotate", "fleeting keys rotate --activate-in 5m --json")
add(app, make, "fleeting keys make deploy-bot", "fleeting keys make deploy-bot >> fleeting.toml")
