"""What the assembler must know of a codec: which NAL units there are, and how to read the few that matter."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

VIDEO_TIMESCALE: Final = 90_000

ParameterSets = Mapping[int, Mapping[int, bytes]]
"""NAL unit type → id → parameter set, in the order in which they came first."""


@dataclass(frozen=True, slots=True)
class ActiveSets:
    """What the parameter sets in force say of the pictures to come."""

    codec: str  # RFC 6381
    width: int
    height: int
    init_segment: bytes
    reorder: int | None  # pictures that may come before one in decoding order and after it in output; None: not said


class VideoFormat(Protocol):
    """One codec. NAL unit types are read as `nal_unit[0] >> kind_shift & kind_mask`: once per NAL unit, so no call."""

    kind_shift: int
    kind_mask: int
    slices: frozenset[int]  # what a picture consists of; everything that is not kept here is left out of samples
    syncs: frozenset[int]  # of them, those of pictures that decode alone
    leading: frozenset[int]  # of them, those of pictures shown before the sync sample they follow
    set_types: tuple[int, ...]  # parameter sets, in the order of the configuration record
    message: int  # supplemental enhancement information that comes before its picture

    def read_set_id(self, nal_unit: bytes) -> int:
        """The id of a parameter set that can be used; raises InvalidBitstream."""
        ...

    def activate(self, slice_nal_unit: bytes, sets: ParameterSets) -> ActiveSets:
        """What holds for the pictures from this slice on; raises InvalidBitstream, or KeyError for a set never seen."""
        ...

    def shows_reordering(self, slice_nal_unit: bytes) -> bool:
        """Whether the slice of the picture after a sync sample gives away that pictures are reordered."""
        ...

    def find_recovery_point(self, message_nal_unit: bytes) -> int | None:
        """After how many pictures decoding from here shows everything right; None: the message says no such thing."""
        ...

    def render_recovery_point(self, pictures: int) -> bytes:
        """A message that says just this."""
        ...
