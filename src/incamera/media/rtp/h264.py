"""H.264 in RTP (RFC 6184): single NAL unit packets, STAP-A, FU-A; packetization modes 0 and 1.

An access unit ends with the marker bit or with the next timestamp, whichever comes first. Some cameras never set the
marker, some set it on every NAL unit or slice. So:

- a marker on parameter sets or SEI alone ends nothing;
- the first unit is held until its successor begins; only if the marker was seen exactly where the unit ended is it
  believed from then on, which saves one picture interval of delay for every later picture;
- a camera caught later with another slice of the same picture after its marker is not believed any more.

Two pictures may share a timestamp (a server that starts with B-frames does it): after a marker a slice that begins at
macroblock 0 begins a picture, and one that does not shows that the marker lied.
"""

from collections.abc import Iterator
from typing import Final

from incamera.media.rtp.receiver import Emit
from incamera.media.sample import AccessUnit

MAX_UNIT_BYTES: Final = 8 * 1024 * 1024
MAX_UNIT_PACKETS: Final = 16_384  # of 1.4 kB each: 22 MB; bounds what a stream of tiny fragments can make us keep
MAX_PAYLOAD_BYTES: Final = 1400

_LAST_SLICE: Final = 5  # NAL unit types 1 to 5 are coded slices
_LAST_SINGLE: Final = 23
_DELIMITER: Final = 9  # access unit delimiter
_STAP_A: Final = 24
_FU_A: Final = 28
_FU_START: Final = 0x80
_FU_END: Final = 0x40


class H264Depacketiser:
    """Collects NAL units until their access unit is whole.

    Memory is bounded: a unit that grows beyond the limits is thrown away. What is lost flags the unit it belonged to,
    or the next one if none of it is left.
    """

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._nal_units: list[bytes] = []
        self._fragments: list[bytes] = []  # of the NAL unit that fragmentation units are bringing; empty if none
        self._unit_bytes = 0
        self._unit_packets = 0
        self._time: int | None = None
        self._arrival_s = 0.0
        self._has_slice = False
        self._is_damaged = False
        self._ended_at: int | None = None  # time of the unit that a marker ended last
        self._was_marked = False  # the last packet of this unit so far carried a marker
        self._slice_was_marked = False  # a marker followed a slice of this unit
        self._markers_lied = False
        self._trusts_marker = False

    def push(
        self, data: bytes, start: int, stop: int, time: int, is_marked: bool, is_after_loss: bool, arrival_s: float
    ) -> None:
        """See `Depacketiser`."""
        if time != self._time:
            if self._time is not None:
                self._end_by_timestamp()
            self._time = time
        if is_after_loss:
            self._lose()
        self._unit_packets += 1
        self._unit_bytes += stop - start
        if self._unit_bytes > MAX_UNIT_BYTES or self._unit_packets > MAX_UNIT_PACKETS:
            self._discard()
            return
        if stop - start < 2:
            return  # an empty keep-alive packet, or a NAL unit without content
        kind = data[start] & 0x1F
        if kind == _FU_A:
            self._push_fragment(data, start, stop)
        elif kind == _STAP_A:
            self._push_aggregate(data, start, stop)
        elif 0 < kind <= _LAST_SINGLE:
            self._drop_fragments()
            self._append(data[start:stop])
        else:
            self._is_damaged = True  # interleaved modes are never negotiated; reserved types carry nothing we know
        self._arrival_s = arrival_s
        self._was_marked = is_marked
        if is_marked and self._has_slice:
            self._slice_was_marked = True
            if self._trusts_marker:
                self._ended_at = time
                self._finish()

    def _push_fragment(self, data: bytes, start: int, stop: int) -> None:
        """A fragmentation unit (clause 5.8)."""
        header = data[start + 1]
        if header & _FU_START:
            self._drop_fragments()
            self._fragments = [bytes((data[start] & 0xE0 | header & 0x1F,)), data[start + 2 : stop]]
        elif self._fragments:
            self._fragments.append(data[start + 2 : stop])
        else:
            self._is_damaged = True  # its beginning is missing
            return
        if header & _FU_END:
            nal_unit = b"".join(self._fragments)
            self._fragments = []
            self._append(nal_unit)

    def _push_aggregate(self, data: bytes, start: int, stop: int) -> None:
        """A single-time aggregation packet (clause 5.7.1)."""
        self._drop_fragments()
        at = start + 1
        while at + 2 < stop:
            size = data[at] << 8 | data[at + 1]
            at += 2
            if at + size > stop:
                self._is_damaged = True
                return
            if size > 0:
                self._append(data[at : at + size])
            at += size

    def _append(self, nal_unit: bytes) -> None:
        kind = nal_unit[0] & 0x1F
        if 0 < kind <= _LAST_SLICE:
            # first_mb_in_slice comes first in the slice header (clause 7.3.3), as ue(v): 0 is a single bit 1.
            begins_picture = len(nal_unit) > 1 and nal_unit[1] >= 0x80
            if begins_picture and self._slice_was_marked:
                self._finish()
            elif not begins_picture and self._is_contradicted():
                return
            self._has_slice = True
        elif kind == _DELIMITER and self._slice_was_marked:
            self._finish()
        self._nal_units.append(nal_unit)

    def _is_contradicted(self) -> bool:
        """A slice continues a picture. If a marker had ended it and we acted on that, the slice comes too late."""
        if self._slice_was_marked:
            self._markers_lied = True
        if self._has_slice or self._ended_at != self._time:
            return False
        self._trusts_marker = False
        self._markers_lied = True
        self._is_damaged = True
        return True

    def _drop_fragments(self) -> None:
        if self._fragments:
            self._fragments = []
            self._is_damaged = True

    def _lose(self) -> None:
        self._fragments = []
        self._is_damaged = True

    def _discard(self) -> None:
        self._nal_units = []
        self._fragments = []
        self._has_slice = False
        self._is_damaged = True

    def _end_by_timestamp(self) -> None:
        """The successor begins. Shows, too, whether this camera's markers can be believed."""
        self._drop_fragments()
        if self._has_slice:
            self._trusts_marker = self._was_marked and not self._markers_lied
        elif self._nal_units:
            return  # parameter sets under the time of the picture before: they belong to the one that follows
        self._finish()

    def _finish(self) -> None:
        if self._nal_units and self._time is not None:
            unit = AccessUnit(self._time, tuple(self._nal_units), self._is_damaged)
            self._is_damaged = False
            self._nal_units = []
            self._emit(unit, self._arrival_s)
        self._unit_bytes = 0
        self._unit_packets = 0
        self._has_slice = False
        self._was_marked = False
        self._slice_was_marked = False


def packetise_h264(nal_units: tuple[bytes, ...]) -> Iterator[tuple[bool, bytes]]:
    """(marker, payload) of each packet of an access unit; large NAL units go as FU-A."""
    last = len(nal_units) - 1
    for number, nal_unit in enumerate(nal_units):
        if len(nal_unit) <= MAX_PAYLOAD_BYTES:
            yield number == last, nal_unit
        else:
            yield from _fragment(nal_unit, number == last)


def _fragment(nal_unit: bytes, is_last: bool) -> Iterator[tuple[bool, bytes]]:
    indicator = nal_unit[0] & 0xE0 | _FU_A
    kind = nal_unit[0] & 0x1F
    room = MAX_PAYLOAD_BYTES - 2
    for at in range(1, len(nal_unit), room):
        is_end = at + room >= len(nal_unit)
        header = kind | (_FU_START if at == 1 else 0) | (_FU_END if is_end else 0)
        yield is_end and is_last, bytes((indicator, header)) + nal_unit[at : at + room]
