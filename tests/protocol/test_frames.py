"""Binary headers round-trip; what no edge of ours sends is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incamera.protocol import frames

I64 = st.integers(-(2**63), 2**63 - 1)


@given(
    st.builds(
        frames.MediaFrame,
        index=st.integers(0, 2**32 - 1),
        is_sync=st.booleans(),
        is_backlog=st.booleans(),
        sequence=st.integers(0, 2**64 - 1),
        decode_time=I64,
        composition_offset=st.integers(-(2**31), 2**31 - 1),
        wall_us=I64,
        chunk=st.binary(min_size=1, max_size=50),
        is_sealed=st.booleans(),
    )
)
def test_a_media_frame_is_read_as_written(frame: frames.MediaFrame) -> None:
    header = frames.render_media_frame_header(frame)

    assert len(header) == frames.UPLINK_HEADER_BYTES
    assert frames.parse_media_frame(header + frame.chunk) == frame


@given(st.integers(0, 2**32 - 1), st.booleans(), I64, I64)
def test_a_viewer_header_is_read_as_written(handle: int, is_sync: bool, decode_time: int, wall_us: int) -> None:
    header = frames.render_viewer_header(handle, is_sync, decode_time, wall_us)

    assert len(header) == frames.VIEWER_HEADER_BYTES
    assert frames.parse_viewer_header(header) == (handle, is_sync, decode_time, wall_us)


@pytest.mark.parametrize("data", [b"", b"\0" * frames.UPLINK_HEADER_BYTES, b"\0\0\0\0\x80" + b"\0" * 40])
def test_other_bytes_are_no_media_frame(data: bytes) -> None:
    with pytest.raises(frames.InvalidFrame):
        frames.parse_media_frame(data)
