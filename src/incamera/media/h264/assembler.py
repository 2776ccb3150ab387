"""From access units to samples: parameter sets kept, decode times given, everything before a sync sample dropped.

```
            sync sample with known parameter sets
  WAITING ───────────────────────────────────────► FLOWING ──┐ sync sample with other parameter sets:
     ▲  ▲                                            │  ▲    │ `config` changes, the caller starts a new run
     │  └── damaged or unreadable picture ───────────┘  └────┘
     └── `restart()`
```
"""

from collections.abc import Iterable
from typing import Final

from incamera.media.bits import InvalidBitstream
from incamera.media.cmaf import video_init_segment
from incamera.media.h264.decode_times import DecodeTimes
from incamera.media.h264.parameter_sets import Sps, parse_pps_ids, parse_sps
from incamera.media.h264.slice_header import parse_picture_order_count_lsb, parse_pps_id
from incamera.media.sample import AccessUnit, Sample, TrackConfig

VIDEO_TIMESCALE: Final = 90_000

_SLICE, _IDR, _SPS, _PPS = 1, 5, 7, 8
# Data partitions (2-4) belong to the Extended profile, which no browser plays; AUD, SEI, filler and ends carry nothing
# that a player needs, and SEI may hold whatever a vendor puts there.
_KEPT: Final = frozenset({_SLICE, _IDR})
_ORDER_COUNT_PER_PICTURE: Final = 2  # frames count in fields (clause 8.2.1)
_MAX_SETS: Final = 16
_MAX_SETS_BYTES: Final = 32 * 1024  # all together: they travel in the init segment, of which a server takes 64 KiB
_LARGEST_STEP_BACK: Final = VIDEO_TIMESCALE * 2
_LARGEST_STEP: Final = VIDEO_TIMESCALE * 10
_STEP_AFTER_JUMP: Final = VIDEO_TIMESCALE // 25


class VideoAssembler:
    """Turns the access units of one H.264 stream into samples. Feed it from one place, in order.

    `config` is None until the first sync sample with usable parameter sets, and is replaced (a new object) when a
    sync sample brings other ones: the sample just returned is then the first of a new run.
    """

    def __init__(self, parameter_sets: Iterable[bytes] = ()) -> None:
        self.config: TrackConfig | None = None
        self._sps: dict[int, bytes] = {}
        self._pps: dict[int, bytes] = {}
        self._active: tuple[tuple[bytes, ...], tuple[bytes, ...]] | None = None
        self._active_sps: Sps | None = None
        self._times = DecodeTimes()
        self._is_flowing = False
        self._since_sync = 0
        self._jump = 0  # what is added to the camera's clock since it last jumped
        self._newest: int | None = None
        for nal_unit in parameter_sets:
            self._remember(nal_unit)

    def restart(self) -> None:
        """Drops everything until the next sync sample, which begins afresh (the camera reconnected)."""
        self._is_flowing = False
        self._times = DecodeTimes(self._times.reorder)
        self._newest, self._jump = None, 0

    def push(self, unit: AccessUnit) -> Sample | None:
        """The sample of this access unit, or None while there is nothing that could be decoded."""
        kept: list[bytes] = []
        is_sync = False
        for nal_unit in unit.nal_units:
            kind = nal_unit[0] & 0x1F if nal_unit else 0
            if kind in _KEPT:
                kept.append(nal_unit)
                is_sync = is_sync or kind == _IDR
            elif kind in (_SPS, _PPS):
                self._remember(nal_unit)
        if not kept:
            return None
        if unit.is_damaged:
            self._is_flowing = False
            return None
        if is_sync and not self._begin(kept[0]):
            return None
        if not self._is_flowing:
            return None
        self._look_at_order(kept[0], is_sync)
        presentation_time = self._steady(unit.presentation_time)
        decode_time = self._times.next(presentation_time)
        parts: list[bytes] = []
        for nal_unit in kept:
            parts += (len(nal_unit).to_bytes(4, "big"), nal_unit)
        return Sample(decode_time, presentation_time - decode_time, is_sync, b"".join(parts))

    def _remember(self, nal_unit: bytes) -> None:
        try:
            if nal_unit[:1] and nal_unit[0] & 0x1F == _SPS:
                sets, key = self._sps, parse_sps(nal_unit).id
            else:
                sets, key = self._pps, parse_pps_ids(nal_unit)[0]
        except InvalidBitstream:
            return  # a broken copy of a parameter set must not displace a good one
        known_bytes = sum(map(len, (*self._sps.values(), *self._pps.values()))) - len(sets.get(key, b""))
        if (key in sets or len(sets) < _MAX_SETS) and known_bytes + len(nal_unit) <= _MAX_SETS_BYTES:
            sets[key] = bytes(nal_unit)

    def _begin(self, slice_nal_unit: bytes) -> bool:
        """At a sync sample: makes the sets in force the active ones. False if it refers to sets we never saw."""
        in_force = (tuple(self._sps.values()), tuple(self._pps.values()))
        if in_force != self._active:
            try:
                sps_id = parse_pps_ids(self._pps[parse_pps_id(slice_nal_unit)])[1]
                sps = parse_sps(self._sps[sps_id])
            except (InvalidBitstream, KeyError):
                self._is_flowing = False
                return False
            self._active, self._active_sps = in_force, sps
            self._times = DecodeTimes((sps.max_reorder_frames or 0) if sps.may_reorder else 0)
            self.config = TrackConfig(
                kind="video",
                codec=sps.codec,
                timescale=VIDEO_TIMESCALE,
                init_segment=video_init_segment(sps, *in_force),
                width=sps.width,
                height=sps.height,
            )
        self._is_flowing = True
        return True

    def _look_at_order(self, slice_nal_unit: bytes, is_sync: bool) -> None:
        """Where the camera does not state its reordering, the picture after a sync sample gives it away."""
        self._since_sync = 0 if is_sync else self._since_sync + 1
        sps = self._active_sps
        if self._since_sync != 1 or sps is None or not sps.may_reorder or sps.max_reorder_frames is not None:
            return
        try:
            if parse_picture_order_count_lsb(slice_nal_unit, sps) > _ORDER_COUNT_PER_PICTURE:
                self._times.expect_reorder(2)
        except InvalidBitstream:
            return

    def _steady(self, presentation_time: int) -> int:
        """The camera's clock with its jumps taken out: it says how far pictures are apart, never what time it is."""
        shifted = presentation_time + self._jump
        if self._newest is not None and not -_LARGEST_STEP_BACK <= shifted - self._newest <= _LARGEST_STEP:
            self._jump += self._newest + _STEP_AFTER_JUMP - shifted
            shifted = self._newest + _STEP_AFTER_JUMP
        self._newest = shifted if self._newest is None else max(self._newest, shifted)
        return shifted
