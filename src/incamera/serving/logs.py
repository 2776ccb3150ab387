"""Logs: one JSON object a line on standard error, made only of declared events and declared keys.

`privacy.declare_log_events` is the allow-list. An undeclared event keeps its name and loses everything else; an
undeclared key is dropped and counted (`incamera_log_keys_dropped_total`). Of an exception the type and the places in
the source are written, never its text: texts quote what people typed. Other libraries' records pass the same way.
"""

import logging
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TextIO

import structlog
from prometheus_client import Counter

from incamera.privacy import declare_log_events

declare_log_events(None, {"library.message": ("source", "text", "place")})
KEYS_DROPPED: Final = Counter("incamera_log_keys_dropped_total", "Keys of log lines that no declaration allows.")
_ALWAYS: Final = frozenset({"event", "level", "timestamp", "logger", "error_type", "stack"})
_MAX_FRAMES: Final = 12
# Their messages are literal formats of their own source; the arguments are what may carry addresses and paths.
_TRUSTED_FORMATS: Final = ("uvicorn", "asyncio", "alembic")


class AllowList:
    """A structlog processor that lets through what is declared and nothing else."""

    def __init__(self, events: Mapping[str, frozenset[str]]) -> None:
        self._events = events

    def __call__(self, _logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        allowed = _ALWAYS | self._events.get(str(line.get("event")), frozenset())
        for key in [key for key in line if key not in allowed]:
            del line[key]
            KEYS_DROPPED.inc()
        return line


class LibraryRecords(logging.Handler):
    """Records of the standard `logging` module as events `library.message`, without their arguments."""

    def emit(self, record: logging.LogRecord) -> None:
        trusted = record.name.startswith(_TRUSTED_FORMATS) and isinstance(record.msg, str)
        structlog.get_logger(record.name).log(
            record.levelno,
            "library.message",
            source=record.name,
            text=record.msg.splitlines()[0][:200] if trusted and record.msg else "",
            place=f"{record.module}:{record.lineno}",
            exc_info=record.exc_info if record.exc_info and record.exc_info[0] else None,
        )


def configure(level: str, events: Mapping[str, frozenset[str]], stream: TextIO | None = None) -> None:
    """Sets up structlog and `logging` for this process."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _render_error,
            AllowList(events),
            structlog.processors.JSONRenderer(default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [LibraryRecords()]
    root.setLevel(max(threshold, logging.WARNING))


def _render_error(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    exc_info = line.pop("exc_info", None)
    if exc_info is True:
        exc_info = sys.exc_info()
    elif isinstance(exc_info, BaseException):
        exc_info = (type(exc_info), exc_info, exc_info.__traceback__)
    if exc_info and exc_info[0] is not None:
        frames = traceback.extract_tb(exc_info[2])[-_MAX_FRAMES:]
        line["error_type"] = exc_info[0].__name__
        line["stack"] = [f"{frame.filename.rpartition('/src/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
    return line
