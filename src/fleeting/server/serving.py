"""Run the workers of an installation until they are told to stop."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import structlog
import uvicorn
from starlette.applications import Starlette
from uvicorn.config import STARTUP_FAILURE

from fleeting.server.app import app_of
from fleeting.server.connections import BoundedProtocol
from fleeting.server.housekeeping import life
from fleeting.server.logs import configure_logs
from fleeting.server.metrics import MULTIPROCESS_VARIABLE
from fleeting.server.settings import CONFIG_VARIABLE, Settings, SettingsError, load_settings
from fleeting.server.supervising import Workers
from fleeting.server.wiring import Worker, build_worker
from fleeting.stores import MEMORY

_BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 75

log = structlog.get_logger("fleeting.server")


def serve(config: Path, settings: Settings) -> None:
    """Serve *settings*, which *config* declares, with as many workers as they say.

    On SIGTERM or SIGINT every worker finishes what it started, commits, and exits, at the latest
    after ``shutdown_timeout``.

    Raises:
        SettingsError, SigningKeysError, PolicyProblems: the installation cannot be served.
        UnusableSetError: nor can the policy set in force.
        StoreUnavailableError: the database cannot be reached.
    """
    configure_logs(settings.log_level, settings.log_format)
    for warning in settings.warnings:
        log.warning("weak setting", warning=warning)
    if settings.workers == 1:
        _serve_alone(build_worker(settings))
        return
    _prepare_workers(config, settings)
    with _shared_metrics():
        _serve_with_workers(settings)


def _prepare_workers(config: Path, settings: Settings) -> None:
    """Find every fault once, before there are workers to find it again and again."""
    if settings.database == MEMORY:
        raise SettingsError("memory:// is one process's own: use SQLite or PostgreSQL for workers")
    asyncio.run(_begin_once(build_worker(settings)))
    os.environ[CONFIG_VARIABLE] = str(config.resolve())


async def _begin_once(worker: Worker) -> None:
    """Begin as each worker will, which also migrates a SQLite database and loads what is new."""
    try:
        await worker.store.open()
        await worker.reloading.begin()
    finally:
        await worker.store.close()
        await worker.http.aclose()


@contextmanager
def _shared_metrics() -> Iterator[None]:
    """Give the workers a directory to add their metrics up in, and leave none behind."""
    if MULTIPROCESS_VARIABLE in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(
        prefix="fleeting-metrics-", ignore_cleanup_errors=True
    ) as directory:
        os.environ[MULTIPROCESS_VARIABLE] = directory
        try:
            yield
        finally:
            del os.environ[MULTIPROCESS_VARIABLE]


def worker_app() -> Starlette:
    """Return the application of one of several workers, from the environment ``serve`` left."""
    settings = load_settings(Path(os.environ[CONFIG_VARIABLE]))
    configure_logs(settings.log_level, settings.log_format)
    return _reloading_app(build_worker(settings, replaces=True))


def _reloading_app(worker: Worker) -> Starlette:
    """Return the application of *worker*, which reads its policies again on SIGHUP."""
    signal.signal(signal.SIGHUP, lambda _number, _frame: worker.reloading.wish())
    return app_of(worker)


def _serve_alone(worker: Worker) -> None:
    """Serve in this process; what stops the start is raised here, where uvicorn would log it."""
    config = _config(_reloading_app(worker), worker.settings, lifespan="off")
    server = uvicorn.Server(config)

    async def run() -> None:
        async with life(worker):
            _stop_in_order()
            await server.serve()

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(run())
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def _serve_with_workers(settings: Settings) -> None:
    config = _config("fleeting.server.serving:worker_app", settings, lifespan="on")
    _stop_in_order()
    Workers(config, sockets=[config.bind_socket()]).run()


def _stop_in_order() -> None:
    """Have the signal that uvicorn passes on, once it has stopped in order, end nothing else."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _already_stopped)


def _already_stopped(_number: int, _frame: object) -> None:
    """Take the signal: exit 0, not by it."""


def _config(
    app: Starlette | str, settings: Settings, *, lifespan: Literal["on", "off"]
) -> uvicorn.Config:
    host, port = settings.bind
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        host=host,
        port=port,
        workers=settings.workers,
        loop="uvloop",
        lifespan=lifespan,
        http=BoundedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # what a Host or Forwarded header says counts for nothing here
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(settings.shutdown_timeout.total_seconds()),
    )
