"""Reading movie fragments back (ISO/IEC 14496-12 clause 8.8): for export, for stored segments, and for tests."""

import struct
from dataclasses import dataclass
from typing import Final

from incamera.media.isobmff.boxes import InvalidBox, iter_boxes

_MAX_SAMPLES: Final = 4096  # of one chunk; ours hold one picture or a few audio frames
_NON_SYNC: Final = 0x00010000


@dataclass(frozen=True, slots=True)
class FragmentSample:
    """One sample of a fragment. Times and duration are ticks of the track's timescale."""

    decode_time: int
    duration: int
    composition_offset: int
    is_sync: bool
    data: memoryview


def parse_chunk(data: bytes | memoryview) -> list[FragmentSample]:
    """The samples of one `moof` + `mdat` with one track, as our packager writes them; raises InvalidBox."""
    view = memoryview(data)
    children = {child.type: child.payload for child in iter_boxes(view)}
    try:
        traf = {child.type: child.payload for child in iter_boxes(_in(children[b"moof"], b"traf"))}
        decode_time = _base_decode_time(traf[b"tfdt"])
        return _samples(view, traf[b"trun"], decode_time)
    except (KeyError, struct.error, IndexError) as error:
        raise InvalidBox("this is not a chunk of ours") from error


def _in(payload: memoryview, kind: bytes) -> memoryview:
    return next((child.payload for child in iter_boxes(payload) if child.type == kind), memoryview(b""))


def _base_decode_time(tfdt: memoryview) -> int:
    return int.from_bytes(tfdt[4 : 12 if tfdt[0] == 1 else 8], "big")


def _samples(view: memoryview, trun: memoryview, decode_time: int) -> list[FragmentSample]:
    flags = int.from_bytes(trun[1:4], "big")
    count, offset = struct.unpack_from(">Ii", trun, 4)
    if flags & 0xF05 != 0xF01 or count > _MAX_SAMPLES:
        raise InvalidBox("this track run does not spell out its samples")
    samples = []
    for number in range(count):
        duration, size, sample_flags, composition_offset = struct.unpack_from(">IIIi", trun, 12 + 16 * number)
        if not 0 <= offset <= offset + size <= len(view):
            raise InvalidBox("a sample lies outside its chunk")
        is_sync = not sample_flags & _NON_SYNC
        samples.append(FragmentSample(decode_time, duration, composition_offset, is_sync, view[offset : offset + size]))
        offset += size
        decode_time += duration
    return samples
