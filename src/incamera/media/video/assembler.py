"""From access units to samples: parameter sets kept, decode times given, everything before a sync sample dropped.

```
            sync sample with known parameter sets
  WAITING ───────────────────────────────────────► FLOWING ──┐ sync sample with other parameter sets:
     ▲  ▲                                            │  ▲    │ `config` changes, the caller starts a new run
     │  └── damaged or unreadable picture ───────────┘  └────┘
     └── `restart()`
```

Leading pictures (H.265 RASL and RADL) of the sync sample that begins the flow are dropped: the former refer to
pictures that never came, the latter would be shown before the run begins. Later ones are kept.

Not every camera sends pictures that decode alone. With *intra refresh* a stripe of the picture is renewed at a time,
and a recovery point message says after how many pictures all of it is; with open GOPs of H.264 that number is 0.
A recovery point of 0 is a sync sample. Others are one only where the camera has nothing better: from the second on
that came without a sync sample between them, if the last one is long past. Their samples keep the message, without
which no decoder begins there. Where a camera sends no such message, parameter sets before a picture give the point
away, and the number of pictures from one to the next is how many it takes.
"""

from collections.abc import Iterable
from typing import Final

from incamera.media.bits import InvalidBitstream
from incamera.media.sample import AccessUnit, Sample, TrackConfig
from incamera.media.video.decode_times import DecodeTimes
from incamera.media.video.format import VIDEO_TIMESCALE, VideoFormat

_MAX_SETS: Final = 16  # of one type
_MAX_SETS_BYTES: Final = 32 * 1024  # all together: they travel in the init segment, of which a server takes 64 KiB
# Steps of the camera's clock within these are taken for its pictures' own. Nobody is silent for two seconds and goes on
# as if nothing had been: whoever really was begins a new run by its arrival (`edge.feed`).
_LARGEST_STEP: Final = VIDEO_TIMESCALE * 2
_LARGEST_STEP_BACK: Final = VIDEO_TIMESCALE * 2
_LARGEST_STEP_BACK_IN_ORDER: Final = VIDEO_TIMESCALE // 2  # where the camera says that it does not reorder
_STEP_AFTER_JUMP: Final = VIDEO_TIMESCALE // 25
_SHORTEST_REFRESH: Final = 10  # pictures; who repeats parameter sets more often than that says nothing by it
_LONGEST_GOP: Final = 500  # pictures; who waits longer than 20 s for one that decodes alone takes a gradual beginning


