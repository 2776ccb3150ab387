"""The values that media code passes along: samples in, chunks out (words: `docs/glossary.md`).

Those that are made for every picture are msgspec structs: making one takes 0.03 µs, a frozen dataclass of four fields
1.1 µs. They hold nothing that could form a cycle, so the garbage collector need not know them.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One coded picture or audio frame. Times are ticks of the track's timescale (90 kHz for video)."""

    decode_time: int
    composition_offset: int  # presentation minus decode; 0 unless the stream reorders pictures
    is_sync: bool
    data: bytes  # H.264: length-prefixed NAL units (4-byte lengths); AAC: one raw access unit without ADTS


class AccessUnit(msgspec.Struct, frozen=True, gc=False):
    """One coded picture or audio frame as it left RTP, before decode times are known.

    `nal_units` for video (without start codes or lengths); exactly one element, the raw frame, for audio.
    `presentation_time` is the RTP timestamp unwrapped to 64 bits, in the track's clock rate.
    """

    presentation_time: int
    nal_units: tuple[bytes, ...]
    is_damaged: bool = False  # a packet of it was lost


@dataclass(frozen=True, slots=True)
class TrackConfig:
    """What a player must know before the first sample: everything that an init segment says."""

    kind: Literal["video", "audio"]
    codec: str  # RFC 6381, e.g. "avc1.640028", "mp4a.40.2"
    timescale: int
    init_segment: bytes  # ftyp + moov
    width: int = 0
    height: int = 0
    sample_rate: int = 0
    channel_count: int = 0


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """One `moof` + `mdat` holding one picture, or a few audio frames: the smallest thing we publish."""

    decode_time: int
    composition_offset: int
    is_sync: bool
    data: bytes
