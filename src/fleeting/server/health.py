"""Say whether this worker lives, and whether it could do its work now."""

import os
from collections.abc import AsyncIterator

from fleeting.ports import StoreUnavailableError
from fleeting.server.wiring import Worker


async def troubles(worker: Worker) -> dict[str, str]:
    """Return what keeps the worker from its work: part → what is wrong; empty when ready."""
    return {part: trouble async for part, trouble in _troubles(worker)}


async def _troubles(worker: Worker) -> AsyncIterator[tuple[str, str]]:
    try:
        await worker.store.ping()
    except StoreUnavailableError as error:
        yield "database", str(error)
    worker.signing_keys.refresh(worker.clock.now())
    if worker.signing_keys.problem is not None:
        yield "keys", worker.signing_keys.problem
    directory = worker.settings.policies
    if not directory.is_dir() or not os.access(directory, os.R_OK | os.X_OK):
        yield "policies", f"{directory.name} cannot be read: the set that was loaded stays in force"
