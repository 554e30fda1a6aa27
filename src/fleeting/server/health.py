"""Say whether this worker lives, and whether it could do its work now."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import structlog

from fleeting.ports import StoreUnavailableError
from fleeting.server.wiring import Worker

CHECK_EVERY = timedelta(seconds=1)
"""How long the answer to whether a worker is ready is good for: strangers ask, and disks pay."""

log = structlog.get_logger("fleeting.server")


class Readiness:
    """One check for all who ask within a second: it commits for real, and takes no credentials."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._check: asyncio.Task[dict[str, str]] | None = None
        self._begun: datetime | None = None

    async def troubles(self) -> dict[str, str]:
        """Return what ``troubles`` says, or said up to a second ago."""
        now = self._worker.clock.now()
        if self._check is None or (self._check.done() and self._is_stale(now)):
            self._check, self._begun = asyncio.create_task(troubles(self._worker)), now
        return await asyncio.shield(self._check)  # who asks and goes away ends it for nobody else

    def _is_stale(self, now: datetime) -> bool:
        return self._begun is None or not self._begun <= now < self._begun + CHECK_EVERY


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
