"""What a worker does beside answering: follow keys and policies, prune, sign checkpoints."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import structlog

from fleeting import __version__
from fleeting.core.evidence import Entry, EntryKind, checkpoint_body
from fleeting.core.model import Json
from fleeting.ports import StoreUnavailableError, Write
from fleeting.server.pulse import EVERY
from fleeting.server.wiring import Worker

_KEYS_EVERY = timedelta(seconds=1)
_POLICIES_EVERY = timedelta(milliseconds=150)
_REQUESTS_EVERY = timedelta(seconds=2)
_PRUNE_EVERY = timedelta(seconds=30)
_PRUNE_ROWS = 5_000
_PRUNE_BATCHES = 60
_PRUNE_PAUSE_SECONDS = 0.1
_GC_THRESHOLD = 20_000
"""Requests leave few cycles behind: to look for them every 700 objects was 3 % of a token."""

log = structlog.get_logger("fleeting.server")


@asynccontextmanager
async def life(worker: Worker) -> AsyncIterator[None]:
    """Open the worker's store, keep house while it serves, and let go in order at the end."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(worker.http.aclose)
        await worker.store.open()
        stack.push_async_callback(worker.store.close)
        await worker.reloading.begin()
        stack.push_async_callback(worker.asking.close)
        await worker.asking.begin()
        await _record(worker, EntryKind.SERVER_STARTED)
        stack.push_async_callback(_farewell, worker)
        for task in _tasks(worker):
            stack.push_async_callback(_stop, task)
        stack.callback(worker.pulse.stop)
        gc.collect()
        gc.freeze()  # what is here now stays: no collection need look at it again
        gc.set_threshold(_GC_THRESHOLD)
        log.info("started", issuer=worker.settings.issuer, policy=worker.policy.bundle.digest)
        yield
    log.info("stopped")


def _tasks(worker: Worker) -> list["asyncio.Task[None]"]:
    async def follow_keys() -> None:
        worker.signing_keys.refresh(worker.clock.now())

    async def follow_policies() -> None:
        await worker.reloading.poll()

    async def prune() -> None:
        await prune_once(worker)

    async def checkpoint() -> None:
        await sign_checkpoint(worker)

    async def follow_requests() -> None:
        await worker.asking.counter.waiting.follow()

    async def end_requests() -> None:
        await worker.asking.rounds.go()

    async def count_requests() -> None:
        worker.asking.show()

    rounds = (
        (follow_requests, timedelta(0)),
        (end_requests, _REQUESTS_EVERY),
        (count_requests, _KEYS_EVERY),
        (follow_keys, _KEYS_EVERY),
        (follow_policies, _POLICIES_EVERY),
        (prune, _PRUNE_EVERY),
        (checkpoint, worker.settings.checkpoint_every),
        (worker.pulse.round, EVERY),
    )
    return [asyncio.create_task(_repeat(deed, every)) for deed, every in rounds]


async def _repeat(deed: Callable[[], Awaitable[None]], every: timedelta) -> None:
    while True:
        await asyncio.sleep(every.total_seconds())
        try:
            await deed()
        except StoreUnavailableError as error:
            log.warning("housekeeping put off", deed=deed.__name__, cause=str(error))
        except Exception:
            log.exception("bug in housekeeping", deed=deed.__name__)


async def _stop(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])


async def prune_once(worker: Worker) -> None:
    """Delete what has outlived its use, a batch at a time, leaving room for requests between."""
    keep = worker.settings.ledger_keep_days
    now = worker.clock.now()
    before = None if keep is None else now - timedelta(days=keep)
    for _ in range(_PRUNE_BATCHES):
        gone = await worker.store.prune(
            now, ledger_before=before, limit=_PRUNE_ROWS, sign=worker.signing_keys.sign
        )
        if gone < _PRUNE_ROWS:
            return
        await asyncio.sleep(_PRUNE_PAUSE_SECONDS)


async def sign_checkpoint(worker: Worker) -> None:
    """Tie all chains together in one signed entry (DESIGN D6), where anything is new."""
    now = worker.clock.now()
    heads = await worker.store.heads()
    body = checkpoint_body(heads, now=now, sign=worker.signing_keys.sign)
    await _commit(worker, Entry(EntryKind.CHECKPOINT, now, "", body))


async def _record(worker: Worker, kind: EntryKind) -> None:
    body: dict[str, Json] = {
        "version": __version__,
        "issuer": worker.settings.issuer,
        "policy_digest": worker.policy.bundle.digest,
    }
    await _commit(worker, Entry(kind, worker.clock.now(), "", body))


async def _commit(worker: Worker, entry: Entry) -> None:
    await worker.store.commit(Write(record=lambda _: (entry,)))


async def _farewell(worker: Worker) -> None:
    """Leave a last signed word; if the store is gone, say so and go."""
    try:
        await _record(worker, EntryKind.SERVER_STOPPED)
        await sign_checkpoint(worker)
    except StoreUnavailableError as error:
        log.warning("stopped without a last checkpoint", cause=str(error))
