"""NAL units in RTP: what H.264 (RFC 6184) and H.265 (RFC 7798) share once a payload has been taken apart.

An access unit ends with the marker bit or with the next timestamp, whichever comes first. Some cameras never set the
marker, some set it on every NAL unit or slice. So:

- a marker on parameter sets or SEI alone ends nothing;
- the first unit is held until its successor begins; only if the marker was seen exactly where the unit ended is it
  believed from then on, which saves one picture interval of delay for every later picture;
- a camera caught later with another slice of the same picture after its marker is not believed any more.

Two pictures may share a timestamp (a server that starts with B-frames does it): after a marker a slice that begins a
picture begins the next one, and one that does not shows that the marker lied.
"""

from abc import abstractmethod
from typing import ClassVar, Final

from incamera.media.rtp.receiver import Emit, FragmentCollector
from incamera.media.sample import AccessUnit

MAX_UNIT_BYTES: Final = 8 * 1024 * 1024
MAX_UNIT_PACKETS: Final = 16_384  # of 1.4 kB each: 22 MB; bounds what a stream of tiny fragments can make us keep
MAX_PAYLOAD_BYTES: Final = 1400


class NalUnitDepacketiser(FragmentCollector):
    """Collects NAL units until their access unit is whole. A codec says how payloads and headers are read.

    Memory is bounded: a unit that grows beyond the limits is thrown away. What is lost flags the unit it belonged to,
    or the next one if none of it is left.
    """

    HEADER_BYTES: ClassVar[int]  # of a NAL unit; the bit behind it says whether a slice is its picture's first
    KIND_SHIFT: ClassVar[int]
    KIND_MASK: ClassVar[int]
    SLICES: ClassVar[frozenset[int]]
    DELIMITER: ClassVar[int]  # access unit delimiter

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
        if stop - start <= self.HEADER_BYTES:
            return  # an empty keep-alive packet, or a NAL unit without content
        self._take_payload(data, start, stop)
        self._arrival_s = arrival_s
        self._was_marked = is_marked
        if is_marked and self._has_slice:
            self._slice_was_marked = True
            if self._trusts_marker:
                self._ended_at = time
                self._finish()

    @abstractmethod
    def _take_payload(self, data: bytes, start: int, stop: int) -> None:
        """Appends the NAL units of a payload that is longer than a header, or continues the one in fragments."""

    def push_more(self, pieces: list[bytes], payload_bytes: int, arrival_s: float) -> None:
        """See `FragmentCollector`."""
        self._unit_packets += len(pieces)
        self._unit_bytes += payload_bytes
        if self._unit_bytes > MAX_UNIT_BYTES or self._unit_packets > MAX_UNIT_PACKETS:
            self._discard()
            return
        self._fragments += pieces
        self._arrival_s = arrival_s
        self._was_marked = False

    def _begin_fragments(self, header: bytes, continuation: bytes) -> None:
        """Pieces of a NAL unit that had this header follow; those in the middle come after the bytes `continuation`."""
        self._drop_fragments()
        self._fragments = [header]
        self.continuation = continuation

    def _push_fragment(self, piece: bytes, is_end: bool) -> None:
        """The next piece."""
        if not self._fragments:
            self._is_damaged = True  # its beginning is missing
            return
        self._fragments.append(piece)
        if is_end:
            nal_unit = b"".join(self._fragments)
            self._end_fragments()
            self._append(nal_unit)

    def _append(self, nal_unit: bytes) -> None:
        kind = nal_unit[0] >> self.KIND_SHIFT & self.KIND_MASK
        if kind in self.SLICES:
            # H.264 clause 7.3.3: first_mb_in_slice as ue(v), where 0 is a single bit 1. H.265 clause 7.3.6.1:
            # first_slice_segment_in_pic_flag.
            begins_picture = len(nal_unit) > self.HEADER_BYTES and nal_unit[self.HEADER_BYTES] >= 0x80
            if begins_picture and self._slice_was_marked:
                self._finish()
            elif not begins_picture and self._is_contradicted():
                return
            self._has_slice = True
        elif kind == self.DELIMITER and self._slice_was_marked:
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

    def _end_fragments(self) -> None:
        self._fragments = []
        self.continuation = b""

    def _drop_fragments(self) -> None:
        if self._fragments:
            self._lose()

    def _lose(self) -> None:
        self._end_fragments()
        self._is_damaged = True

    def _discard(self) -> None:
        self._nal_units = []
        self._end_fragments()
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
