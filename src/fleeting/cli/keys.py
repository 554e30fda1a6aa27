"""``fleeting keys``: list and rotate the signing keys of an installation."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fleeting.cli.groups import add, group
from fleeting.cli.options import AsJson, Config, duration
from fleeting.cli.terminal import say, say_json

if TYPE_CHECKING:
    from fleeting.server.settings import Settings
    from fleeting.server.signing_keys import KeyRing

app = group(
    "keys",
    "List and rotate the keys that sign tokens.",
    "fleeting keys list",
    "fleeting keys rotate",
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
    table = Table("key", "state", "signs since", "counts until", box=None, pad_edge=False)
    table.columns[0].overflow = "fold"
    for row in rows:
        since, until = (_shown(_instant(row[name])) for name in ("since", "until"))
        table.add_row(row["kid"], row["state"], since, until)
    say(table)


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
