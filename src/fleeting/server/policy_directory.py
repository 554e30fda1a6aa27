"""Read policies and operation types from disk, whole: once they changed and are still again."""

import hashlib
import os
import pwd
import socket
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from time import monotonic
from typing import TypeAlias

from fleeting.core.declaring import DeclarationError
from fleeting.core.policy_deeds import Origin
from fleeting.policy import PolicySet
from fleeting.server.installing import POLICY_SUFFIX, policy_sources
from fleeting.server.settings import Settings, SettingsError, check_types, load_settings

STILL_SECONDS = 0.15
"""How long files must have been left alone before they are read: no save takes longer."""

_RELOADED = ("types", "warnings")

Fingerprint: TypeAlias = tuple[tuple[str | int, ...], ...]
"""What changes when a file does: name, inode, size and both times of each."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was on disk at one instant.

    set_: None where it could not even be read; then *problem* says why.
    key: what names this content, whether or not it is a set.
    ignored: settings that changed, too, and need a restart.
    """

    set_: PolicySet | None
    key: str
    problem: str = ""
    ignored: tuple[str, ...] = ()


def read_directory(settings: Settings) -> Reading:
    """Read the policies and operation types of the installation that *settings* are of."""
    try:
        now = load_settings(settings.file)
        check_types(replace(settings, types=now.types))
        sources = policy_sources(settings.policies)
    except (SettingsError, DeclarationError) as error:
        problem = str(error)
        return Reading(None, f"unread:{hashlib.sha256(problem.encode()).hexdigest()}", problem)
    set_ = PolicySet(tuple(sources), now.types)
    return Reading(set_, set_.digest, ignored=tuple(_ignored(settings, now)))


def _ignored(running: Settings, now: Settings) -> Iterator[str]:
    for each in fields(Settings):
        if each.name not in _RELOADED and getattr(running, each.name) != getattr(now, each.name):
            yield each.name


def fingerprint(settings: Settings) -> Fingerprint:
    """Return what tells whether anything changed on disk; it never fails."""
    return (_stat(settings.file), _stat(settings.policies), *sorted(_files(settings.policies)))


def _files(directory: Path) -> Iterator[tuple[str | int, ...]]:
    try:
        paths = [path for path in directory.iterdir() if path.suffix == POLICY_SUFFIX]
    except OSError as error:
        yield (str(error),)
        return
    yield from map(_stat, paths)


def _stat(path: Path) -> tuple[str | int, ...]:
    try:
        status = path.stat()
    except OSError as error:
        return path.name, str(error)
    times = status.st_mtime_ns, status.st_ctime_ns
    return path.name, status.st_dev, status.st_ino, status.st_size, *times


class Watch:
    """Whether the files of an installation changed, and are still again.

    What another program writes is not read while it writes: only what stood still for a moment.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._taken = self._last = fingerprint(settings)
        self._since = monotonic()

    def changed(self) -> bool:
        """Say whether there is something new to read, and it stands still."""
        now = fingerprint(self._settings)
        if now != self._last:
            self._last, self._since = now, monotonic()
        return now != self._taken and monotonic() - self._since >= STILL_SECONDS

    def read(self) -> Reading | None:
        """Read what there is; None: it changed meanwhile, so that it is not whole.

        After a reading nothing is new until it changes again.
        """
        before = fingerprint(self._settings)
        reading = read_directory(self._settings)
        if fingerprint(self._settings) != before:
            return None
        self._taken = self._last = before
        return reading


def place_of(directory: Path) -> str:
    """Return the name of *directory* among those of all machines that share a database."""
    return f"{socket.gethostname()}:{directory}"


def origin(how: str, source: str) -> Origin:
    """Return who acts: this process' user on this machine, and on whose behalf if sudo says."""
    uid = os.geteuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    caller = os.environ.get("SUDO_USER")
    who = f"{caller} as {user}" if caller and caller != user else user
    return Origin(f"{who}@{socket.gethostname()}", how, os.getpid(), source)
