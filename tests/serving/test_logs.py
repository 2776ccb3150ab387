"""Logs hold declared events and keys only, whatever the code says."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from incamera.serving import logs

EVENTS = {"camera.lost": frozenset({"channel_id"}), "library.message": frozenset({"source", "text", "place"})}


@pytest.fixture
def lines() -> Iterator[Any]:
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    logs.configure("info", EVENTS, stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.configure(**config)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_declared_keys_pass_and_others_are_dropped_and_counted(lines: Any) -> None:
    before = logs.KEYS_DROPPED._value.get()
    structlog.get_logger("x").info("camera.lost", channel_id="7", email="anne@example.org")
    (line,) = lines()
    assert line["channel_id"] == "7"
    assert "email" not in line
    assert logs.KEYS_DROPPED._value.get() == before + 1


def test_undeclared_event_keeps_only_its_name(lines: Any) -> None:
    structlog.get_logger("x").info("something.new", address="192.0.2.7")
    (line,) = lines()
    assert line.keys() == {"event", "level", "timestamp"}


def test_exception_leaves_its_place_and_never_its_text(lines: Any) -> None:
    try:
        raise ValueError("anne@example.org")
    except ValueError as error:
        structlog.get_logger("x").error("camera.lost", exc_info=error)
    (line,) = lines()
    assert line["error_type"] == "ValueError"
    assert "test_logs.py" in line["stack"][-1]
    assert "anne" not in json.dumps(line)


def test_other_libraries_cannot_log_values(lines: Any) -> None:
    logging.getLogger("sqlalchemy.engine").error("INSERT %s", "anne@example.org")
    logging.getLogger("somebody").error(f"hello {'anne@example.org'}")
    logging.getLogger("uvicorn.error").error("Cancel %s running task(s)", 7)
    assert [line["text"] for line in lines()] == ["", "", "Cancel %s running task(s)"]
    assert "anne" not in json.dumps(lines())


def test_threshold(lines: Any) -> None:
    structlog.get_logger("x").debug("camera.lost")
    assert lines() == []
