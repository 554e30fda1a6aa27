"""Say whether this worker lives, and whether it could do its work now."""

import os
from collections.abc import AsyncIterator

import structlog

from fleeting.ports import StoreUnavailableError
from fleeting.server.wiring import Worker

log = structlog.get_logger("fleeting.server")


async def troubles(worker: Worker) -> dict[str, str]:
    """Return what keeps the worker from its work: part → what is wrong; empty when ready.

    Whoever asks is a stranger: where our files and servers are, only the log is told.
    """
    found: dict[str, str] = {}
    async for part, told, cause in _troubles(worker):
        log.warning("not ready", part=part, trouble=told, cause=cause)
        found[part] = told
    return found


async def _troubles(worker: Worker) -> AsyncIterator[tuple[str, str, str]]:
    try:
        await worker.store.ping()
    except StoreUnavailableError as error:
        yield "database", "it takes no writes now", str(error)
    worker.signing_keys.refresh(worker.clock.now())
    if worker.signing_keys.problem is not None:
        told = "they cannot be read: those that were loaded stay in force"
        yield "keys", told, worker.signing_keys.problem
    directory = worker.settings.policies
    if not directory.is_dir() or not os.access(directory, os.R_OK | os.X_OK):
        told = "they cannot be read: the set that was loaded stays in force"
        yield "policies", told, str(directory)
