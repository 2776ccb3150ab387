import io
from collections.abc import Iterator

import pytest
import structlog

from incamera.edge import logs


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    before = structlog.get_config()
    stream = io.StringIO()
    logs.configure(stream)
    yield stream
    structlog.configure(**before)


@pytest.mark.req("X-07")
def test_an_exception_leaves_its_place_and_never_its_text(written: io.StringIO) -> None:
    try:
        raise OSError("connect call failed ('192.168.7.7', 554), password hunter2")
    except OSError:
        structlog.get_logger().exception("edge.camera_failed", channel_id="1")

    [line] = written.getvalue().splitlines()
    assert "event=edge.camera_failed" in line
    assert "error_type=OSError" in line
    assert "test_an_exception_leaves" in line
    assert "192.168.7.7" not in line
    assert "hunter2" not in line


@pytest.mark.req("X-07")
def test_words_from_outside_cannot_command_a_terminal_or_forge_a_line(written: io.StringIO) -> None:
    said = "\x1b]0;owned\x07\x9b2J\r\nlevel=info event=edge.connected \u202e" + "x" * 10_000

    structlog.get_logger().warning("edge.line_down", says=said)

    [line] = written.getvalue().splitlines()
    assert line.isprintable()
    assert len(line) < 1000
