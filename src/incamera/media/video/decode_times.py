"""Decode times for pictures that arrive in decoding order but carry presentation times.

RTP times are presentation times. If pictures are reordered (B-frames), a player that takes them for decode times shows
nothing. Let δ be how many pictures may precede a picture in decoding order and follow it in output order
(`max_num_reorder_frames`, ITU-T H.264 clause E.2.1; `sps_max_num_reorder_pics`, H.265 clause 7.4.3.2.1). When picture
k arrives, the k - δ + 1 earliest presentation times are all known, so the smallest but δ of those seen is a decode time
that grows strictly, is never later than the presentation, and adds no delay: it is the top of a heap that keeps δ
times.

δ comes from the parameter set; where a camera does not state it, from the picture order count of the picture after a
sync sample; and if both were wrong, it grows the moment a picture would be presented before it is decoded.
"""

import heapq
from typing import Final

MAX_REORDER: Final = 16  # MaxDpbFrames never exceeds it (H.264 clause A.3.1, H.265 clause A.4.2)


class DecodeTimes:
    """Gives each picture its decode time, in the ticks of the presentation times."""

    def __init__(self, reorder: int = 0) -> None:
        self._reorder = reorder
        self._waiting: list[int] = []
        self._last: int | None = None

    @property
    def reorder(self) -> int:
        """δ as known by now."""
        return self._reorder

    def expect_reorder(self, pictures: int) -> None:
        """Learns that at least this many pictures are reordered; never shrinks."""
        self._reorder = min(max(self._reorder, pictures), MAX_REORDER)

    def next(self, presentation_time: int) -> int:
        """The decode time of the next picture in decoding order: strictly greater than the one before."""
        if self._last is None:
            # The first decode time equals the first presentation time: a player then needs no edit list.
            if self._reorder:
                self._waiting = [presentation_time]
            self._last = presentation_time
            return presentation_time
        heapq.heappush(self._waiting, presentation_time)
        if presentation_time <= self._last and self._reorder < MAX_REORDER:
            self._reorder += 1
        decode_time = self._last + 1
        while len(self._waiting) > self._reorder:
            decode_time = max(decode_time, heapq.heappop(self._waiting))
        self._last = decode_time
        return decode_time
