"""The signing keys of an installation: a directory of private JWKs, rotated with overlap.

A key is *coming* until ``activates_at`` (published, so that every reader knows it), *active* until
the next one is, then *retiring* for as long as a token signed by it may live, then *retired*: only
its public half is kept, to verify old checkpoints of the ledger.
"""

import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey

from fleeting.core.jose import JoseError, KeySet, SigningKey, VerificationKey, public_key
from fleeting.core.sender import Nonces
from fleeting.server.rendering import encode

RETIRED = "retired"
_GRACE = timedelta(minutes=1)
_NONCE_PURPOSE = b"fleeting dpop nonce"


class SigningKeysError(Exception):
    """The keys cannot be used; the message says what to do."""


class KeyState(StrEnum):
    """Where a key is in its life."""

    COMING = "coming"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class DatedKey:
    """A signing key and the instant from which it signs."""

    key: SigningKey
    activates_at: datetime


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All keys of the directory, newest first."""

    dated: tuple[DatedKey, ...]
    max_lifetime: timedelta

    def active(self, now: datetime) -> SigningKey:
        """Return the newest key that may sign already."""
        for dated in self.dated:
            if dated.activates_at <= now:
                return dated.key
        return self.dated[-1].key  # clocks apart: the oldest is known everywhere

    def published(self, now: datetime) -> tuple[SigningKey, ...]:
        """Return every key whose signatures still count."""
        return tuple(
            dated.key for dated in self.dated if self.state(dated, now) is not KeyState.RETIRED
        )

    def state(self, dated: DatedKey, now: datetime) -> KeyState:
        """Return where *dated* is in its life."""
        if dated.activates_at > now and dated.key is not self.active(now):
            return KeyState.COMING
        superseded = self._superseded_at(dated)
        ends_at = self.ends_at(dated)
        if superseded is None or ends_at is None or superseded > now:
            return KeyState.ACTIVE
        return KeyState.RETIRED if now > ends_at else KeyState.RETIRING

    def ends_at(self, dated: DatedKey) -> datetime | None:
        """Return until when signatures by *dated* count; None while no newer key is there."""
        superseded = self._superseded_at(dated)
        return None if superseded is None else superseded + self.max_lifetime + _GRACE

    def _superseded_at(self, dated: DatedKey) -> datetime | None:
        later = (d.activates_at for d in self.dated if d.activates_at > dated.activates_at)
        return min(later, default=None)


def load_key_ring(directory: Path, max_lifetime: timedelta) -> KeyRing:
    """Read every key of *directory*.

    Raises:
        SigningKeysError: there is none, one is malformed, or others may read one.
    """
    try:
        paths = sorted(directory.glob("*.json"))
        dated = [_load(path) for path in paths]
    except OSError as error:
        raise SigningKeysError(f"{directory} cannot be read: {error.strerror}") from error
    if not dated:
        raise SigningKeysError(
            f"{directory} holds no signing key: run 'fleeting init' or 'fleeting keys rotate'"
        )
    dated.sort(key=lambda each: each.activates_at, reverse=True)
    return KeyRing(tuple(dated), max_lifetime)


def _load(path: Path) -> DatedKey:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise SigningKeysError(f"{path} can be read by others: run 'chmod 600 {path}'")
    try:
        members: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        activates_at = datetime.fromisoformat(members["activates_at"])
        key = SigningKey.from_jwk(members)
    except (ValueError, KeyError, TypeError, JoseError) as error:
        raise SigningKeysError(f"{path} is not a signing key of fleeting: {error}") from error
    if activates_at.tzinfo is None:
        raise SigningKeysError(f"{path}: activates_at needs a time zone, such as Z")
    return DatedKey(key, activates_at)


def create_key(directory: Path, activates_at: datetime) -> SigningKey:
    """Make a new ES256 key, mode 0600, and return it.

    Raises:
        SigningKeysError: it cannot be written.
    """
    key = SigningKey.from_jwk(ECKey.generate_key("P-256").as_dict(private=True))
    members = {
        **key.key.as_dict(private=True),
        "kid": key.kid,
        "alg": "ES256",
        "use": "sig",
        "activates_at": activates_at.isoformat(),
    }
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(directory / f"{key.kid}.json", json.dumps(members, indent=2) + "\n")
    except OSError as error:
        raise SigningKeysError(f"cannot write to {directory}: {error.strerror}") from error
    return key


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def retire_keys(directory: Path, ring: KeyRing, now: datetime) -> list[str]:
    """Keep only the public half of every retired key, and return their ids."""
    retired = [d.key for d in ring.dated if ring.state(d, now) is KeyState.RETIRED]
    for key in retired:
        target = directory / RETIRED
        target.mkdir(mode=0o700, exist_ok=True)
        write_private(target / f"{key.kid}.json", json.dumps(key.public().to_jwk()) + "\n")
        (directory / f"{key.kid}.json").unlink()
    return [key.kid for key in retired]


def all_public_keys(directory: Path, ring: KeyRing) -> KeySet:
    """Return the public halves of every key there ever was, for what was signed long ago."""
    retired = (
        public_key(json.loads(path.read_text(encoding="utf-8")))
        for path in sorted((directory / RETIRED).glob("*.json"))
    )
    return KeySet((*_publics(d.key for d in ring.dated), *retired))


def _publics(keys: Iterable[SigningKey]) -> tuple[VerificationKey, ...]:
    return tuple(key.public() for key in keys)


class SigningKeys:
    """The keys in force in this process: a signer that follows its directory."""

    def __init__(self, directory: Path, max_lifetime: timedelta, now: datetime) -> None:
        """Read the directory.

        Raises:
            SigningKeysError: see ``load_key_ring``.
        """
        self._directory = directory
        self._max_lifetime = max_lifetime
        self._seen: tuple[tuple[str, int], ...] = ()
        self.problem: str | None = None
        self.refresh(now, first=True)

    def refresh(self, now: datetime, *, first: bool = False) -> None:
        """Take up what changed in the directory; a bad change leaves the keys as they are."""
        try:
            seen = _fingerprint(self._directory)
            if first or seen != self._seen:
                self._ring = load_key_ring(self._directory, self._max_lifetime)
                self._seen = seen
            self.problem = None
        except (SigningKeysError, OSError) as error:
            if first:
                raise SigningKeysError(str(error)) from error
            self.problem = str(error)
        self._active = self._ring.active(now)
        published = self._ring.published(now)
        self._published = KeySet(_publics(published))
        nonce_keys = (self._active, *(key for key in published if key is not self._active))
        self._nonces = Nonces(tuple(key.derive_secret(_NONCE_PURPOSE) for key in nonce_keys))

    def sign(self, typ: str, claims: Mapping[str, Any]) -> str:
        """Return *claims* as a compact JWS by the active key."""
        return self._active.sign_json(typ, encode(claims))

    def keys(self) -> KeySet:
        """Return every key whose signatures still count."""
        return self._published

    def nonces(self) -> Nonces:
        """Return the nonces that every worker of the installation makes and accepts alike."""
        return self._nonces

    def everything(self) -> KeySet:
        """Return also the retired keys, to verify old checkpoints."""
        return all_public_keys(self._directory, self._ring)


def _fingerprint(directory: Path) -> tuple[tuple[str, int], ...]:
    entries = (entry for entry in os.scandir(directory) if entry.name.endswith(".json"))
    return tuple(sorted((entry.name, entry.stat().st_mtime_ns) for entry in entries))