class VideoAssembler:
    """Turns the access units of one stream into samples. Feed it from one place, in order.

    `config` is None until the first sync sample with usable parameter sets, and is replaced (a new object) when a
    sync sample brings other ones: the sample just returned is then the first of a new run.
    """

    def __init__(self, video_format: VideoFormat, parameter_sets: Iterable[bytes] = ()) -> None:
        self.config: TrackConfig | None = None
        self._format = video_format
        self._shift, self._mask = video_format.kind_shift, video_format.kind_mask
        self._slices, self._syncs = video_format.slices, video_format.syncs
        self._sets: dict[int, dict[int, bytes]] = {kind: {} for kind in video_format.set_types}
        self._active: tuple[tuple[bytes, ...], ...] | None = None
        self._reorder: int | None = None  # as the active sets state it
        self._times = DecodeTimes()
        self._is_flowing = False
        self._drops_leading = False
        self._began_at: int | None = None  # presentation time of the recovery point that the flow began with
        self._since_sync = 0
        self._since_whole = _LONGEST_GOP  # pictures since one that decodes alone
        self._recovery_points = 0  # since that picture
        self._since_point = 0  # pictures since the last of them
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
        recovery: int | None = None
        has_sets = False
        last_kind = -1
        for nal_unit in unit.nal_units:
            kind = nal_unit[0] >> self._shift & self._mask if nal_unit else -1
            if kind in self._slices:
                kept.append(nal_unit)
                is_sync = is_sync or kind in self._syncs
                last_kind = kind
            elif kind in self._sets:
                self._remember(nal_unit)
                has_sets = True
            elif kind == self._format.message:
                recovery = self._format.find_recovery_point(nal_unit) if recovery is None else recovery
        if not kept:
            return None
        if unit.is_damaged:
            self._is_flowing = False
            return None
        slice_nal_unit = kept[0]
        is_whole = is_sync
        if is_whole:
            self._since_whole = self._recovery_points = self._since_point = 0
        else:
            self._since_whole += 1
            self._since_point += 1
            if recovery is None and has_sets and self._since_point >= _SHORTEST_REFRESH:
                recovery = self._since_point
            if recovery is not None and self._is_random_access(recovery):
                is_sync = True
                kept.insert(0, self._format.render_recovery_point(recovery))
        if is_sync and not self._begin(slice_nal_unit, None if is_whole else unit.presentation_time):
            return None
        if not self._is_flowing or (self._drops_leading and self._is_leading(last_kind, is_sync, unit)):
            return None
        self._look_at_order(slice_nal_unit, is_sync)
        presentation_time = self._steady(unit.presentation_time)
        decode_time = self._times.next(presentation_time)
        parts: list[bytes] = []
        for nal_unit in kept:
            parts += (len(nal_unit).to_bytes(4, "big"), nal_unit)
        return Sample(decode_time, presentation_time - decode_time, is_sync, b"".join(parts))

    def _remember(self, nal_unit: bytes) -> None:
        kind = nal_unit[0] >> self._shift & self._mask if nal_unit else -1
        sets = self._sets.get(kind)
        if sets is None:
            return
        try:
            key = self._format.read_set_id(nal_unit)
        except InvalidBitstream:
            return  # a broken copy of a parameter set must not displace a good one
        known_bytes = sum(len(known) for group in self._sets.values() for known in group.values())
        known_bytes -= len(sets.get(key, b""))
        if (key in sets or len(sets) < _MAX_SETS) and known_bytes + len(nal_unit) <= _MAX_SETS_BYTES:
            sets[key] = bytes(nal_unit)

    def _is_random_access(self, recovery: int) -> bool:
        """Whether to begin at a recovery point; see above."""
        self._recovery_points += 1
        self._since_point = 0
        return recovery == 0 or (self._recovery_points > 1 and self._since_whole >= _LONGEST_GOP)

    def _begin(self, slice_nal_unit: bytes, recovery_time: int | None) -> bool:
        """At a sync sample: makes the sets in force the active ones. False if it refers to sets we never saw."""
        in_force = tuple(tuple(group.values()) for group in self._sets.values())
        if in_force != self._active:
            try:
                active = self._format.activate(slice_nal_unit, self._sets)
            except (InvalidBitstream, KeyError):
                self._is_flowing = False
                return False
            self._active, self._reorder = in_force, active.reorder
            self._is_flowing = False  # it begins anew
            self._times = DecodeTimes(active.reorder or 0)
            self.config = TrackConfig(
                kind="video",
                codec=active.codec,
                timescale=VIDEO_TIMESCALE,
                init_segment=active.init_segment,
                width=active.width,
                height=active.height,
            )
        if not self._is_flowing:
            self._is_flowing = self._drops_leading = True
            self._began_at = recovery_time
        return True

    def _is_leading(self, kind: int, is_sync: bool, unit: AccessUnit) -> bool:
        """Whether this picture belongs before the one that the flow began with. The first that does not ends it."""
        if is_sync:
            return False
        # H.264 has no types for leading pictures; only a beginning at a recovery point has any.
        is_earlier = self._began_at is not None and unit.presentation_time < self._began_at
        self._drops_leading = is_earlier or kind in self._format.leading
        return self._drops_leading

    def _look_at_order(self, slice_nal_unit: bytes, is_sync: bool) -> None:
        """Where the camera does not state its reordering, the picture after a sync sample gives it away."""
        self._since_sync = 0 if is_sync else self._since_sync + 1
        if self._since_sync != 1 or self._reorder is not None:
            return
        if self._format.shows_reordering(slice_nal_unit):
            self._times.expect_reorder(2)

    def _steady(self, presentation_time: int) -> int:
        """The camera's clock with its jumps taken out: it says how far pictures are apart, never what time it is."""
        shifted = presentation_time + self._jump
        back = _LARGEST_STEP_BACK_IN_ORDER if self._reorder == 0 else _LARGEST_STEP_BACK
        if self._newest is not None and not -back <= shifted - self._newest <= _LARGEST_STEP:
            self._jump += self._newest + _STEP_AFTER_JUMP - shifted
            shifted = self._newest + _STEP_AFTER_JUMP
        self._newest = shifted if self._newest is None else max(self._newest, shifted)
        return shifted
