"""Binary headers in front of a chunk: one for the uplink, one for viewers. Big-endian, fixed size."""

import struct
from typing import Final

import msgspec

FLAG_SYNC: Final = 0x01
FLAG_BACKLOG: Final = 0x02  # uplink only: spooled, for the recorder, not live
FLAG_SEALED: Final = 0x04  # uplink only: the payload is a sealed spool record, `sequence` its number in the spool file

_UPLINK = struct.Struct(">IB3xQqiq")
_VIEWER = struct.Struct(">IB3xqq")
UPLINK_HEADER_BYTES: Final = _UPLINK.size  # 36
VIEWER_HEADER_BYTES: Final = _VIEWER.size  # 24
MAX_CHUNK_BYTES: Final = 16 * 1024 * 1024
MAX_FRAME_BYTES: Final = 2 * UPLINK_HEADER_BYTES + MAX_CHUNK_BYTES + 64  # a sealed record wraps a frame in a frame


class InvalidFrame(ValueError):
    """A binary message that no edge of ours would send."""


class MediaFrame(msgspec.Struct, frozen=True, gc=False):
    """One chunk on its way up. `sequence` counts chunks of one span from 0 without holes.

    A sealed frame (`spool.open`) is a record of a spool file that only the server can open (`protocol.spool`):
    `sequence` counts records of that file, `chunk` is the sealed record, and the times are 0.
    """

    index: int  # chosen by the server in `stream.start`
    is_sync: bool
    is_backlog: bool
    sequence: int
    decode_time: int  # ticks of the stream's timescale
    composition_offset: int
    wall_us: int  # wall time of the picture, microseconds since the Unix epoch
    chunk: bytes
    is_sealed: bool = False


def render_uplink_header(
    index: int, flags: int, sequence: int, decode_time: int, composition_offset: int, wall_us: int
) -> bytes:
    """The 36 bytes that go before a chunk; `flags` are an OR of FLAG_SYNC, FLAG_BACKLOG and FLAG_SEALED."""
    return _UPLINK.pack(index, flags, sequence, decode_time, composition_offset, wall_us)


def render_media_frame_header(frame: MediaFrame) -> bytes:
    """The 36 bytes that go before `frame.chunk`."""
    flags = (FLAG_SYNC if frame.is_sync else 0) | (FLAG_BACKLOG if frame.is_backlog else 0)
    if frame.is_sealed:
        flags |= FLAG_SEALED
    return render_uplink_header(
        frame.index, flags, frame.sequence, frame.decode_time, frame.composition_offset, frame.wall_us
    )


def parse_media_frame(data: bytes) -> MediaFrame:
    """Reads an uplink message; raises InvalidFrame."""
    if not UPLINK_HEADER_BYTES < len(data) <= MAX_FRAME_BYTES:
        raise InvalidFrame(f"media frame of {len(data)} bytes")
    index, flags, sequence, decode_time, composition_offset, wall_us = _UPLINK.unpack_from(data)
    if flags & ~(FLAG_SYNC | FLAG_BACKLOG | FLAG_SEALED):
        raise InvalidFrame(f"unknown flags {flags:#x}")
    return MediaFrame(
        index,
        bool(flags & FLAG_SYNC),
        bool(flags & FLAG_BACKLOG),
        sequence,
        decode_time,
        composition_offset,
        wall_us,
        data[UPLINK_HEADER_BYTES:],
        bool(flags & FLAG_SEALED),
    )


def render_viewer_header(handle: int, is_sync: bool, decode_time: int, wall_us: int) -> bytes:
    """The 24 bytes before a chunk on `/media/live` and `/media/playback`: handle, flags, decode time, wall time."""
    return _VIEWER.pack(handle, FLAG_SYNC if is_sync else 0, decode_time, wall_us)


def parse_viewer_header(data: bytes) -> tuple[int, bool, int, int]:
    """(handle, is_sync, decode_time, wall_us) of a viewer's binary message; the chunk follows."""
    handle, flags, decode_time, wall_us = _VIEWER.unpack_from(data)
    return handle, bool(flags & FLAG_SYNC), decode_time, wall_us
