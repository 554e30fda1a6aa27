"""What is kept of a person's logins on their machine: one file per issuer, theirs to read alone."""

import hashlib
import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from fleeting.cli.terminal import CommandError
from fleeting.client.keys import PrivateKey, read_key

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Login:
    """A session of one person at one issuer, and the key that it is bound to.

    Neither is good for anything without the other.
    """

    issuer: str
    token: str = field(repr=False)
    key: PrivateKey = field(repr=False)
    person: str = ""


def logins_directory() -> Path:
    """Return where logins are kept (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CONFIG_HOME") or ""
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".config"
    return root / "fleeting" / "logins"


def keep(login: Login) -> Path:
    """Write *login* where only its owner can read it, instead of the last one of this issuer."""
    path = _path(login.issuer)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = json.dumps(
        {
            "issuer": login.issuer,
            "person": login.person,
            "session_token": login.token,
            "key": login.key.signing.key.as_dict(private=True),
        }
    )
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return path


def forget(issuer: str) -> bool:
    """Delete what is kept for *issuer*, and say whether there was anything."""
    path = _path(issuer)
    found = path.exists()
    path.unlink(missing_ok=True)
    return found


def login_at(issuer: str) -> Login:
    """Return the login at *issuer*.

    Raises:
        CommandError: there is none, or others can read it.
    """
    path = _path(issuer)
    if not path.exists():
        raise CommandError(f"nobody is signed in at {issuer}: 'fleeting login --issuer {issuer}'")
    return _read(path)


def only_login() -> Login:
    """Return the one login there is, for commands that name no issuer.

    Raises:
        CommandError: there is none, or there are several.
    """
    paths = sorted(logins_directory().glob("*.json"))
    if not paths:
        raise CommandError("nobody is signed in: 'fleeting login --issuer https://…'")
    if len(paths) > 1:
        names = ", ".join(_read(path).issuer for path in paths)
        raise CommandError(f"which issuer? Give --issuer; you are signed in at {names}")
    return _read(paths[0])


def _path(issuer: str) -> Path:
    return logins_directory() / f"{hashlib.sha256(issuer.encode()).hexdigest()[:16]}.json"


def _read(path: Path) -> Login:
    if os.name == "posix" and path.stat().st_mode & _OTHERS:
        raise CommandError(
            f"{path} can be read by others: 'chmod 600 {path}', or better sign in anew, "
            "for who read it could act as you"
        )
    try:
        kept = cast("dict[str, Any]", json.loads(path.read_text("utf-8")))
        key = read_key(cast("dict[str, Any]", kept["key"]))
        return Login(str(kept["issuer"]), str(kept["session_token"]), key, str(kept["person"]))
    except (ValueError, KeyError, TypeError):
        raise CommandError(f"{path} is damaged: delete it, then 'fleeting login'") from None
