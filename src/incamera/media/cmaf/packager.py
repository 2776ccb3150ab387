"""Chunks: `moof` + `mdat` around one picture, the moment it is there (ISO/IEC 14496-12 clause 8.8).

libav's muxer writes a picture only when the next one comes; this writer needs nothing but the sample. What it cannot
know is the sample's duration, so a live chunk claims LIVE_DURATION_BOUND_S: with a claim that turns out too short
(say, the previous difference), one late picture makes Chromium drop everything up to the next sync sample. The true
duration follows from the next decode time (`docs/design/chunks.md`).
"""

import struct
from collections.abc import Sequence
from typing import Final

from incamera.media.sample import Chunk, Sample

LIVE_DURATION_BOUND_S: Final = 1

_SYNC_FLAGS: Final = 0x02000000  # sample_depends_on = 2: on no other
_NON_SYNC_FLAGS: Final = 0x01010000  # sample_depends_on = 1, sample_is_non_sync_sample

# moof(mfhd, traf(tfhd: default-base-is-moof, tfdt v1, trun v1 head)): everything but the samples' entries.
_HEAD: Final = struct.Struct(">I4s I4sII I4s I4sII I4sIQ I4sIIi".replace(" ", ""))
_ENTRY: Final = struct.Struct(">IIIi")  # duration, size, flags, composition offset
_TFHD_DEFAULT_BASE_IS_MOOF: Final = 0x020000
_TRUN_FLAGS: Final = (
    0x01000000 | 0x000001 | 0x000100 | 0x000200 | 0x000400 | 0x000800
)  # version 1, offset, all per sample


class Packager:
    """Writes the chunks of one track. `sample_duration` in ticks where it is known (audio), else the live bound."""

    def __init__(self, timescale: int, *, track_id: int = 1, sample_duration: int | None = None) -> None:
        self._track_id = track_id
        self._duration = sample_duration or timescale * LIVE_DURATION_BOUND_S
        self._sequence = 0

    def push(self, sample: Sample) -> Chunk:
        """The chunk of one sample."""
        return self._render(sample, 1, self._entry(sample), sample.data)

    def push_all(self, samples: Sequence[Sample], *, sample_duration: int | None = None) -> Chunk:
        """One chunk of some samples that follow each other (audio frames); its times are those of the first.

        Each lasts `sample_duration` ticks, if they last another time than those before.
        """
        self._duration = sample_duration or self._duration
        entries = b"".join(map(self._entry, samples))
        return self._render(samples[0], len(samples), entries, b"".join([sample.data for sample in samples]))

    def _entry(self, sample: Sample) -> bytes:
        flags = _SYNC_FLAGS if sample.is_sync else _NON_SYNC_FLAGS
        return _ENTRY.pack(self._duration, len(sample.data), flags, sample.composition_offset)

    def _render(self, first: Sample, count: int, entries: bytes, media: bytes) -> Chunk:
        self._sequence += 1
        moof_bytes = _HEAD.size + len(entries)
        head = _HEAD.pack(
            moof_bytes, b"moof",
            16, b"mfhd", 0, self._sequence & 0xFFFFFFFF,
            moof_bytes - 24, b"traf",
            16, b"tfhd", _TFHD_DEFAULT_BASE_IS_MOOF, self._track_id,
            20, b"tfdt", 0x01000000, first.decode_time,
            20 + len(entries), b"trun", _TRUN_FLAGS, count, moof_bytes + 8,
        )  # fmt: skip
        data = b"".join((head, entries, (8 + len(media)).to_bytes(4, "big"), b"mdat", media))
        return Chunk(first.decode_time, first.composition_offset, first.is_sync, data)
