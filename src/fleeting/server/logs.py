"""Structured logs, one JSON object a line, on standard error."""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure_logs(level: str, format_: str) -> None:
    """Set up logging for this process; the libraries' own warnings come out the same way."""
    if format_ == "json":
        processors: list[Any] = [_json_line]
    else:
        processors = [
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=(_Bytes if format_ == "json" else _Text),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Bridge()], force=True)


def _json_line(_logger: object, method: str, event: MutableMapping[str, Any]) -> bytes:
    """Render one event; a request writes one of these, so it is a single step."""
    line = {"at": datetime.now(UTC).isoformat(), "level": method, **event}
    exc_info = line.pop("exc_info", None)
    if exc_info:
        line["exception"] = format_exception(exc_info)
    try:
        return orjson.dumps(line, default=repr)
    except TypeError:  # half a character, a number beyond 64 bits: no reason to fail a request
        return orjson.dumps({name: ascii(value) for name, value in line.items()})


def format_exception(exc_info: object) -> str:
    """Return the traceback of the exception that is being handled, or that was given."""
    error = exc_info if isinstance(exc_info, BaseException) else sys.exception()
    return "" if error is None else "".join(traceback.format_exception(error))


class _Bridge(logging.Handler):
    """Hand what libraries log to structlog: name, level and message, nothing else."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger("fleeting.libraries")
        exc_info = record.exc_info if record.levelno >= logging.ERROR else None
        log.log(record.levelno, record.getMessage(), logger=record.name, exc_info=exc_info)
