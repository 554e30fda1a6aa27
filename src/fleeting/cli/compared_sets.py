"""Find a set of policies by what people call it: a directory, a git revision, a digest."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from fleeting.cli.problem_text import visible
from fleeting.cli.terminal import CommandError
from fleeting.policy import PolicyBundle, PolicyProblems, PolicySet, PolicySource, load_policies
from fleeting.server.installing import POLICY_SUFFIX, policy_sources, policy_world
from fleeting.server.settings import Settings

SetByDigest: TypeAlias = Callable[[str], PolicySet | None]
"""Returns the recorded set whose digest begins so; None where there is none, or several."""

_DIGEST = re.compile(r"[0-9a-f]{8,64}")
_TIMEOUT_SECONDS = 30


def load_named(
    name: str, settings: Settings, recorded: SetByDigest | None = None, *, as_recorded: bool = False
) -> PolicyBundle:
    """Return the set called *name*, in the world of the installation as it is now.

    as_recorded: a recorded set comes with its own operation types, and so is the very same set.

    Raises:
        CommandError: there is none, or it cannot be loaded with what is declared now.
    """
    found = named_set(name, settings, recorded)
    types = found.types if as_recorded else settings.types
    try:
        return load_policies(found.sources, policy_world(replace(settings, types=types)))
    except PolicyProblems as error:
        told = "\n".join(f"  {visible(str(each))}" for each in error.problems)
        message = f"{name} cannot be loaded with today's fleeting.toml:\n{told}"
        raise CommandError(message) from None


def named_set(name: str, settings: Settings, recorded: SetByDigest | None = None) -> PolicySet:
    """Return the set called *name*: a recorded one with its types, others with those of now.

    Raises:
        CommandError: there is none.
    """
    for directory in (Path(name), settings.directory / name):
        if directory.is_dir():
            return PolicySet(tuple(policy_sources(directory)), settings.types)
    if recorded is not None and _DIGEST.fullmatch(name) is not None:
        found = recorded(name)
        if found is not None:
            return found
    return PolicySet(tuple(_from_git(name, settings)), settings.types)


# Git: asked about files only, so that nothing of the working tree changes.


def _from_git(name: str, settings: Settings) -> list[PolicySource]:
    revision, _, below = name.partition(":")
    top = _git(settings.directory, "rev-parse", "--show-toplevel")
    commit = None
    if top is not None and revision and not revision.startswith("-"):
        commit = _git(
            settings.directory, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"
        )
    if top is None or commit is None:
        raise CommandError(
            f"{name} is no directory, no git revision and no digest of a recorded set: write such "
            "as policies, HEAD~1, or REVISION:DIRECTORY"
        )
    root = Path(top.strip())
    directory = below or _within(settings.policies, root, name)
    sources = [*_committed(root, commit.strip(), directory.rstrip("/"), revision)]
    if not sources:
        raise CommandError(f"{revision} has no policies (*{POLICY_SUFFIX}) in {directory}")
    return sources


def _within(directory: Path, root: Path, name: str) -> str:
    try:
        return directory.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        message = f"{directory} is outside of the repository {root}: write {name}:DIRECTORY"
        raise CommandError(message) from None


def _committed(root: Path, commit: str, directory: str, shown: str) -> Iterator[PolicySource]:
    where = "./" if directory in ("", ".") else f"{directory}/"
    listed = _git(root, "ls-tree", "-z", "--name-only", commit, "--", where) or ""
    for path in listed.split("\0"):
        if PurePosixPath(path).suffix == POLICY_SUFFIX:
            text = _git(root, "show", f"{commit}:{path}")
            if text is None:
                raise CommandError(f"{shown}:{path} cannot be read, or is not UTF-8")
            yield PolicySource(f"{shown}:{path}", text)


def _git(directory: Path, *arguments: str) -> str | None:
    """Return what git says; None where it refuses, or is not there.

    Raises:
        CommandError: it does not answer.
    """
    git = shutil.which("git")
    if git is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 -- no shell, and a revision never looks like an option
            [git, "-C", str(directory), *arguments],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise CommandError(
            f"'git {arguments[0]}' in {directory} did not answer within {_TIMEOUT_SECONDS} "
            "seconds: see whether the disk does, or name a directory of policies instead"
        ) from None
    try:
        return done.stdout.decode() if done.returncode == 0 else None
    except UnicodeDecodeError:
        return None
