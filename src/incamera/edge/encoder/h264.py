"""In the child: pictures to H.264 that begins anew every two seconds and holds nothing back.

libx264 with `ultrafast` and `zerolatency`: one picture in, its access unit out, no B-frames. Sync samples are made by
time and not by number: an MJPEG camera sends 25 pictures a second by day and 5 at night.
"""

from fractions import Fraction
from typing import Any, Final

import av
from av.video.frame import PictureType

from incamera.edge.encoder.messages import PICTURE_CLOCK
from incamera.media.video.byte_stream import split_nal_units

_GOP_TICKS: Final = 2 * PICTURE_CLOCK
# After a longer pause the picture stands alone: the edge begins a new run there, which needs a sync sample.
_PAUSE_TICKS: Final = int(1.5 * PICTURE_CLOCK)
MOST_WIDTH: Final = 1920  # larger pictures are scaled down: encoding 4K takes a whole core
MOST_HEIGHT: Final = 1920  # doorbells are upright
_QUALITY: Final = "23"  # constant rate factor


class PictureEncoder:
    """Encodes pictures of one stream; begins again by itself when their size changes."""

    def __init__(self) -> None:
        self._codec: Any = None
        self._size = (0, 0)
        self._synced_at: int | None = None
        self._newest = 0

    def encode(self, frame: Any, presentation_time: int) -> list[tuple[int, tuple[bytes, ...]]]:
        """The access units that a decoded picture completes, with their times: its own, and no other."""
        size = _fitting(frame.width, frame.height)
        if self._codec is None or size != self._size:
            self._open(size)
        picture = frame.reformat(*size, format="yuv420p", dst_color_range="MPEG")
        is_sync = self._is_due(presentation_time)
        picture.pict_type = PictureType.I if is_sync else PictureType.NONE
        picture.pts, picture.time_base = presentation_time, Fraction(1, PICTURE_CLOCK)
        if is_sync:
            self._synced_at = presentation_time
        self._newest = presentation_time
        return [(packet.pts, split_nal_units(bytes(packet))) for packet in self._codec.encode(picture)]

    def _is_due(self, presentation_time: int) -> bool:
        if self._synced_at is None or presentation_time - self._newest > _PAUSE_TICKS:
            return True
        return presentation_time - self._synced_at >= _GOP_TICKS

    def _open(self, size: tuple[int, int]) -> None:
        codec: Any = av.CodecContext.create("libx264", "w")
        codec.width, codec.height = size
        codec.pix_fmt = "yuv420p"
        codec.time_base = Fraction(1, PICTURE_CLOCK)
        codec.thread_count = 1
        codec.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "crf": _QUALITY,
            "forced-idr": "1",
            "x264-params": "keyint=infinite:scenecut=0:repeat-headers=1:annexb=1:colormatrix=smpte170m",
        }
        self._codec, self._size, self._synced_at = codec, size, None


def _fitting(width: int, height: int) -> tuple[int, int]:
    """A size with the same proportions that is not too large; even, as 4:2:0 wants it."""
    scale = min(1.0, MOST_WIDTH / width, MOST_HEIGHT / height)
    return max(16, int(width * scale) // 2 * 2), max(16, int(height * scale) // 2 * 2)
