from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incamera.protocol import frames, messages

SPAN = UUID(int=7)


def test_messages_read_back() -> None:
    opened = messages.StreamOpen(
        span_id=SPAN, run_id=SPAN, channel_id=SPAN, stream=messages.StreamKind.MAIN, epoch=1, is_backlog=False,
        codec="avc1.640028", timescale=90_000, init_segment=b"\0\1", run_started_us=5, run_decode_time=9,
        gap_cause=messages.GapCause.STARTED,
    )  # fmt: skip
    assert messages.parse_edge_message(messages.render_message(opened)) == opened
    desired = messages.Desired(
        version=3,
        channels=(
            messages.DesiredChannel(
                channel_id=SPAN,
                epoch=1,
                source=messages.RtspSource(url="rtsp://camera/", username="u", password="p"),
                streams=(
                    messages.DesiredStream(
                        stream=messages.StreamKind.MAIN, mode=messages.StreamMode.RECORD, is_watched=False
                    ),
                ),
            ),
        ),
    )
    assert messages.parse_server_message(messages.render_message(desired)) == desired


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b"[]", b'{"type":"nope"}', b'{"type":"ping","sent_us":"x"}', b'{"type":"ping","sent_us":1,"x":1}'],
)
def test_what_is_not_a_message_is_refused(text: bytes) -> None:
    with pytest.raises(messages.InvalidMessage):
        messages.parse_edge_message(text)


def test_a_message_beyond_the_limit_is_refused() -> None:
    with pytest.raises(messages.InvalidMessage, match="too long"):
        messages.parse_server_message(b" " * (messages.MAX_MESSAGE_BYTES + 1))


@given(st.binary(max_size=200))
def test_any_bytes_give_a_message_or_a_named_error(text: bytes) -> None:
    for parse in (messages.parse_edge_message, messages.parse_server_message):
        try:
            parse(text)
        except messages.InvalidMessage:
            continue


@given(
    st.integers(0, 2**32 - 1), st.booleans(), st.booleans(), st.integers(0, 2**64 - 1),
    st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1),
)  # fmt: skip
def test_media_frames_read_back(
    index: int, is_sync: bool, is_backlog: bool, sequence: int, decode: int, offset: int, wall: int
) -> None:
    frame = frames.MediaFrame(index, is_sync, is_backlog, sequence, decode, offset, wall, b"chunk")
    assert frames.parse_media_frame(frames.render_media_frame_header(frame) + frame.chunk) == frame


@pytest.mark.parametrize("data", [b"", bytes(36), b"\0\0\0\1\x80" + bytes(40)])
def test_short_frames_and_unknown_flags_are_refused(data: bytes) -> None:
    with pytest.raises(frames.InvalidFrame):
        frames.parse_media_frame(data)


def test_the_header_of_a_viewer_is_24_bytes() -> None:
    header = frames.render_viewer_header(9, True, 3600, 1_700_000_000_000_000)
    assert (len(header), frames.parse_viewer_header(header)) == (24, (9, True, 3600, 1_700_000_000_000_000))
