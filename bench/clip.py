"""The reference clip: 1080p25 H.264 High without B-frames, 4 Mbit/s constant bit rate, GOP 2 s, 20 s long.

Made once with PyAV's libx264 and kept in `.dev/bench`: a moving pattern with noise, as an Annex B elementary stream.
"""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from bench.harness import CACHE

WIDTH, HEIGHT, FPS, SECONDS, GOP = 1920, 1080, 25, 20, 50
_OPTIONS = {
    "preset": "veryfast",
    "profile": "high",
    "x264-params": "nal-hrd=cbr:scenecut=0:force-cfr=1:annexb=1:repeat-headers=1",
    "maxrate": "4M",
    "bufsize": "4M",
}


def reference_clip() -> Path:
    """Path of the clip; makes it the first time (half a minute)."""
    path = CACHE / f"reference-{WIDTH}x{HEIGHT}-{FPS}.h264"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(_encode())
        unfinished.rename(path)
    return path


def access_units(clip: Path) -> list[tuple[bool, bytes]]:
    """(is sync sample, Annex B bytes) of each picture."""
    with av.open(str(clip), format="h264", options={"framerate": str(FPS)}) as container:
        return [(packet.is_keyframe, bytes(packet)) for packet in container.demux(video=0) if packet.size]


def _encode() -> bytes:
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, FPS), Fraction(FPS)
    codec.gop_size, codec.max_b_frames, codec.bit_rate = GOP, 0, 4_000_000
    codec.options = _OPTIONS
    noise = np.random.default_rng(1).integers(0, 14, (HEIGHT + 256, WIDTH + 256), dtype=np.uint8)
    gradient = np.linspace(40, 200, WIDTH, dtype=np.uint8)[None, :].repeat(HEIGHT, 0)
    parts = []
    for number in range(FPS * SECONDS):
        parts += [bytes(packet) for packet in codec.encode(_picture(number, gradient, noise))]
    parts += [bytes(packet) for packet in codec.encode(None)]
    return b"".join(parts)


def _picture(number: int, gradient: "np.ndarray", noise: "np.ndarray") -> av.VideoFrame:  # type: ignore[type-arg]
    planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    shift_x, shift_y = number * 37 % 256, number * 91 % 256
    planes[:HEIGHT] = np.roll(gradient, number * 8, axis=1)
    planes[:HEIGHT] += noise[shift_y : shift_y + HEIGHT, shift_x : shift_x + WIDTH]
    left = number * 16 % (WIDTH - 300)
    planes[300:600, left : left + 300] = 235
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.pts = number
    return frame
