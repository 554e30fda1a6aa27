"""An installation's store, and the policy sets that it keeps, for the commands about them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleeting.cli.terminal import CommandError
from fleeting.cli.words import SHORT, clean

if TYPE_CHECKING:
    from fleeting.policy import PolicySet
    from fleeting.ports import Store
    from fleeting.server.settings import Settings
    from fleeting.usecases.change_policy import ChangePolicy


@dataclass(frozen=True, slots=True)
class Desk:
    """An installation, its store, and the deeds on it."""

    settings: "Settings"
    store: "Store"
    deeds: "ChangePolicy"


def at_desk(config: Path | None, deed: "Callable[[Desk], Awaitable[Any]]") -> Any:  # noqa: ANN401 -- the deed's
    """Return what *deed* comes to on the installation that *config* declares."""

    async def run() -> Any:  # noqa: ANN401
        async with _desk(config) as desk:
            return await deed(desk)

    return asyncio.run(run())


@asynccontextmanager
async def _desk(config: Path | None) -> AsyncIterator[Desk]:
    from fleeting.server.settings import config_path, load_settings

    async with _desk_of(load_settings(config_path(config))) as desk:
        yield desk


@asynccontextmanager
async def _desk_of(settings: "Settings") -> AsyncIterator[Desk]:
    from fleeting.cli.reading import check_database
    from fleeting.server.world import SystemClock
    from fleeting.stores import open_store
    from fleeting.usecases.change_policy import ChangePolicy

    check_database(settings)
    clock = SystemClock()
    store = open_store(settings.database, clock=clock, base_dir=settings.directory)
    try:
        await store.open()
        yield Desk(settings, store, ChangePolicy(store, clock))
    finally:
        await store.close()


def recorded_set(settings: "Settings", prefix: str) -> "PolicySet | None":
    """Return the one kept set whose digest begins with *prefix*, if there is one."""

    async def read() -> "PolicySet | None":
        from fleeting.policy import read_set

        async with _desk_of(settings) as desk:
            records = await desk.store.policy_records()
            found = [each.digest for each in records if each.digest.startswith(prefix)]
            text = await desk.store.policy_text(found[0]) if len(found) == 1 else None
            return None if text is None else read_set(text, found[0])

    try:
        return asyncio.run(read())
    except CommandError:  # there is no database yet, and so nothing is recorded
        return None


async def fitting_digest(desk: Desk, prefix: str) -> str:
    """Return the digest of the one kept set that *prefix* names, which fits this installation.

    Raises:
        CommandError: there is none, there are several, or it does not fit.
    """
    digest = await kept_digest(desk, prefix)
    await _check(desk, digest)
    return digest


async def kept_digest(desk: Desk, prefix: str) -> str:
    """Return the digest of the one kept set that *prefix* names.

    Raises:
        CommandError: there is none, or there are several.
    """
    records = await desk.store.policy_records()
    found = [record.digest for record in records if record.digest.startswith(prefix.lower())]
    if len(found) != 1 or not prefix:
        several = f": write more of it, it may be {' or '.join(map(short_digest, found[:5]))}"
        told = several if found else ": 'fleeting policy sets' lists them"
        raise CommandError(f"{clean(prefix)!r} names {'no' if not found else 'no one'} set{told}")
    return found[0]


async def _check(desk: Desk, digest: str) -> None:
    from dataclasses import replace

    from fleeting.core.declaring import DeclarationError
    from fleeting.policy import PolicyProblems, StoredSetError, load_policies, read_set
    from fleeting.server.installing import policy_world
    from fleeting.server.settings import check_types

    text = await desk.store.policy_text(digest)
    try:
        set_ = read_set(text or "", digest)
        settings = replace(desk.settings, types=set_.types)
        check_types(settings)
        load_policies(set_.sources, policy_world(settings))
    except (StoredSetError, DeclarationError, PolicyProblems) as error:
        short = short_digest(digest)
        raise CommandError(
            f"{short} does not fit this installation any more, so nothing was changed:\n{error}\n"
            f"'fleeting policy export {short} DIR' writes its files"
        ) from None


def short_digest(digest: str | None) -> str:
    """Return as much of a digest as is shown."""
    return clean(digest or "nothing")[:SHORT]
