import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incamera.media.isobmff import InvalidBox, box, full_box, iter_boxes, parse_chunk


def test_boxes_are_read_as_written() -> None:
    data = box(b"free", b"abc") + full_box(b"test", 1, 2, b"d")
    assert [(b.type, bytes(b.payload)) for b in iter_boxes(data)] == [(b"free", b"abc"), (b"test", b"\x01\0\0\x02d")]


def test_large_and_open_ended_sizes() -> None:
    large = (1).to_bytes(4, "big") + b"mdat" + (18).to_bytes(8, "big") + b"xy"
    open_ended = bytes(4) + b"mdat" + b"rest"
    assert [bytes(b.payload) for b in iter_boxes(large + open_ended)] == [b"xy", b"rest"]


@pytest.mark.parametrize("data", [b"\0\0\0\x07abcd", b"\0\0\0\x09abcd", b"abc", b"\0\0\0\x01abcd\0\0"])
def test_sizes_that_do_not_fit_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidBox):
        list(iter_boxes(data))


@given(st.binary(max_size=300))
def test_any_bytes_give_a_chunk_or_a_named_error(data: bytes) -> None:
    for attempt in (data, box(b"moof", box(b"traf", box(b"tfdt", data), box(b"trun", data))) + data):
        with contextlib.suppress(InvalidBox):
            parse_chunk(attempt)
