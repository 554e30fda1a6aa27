"""Structured logs, one JSON object a line, on standard error."""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, BinaryIO, TextIO, cast

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
        logger_factory=structlog.BytesLoggerFactory(cast("BinaryIO", _Outlet(sys.stderr.buffer)))
        if format_ == "json"
        else structlog.WriteLoggerFactory(cast("TextIO", _Outlet(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Bridge()], force=True)


class _Outlet:
    """A stream whose failures are swallowed: what was done is done, whether it can be told or not.

    A log that nobody reads any more, or a full disk, must fail no request whose work is committed.
    """

    def __init__(self, stream: BinaryIO | TextIO) -> None:
        self._stream: Any = stream

    def write(self, text: bytes | str) -> None:
        with suppress(OSError, ValueError):  # ValueError: the stream is closed
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


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
