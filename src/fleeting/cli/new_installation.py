"""Write the files of a new installation; whatever key is there already stays."""

import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey

from fleeting.cli.terminal import CommandError
from fleeting.core.declaring import DeclarationError, Table, check_name
from fleeting.core.jose import JoseError, SigningKey
from fleeting.server.declared_parties import check_url
from fleeting.server.signing_keys import create_key, write_private

CONFIG_NAME = "fleeting.toml"
EXAMPLE_CLIENT = "support-bot"
EXAMPLE_GUARD = "payments-api"
SIGNING = Path("keys/signing")
_IGNORED = ("keys/*.jwk.json", "keys/signing/", "*.db", "*.db-wal", "*.db-shm")
_POLICIES = {
    "refunds.cedar": "who may refund how much",
    "caps.cedar": "what holds whatever is permitted",
    "tests/refunds.toml": "what the policies must do: fleeting policy test",
}


@dataclass(frozen=True, slots=True)
class Written:
    """One file of the installation. what: what it is for, or that it was kept."""

    path: Path
    what: str


def write_installation(
    directory: Path, *, issuer: str, resource: str, anew: bool = False
) -> list[Written]:
    """Write an installation into *directory* and return its files.

    anew: replace settings and policies that are there; keys are never replaced.

    Raises:
        CommandError: a URL is not acceptable, or a key that is there cannot be read.
        SigningKeysError, OSError: a file cannot be written.
    """
    urls = {"http://127.0.0.1:8400": _url(issuer), "http://127.0.0.1:8401": _url(resource)}
    (directory / "keys").mkdir(mode=0o700, parents=True, exist_ok=True)
    return [
        *_texts(directory, urls, anew=anew),
        _ignore(directory / ".gitignore"),
        *_client_keys(directory, EXAMPLE_CLIENT),
        *_client_keys(directory, EXAMPLE_GUARD),
        _signing_key(directory / SIGNING),
    ]


def make_client_keys(directory: Path, client_id: str) -> list[Written]:
    """Make the key pair of one more client of the installation in *directory*.

    Raises:
        CommandError: the name is none for a file, or a key of that name is there.
        OSError: a file cannot be written.
    """
    try:
        check_name("NAME", client_id)
    except DeclarationError as error:
        raise CommandError(str(error)) from None
    for path in _pair(directory, client_id):
        if path.exists():
            raise CommandError(f"{path} is there already, and keys are never written over")
    (directory / "keys").mkdir(mode=0o700, exist_ok=True)
    return list(_client_keys(directory, client_id))


def _url(url: str) -> str:
    try:
        check_url(Table("", {}), "URL", url)
    except DeclarationError as error:
        raise CommandError(str(error)) from None
    return url


def _template() -> Traversable:
    return files("fleeting.cli") / "template"


def _texts(directory: Path, urls: dict[str, str], *, anew: bool) -> Iterator[Written]:
    config = (_template() / CONFIG_NAME).read_text(encoding="utf-8")
    for example, url in urls.items():
        config = config.replace(f'"{example}"', json.dumps(url))
    yield _text(directory / CONFIG_NAME, config, "settings, each explained", anew=anew)
    (directory / "policies" / "tests").mkdir(parents=True, exist_ok=True)
    for name, what in _POLICIES.items():
        text = (_template() / "policies" / name).read_text(encoding="utf-8")
        yield _text(directory / "policies" / name, text, what, anew=anew)


def _text(path: Path, text: str, what: str, *, anew: bool) -> Written:
    if path.exists() and not anew:
        return Written(path, "was there, and is kept")
    path.write_text(text, encoding="utf-8")
    return Written(path, what)


def _ignore(path: Path) -> Written:
    """Keep keys and database out of version control, whatever the file says besides."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    missing = [line for line in _IGNORED if line not in lines]
    if missing:
        path.write_text("\n".join([*lines, *missing]) + "\n", encoding="utf-8")
    return Written(path, "keeps secrets out of git")


def _client_keys(directory: Path, client_id: str) -> Iterator[Written]:
    private, public = _pair(directory, client_id)
    if private.exists() or public.exists():
        kept = "was there, and is kept"
        if not public.exists():
            _write_public(public, _read(private))
        yield from (Written(path, kept) for path in (private, public) if path.exists())
        return
    key = SigningKey.from_jwk(ECKey.generate_key("P-256").as_dict(private=True))
    write_private(private, _json({**key.key.as_dict(private=True), **_names(key)}))
    _write_public(public, key)
    yield Written(private, f"{client_id}'s private key, for it alone")
    yield Written(public, f"{client_id}'s public key, for the server")


def _pair(directory: Path, client_id: str) -> tuple[Path, Path]:
    keys = directory / "keys"
    return keys / f"{client_id}.jwk.json", keys / f"{client_id}.jwks.json"


def _names(key: SigningKey) -> dict[str, str]:
    return {"kid": key.kid, "alg": "ES256", "use": "sig"}


def _read(path: Path) -> SigningKey:
    try:
        return SigningKey.from_jwk(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, JoseError) as error:
        raise CommandError(f"{path}: {error}: move it away to get a new one") from None


def _write_public(path: Path, key: SigningKey) -> None:
    path.write_text(_json({"keys": [{**key.key.as_dict(private=False), **_names(key)}]}))


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"


def _signing_key(directory: Path) -> Written:
    there = sorted(directory.glob("*.json"))
    if there:
        return Written(directory, "was there, and is kept")
    create_key(directory, datetime.now(UTC))
    directory.chmod(stat.S_IRWXU)
    return Written(directory, "the key that signs tokens, private too")
