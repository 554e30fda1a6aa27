"""Structured logs, one JSON object a line, on standard error."""

import logging
import sys
from typing import Any

import structlog

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure_logs(level: str, format_: str) -> None:
    """Set up logging for this process; the libraries' own warnings come out the same way."""
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    if format_ == "json":
        processors.append(structlog.processors.JSONRenderer(separators=(",", ":")))
    else:
        processors.append(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Bridge()], force=True)


class _Bridge(logging.Handler):
    """Hand what libraries log to structlog: name, level and message, nothing else."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger("fleeting.libraries")
        exc_info = record.exc_info if record.levelno >= logging.ERROR else None
        log.log(record.levelno, record.getMessage(), logger=record.name, exc_info=exc_info)
