"""Init segments: `ftyp` + `moov` of one track (ISO/IEC 23000-19 clause 7.3.1)."""

import struct
from typing import Final

from incamera.media.isobmff.boxes import box, full_box

_MATRIX: Final = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_FTYP: Final = box(b"ftyp", b"cmf2", (0).to_bytes(4, "big"), b"iso6", b"cmfc", b"cmf2", b"mp41")
_UNDETERMINED: Final = 0x55C4  # ISO 639-2 "und", packed


def video_sample_entry(
    kind: bytes, configuration: bytes, width: int, height: int, sample_aspect_ratio: tuple[int, int]
) -> bytes:
    """A VisualSampleEntry (ISO/IEC 14496-12 clause 12.1.3) around a codec's configuration box."""
    return box(
        kind,
        struct.pack(">6xH16xHHIII H32xHh".replace(" ", ""), 1, width, height, 0x480000, 0x480000, 0, 1, 24, -1),
        configuration,
        box(b"pasp", struct.pack(">II", *sample_aspect_ratio)),
    )


def video_init_segment(
    entry: bytes, width: int, height: int, sample_aspect_ratio: tuple[int, int], *, timescale: int = 90_000
) -> bytes:
    """The init segment of a track of pictures with this sample entry; sizes in luma samples."""
    horizontal, vertical = sample_aspect_ratio
    shown_width = min(round(width * horizontal / vertical), 0xFFFF)
    media_header = full_box(b"vmhd", 0, 1, bytes(8))
    return _init_segment(timescale, b"vide", media_header, entry, width=shown_width, height=height)


def sound_sample_entry(kind: bytes, configuration: bytes, sample_rate: int, channel_count: int) -> bytes:
    """An AudioSampleEntry (ISO/IEC 14496-12 clause 12.2.3) around a codec's configuration box."""
    head = struct.pack(">6xH8xHHIHH", 1, channel_count, 16, 0, min(sample_rate, 0xFFFF), 0)
    return box(kind, head, configuration)


def sound_init_segment(entry: bytes, sample_rate: int) -> bytes:
    """The init segment of a track of sound with this sample entry; its timescale is the sample rate in Hz."""
    return _init_segment(sample_rate, b"soun", full_box(b"smhd", 0, 0, bytes(4)), entry, volume=0x0100)


def audio_init_segment(audio_specific_config: bytes, *, sample_rate: int, channel_count: int) -> bytes:
    """The init segment of an AAC track."""
    specific = full_box(b"esds", 0, 0, _es_descriptor(audio_specific_config))
    return sound_init_segment(sound_sample_entry(b"mp4a", specific, sample_rate, channel_count), sample_rate)


def _init_segment(
    timescale: int,
    handler: bytes,
    media_header: bytes,
    entry: bytes,
    *,
    width: int = 0,
    height: int = 0,
    volume: int = 0,
) -> bytes:
    sample_table = box(
        b"stbl",
        full_box(b"stsd", 0, 0, (1).to_bytes(4, "big"), entry),
        full_box(b"stts", 0, 0, bytes(4)),
        full_box(b"stsc", 0, 0, bytes(4)),
        full_box(b"stsz", 0, 0, bytes(8)),
        full_box(b"stco", 0, 0, bytes(4)),
    )
    data_information = box(b"dinf", full_box(b"dref", 0, 0, (1).to_bytes(4, "big"), full_box(b"url ", 0, 1)))
    media = box(
        b"mdia",
        full_box(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, timescale, 0, _UNDETERMINED, 0)),
        full_box(b"hdlr", 0, 0, bytes(4), handler, bytes(12), b"\0"),
        box(b"minf", media_header, data_information, sample_table),
    )
    track_header = struct.pack(">IIIII8xhhhh36sII", 0, 0, 1, 0, 0, 0, 0, volume, 0, _MATRIX, width << 16, height << 16)
    movie_header = struct.pack(">IIIIIH10x36s24xI", 0, 0, timescale, 0, 0x10000, 0x0100, _MATRIX, 2)
    return _FTYP + box(
        b"moov",
        full_box(b"mvhd", 0, 0, movie_header),
        box(b"trak", full_box(b"tkhd", 0, 3, track_header), media),
        box(b"mvex", full_box(b"trex", 0, 0, struct.pack(">IIIII", 1, 1, 0, 0, 0))),
    )


def _es_descriptor(audio_specific_config: bytes) -> bytes:
    """ES_Descriptor of an AAC track (ISO/IEC 14496-1 clause 7.2.6.5); every length fits one byte."""
    specific = _descriptor(0x05, audio_specific_config)
    decoder = _descriptor(0x04, bytes((0x40, 0x15)) + bytes(3) + bytes(8), specific)  # AAC, audio stream
    return _descriptor(0x03, bytes(3), decoder, _descriptor(0x06, b"\x02"))


def _descriptor(tag: int, *payload: bytes) -> bytes:
    body = b"".join(payload)
    return bytes((tag, len(body))) + body
