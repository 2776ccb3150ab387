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
        return self.push_all((sample,))

    def push_all(self, samples: Sequence[Sample]) -> Chunk:
        """One chunk of some samples that follow each other (audio frames); its times are those of the first."""
        first = samples[0]
        self._sequence += 1
        entries = b"".join(
            _ENTRY.pack(
                self._duration,
                len(sample.data),
                _SYNC_FLAGS if sample.is_sync else _NON_SYNC_FLAGS,
                sample.composition_offset,
            )
            for sample in samples
        )
        moof_bytes = _HEAD.size + len(entries)
        mdat_bytes = 8 + sum(len(sample.data) for sample in samples)
        head = _HEAD.pack(
            moof_bytes, b"moof",
            16, b"mfhd", 0, self._sequence & 0xFFFFFFFF,
            moof_bytes - 24, b"traf",
            16, b"tfhd", _TFHD_DEFAULT_BASE_IS_MOOF, self._track_id,
            20, b"tfdt", 0x01000000, first.decode_time,
            20 + len(entries), b"trun", _TRUN_FLAGS, len(samples), moof_bytes + 8,
        )  # fmt: skip
        data = b"".join((head, entries, mdat_bytes.to_bytes(4, "big"), b"mdat", *(sample.data for sample in samples)))
        return Chunk(first.decode_time, first.composition_offset, first.is_sync, data)
