"""The edge's log: one line per event on standard error, with ids and words, never with addresses, names or secrets.

Of an exception the kind and the places in the source are written, never its text, which may quote an address or what a
camera said. Words from outside (a server's refusal, a camera's codec) lose what a terminal would obey.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog

_MAX_FRAMES: Final = 12
_MAX_WORDS: Final = 500  # characters of one value


def configure(stream: TextIO | None = None) -> None:
    """Sets up structlog for this process."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _name_error,
            _make_harmless,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
    )


def _name_error(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    given = line.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else sys.exc_info()[1] if given else None
    if error is not None:
        frames = traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:]
        places = (f"{frame.filename.rpartition('/src/')[2]}:{frame.lineno} {frame.name}" for frame in frames)
        line["error_type"], line["stack"] = type(error).__name__, " < ".join(places)
    return line


def _make_harmless(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in line.items():
        if isinstance(value, str) and (not value.isprintable() or len(value) > _MAX_WORDS):
            limit = len(value) if key == "stack" else _MAX_WORDS
            line[key] = "".join(
                letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in value[:limit]
            )
    return line
