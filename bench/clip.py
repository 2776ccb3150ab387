"""The clips that benchmarks play: 1080p25 H.264 High, 4 Mbit/s, 20 s long, one for each way that cameras send.

    steady    the reference: constant bit rate, no B-frames, GOP 2 s
    variable  a second of noise, a second of nearly nothing: ten times the bytes in one as in the other
    bframes   two B-frames between the others
    long-gop  a sync sample every 10 s
    sound     the reference, with AAC beside it

Made once with PyAV's libx264 and kept in `.dev/bench`: a moving pattern with noise, as an Annex B elementary stream.
Where pictures are shown in another order than they are sent, the order lies beside it.
"""

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np

from bench.harness import CACHE

WIDTH, HEIGHT, FPS, SECONDS, GOP = 1920, 1080, 25, 20, 50
SMALL_WIDTH, SMALL_HEIGHT, SMALL_FPS = 160, 120, 2
_CONSTANT: Final = "nal-hrd=cbr:scenecut=0:force-cfr=1:annexb=1:repeat-headers=1"
_VARIABLE: Final = "scenecut=0:force-cfr=1:annexb=1:repeat-headers=1"


@dataclass(frozen=True, slots=True)
class Profile:
    """How a camera sends."""

    gop: int = GOP
    b_frames: int = 0
    is_constant: bool = True
    has_sound: bool = False


PROFILES: Final = {
    "steady": Profile(),
    "variable": Profile(is_constant=False),
    "bframes": Profile(b_frames=2),
    "long-gop": Profile(gop=10 * FPS),
    "sound": Profile(has_sound=True),
}
_REFERENCE: Final = ("steady", "sound")


def reference_clip(profile: str = "steady") -> Path:
    """Path of a profile's clip; makes it the first time (half a minute)."""
    suffix = "" if profile in _REFERENCE else f"-{profile}"
    path = CACHE / f"reference-{WIDTH}x{HEIGHT}-{FPS}{suffix}.h264"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        stream, order = _encode(PROFILES[profile])
        _order_of(path).write_text(json.dumps(order))
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(stream)
        unfinished.rename(path)
    return path


def small_clip() -> Path:
    """Path of the smallest stream a camera would send beside its main one: for programs that must decode something."""
    path = CACHE / f"small-{SMALL_WIDTH}x{SMALL_HEIGHT}-{SMALL_FPS}.h264"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        codec = av.CodecContext.create("libx264", "w")
        codec.width, codec.height, codec.pix_fmt = SMALL_WIDTH, SMALL_HEIGHT, "yuv420p"
        codec.time_base, codec.framerate = Fraction(1, SMALL_FPS), Fraction(SMALL_FPS)
        codec.gop_size, codec.max_b_frames = SMALL_FPS, 0
        codec.options = {"preset": "veryfast", "x264-params": "scenecut=0:annexb=1:repeat-headers=1"}
        packets, noise = [], np.random.default_rng(3)
        for number in range(SMALL_FPS * SECONDS):
            planes = np.full((SMALL_HEIGHT * 3 // 2, SMALL_WIDTH), 128, np.uint8)
            planes[:SMALL_HEIGHT] = 100 + number + noise.integers(0, 14, (SMALL_HEIGHT, SMALL_WIDTH), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts = number
            packets += codec.encode(frame)
        packets += codec.encode(None)
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(b"".join(map(bytes, packets)))
        unfinished.rename(path)
    return path


def access_units(clip: Path) -> list[tuple[bool, bytes]]:
    """(is sync sample, Annex B bytes) of each picture, as they are sent."""
    with av.open(str(clip), format="h264", options={"framerate": str(FPS)}) as container:
        return [(packet.is_keyframe, bytes(packet)) for packet in container.demux(video=0) if packet.size]


def shown_at(clip: Path, count: int) -> list[int]:
    """When each of the `count` pictures is shown, in pictures from the beginning."""
    order = _order_of(clip)
    return list(map(int, json.loads(order.read_text()))) if order.exists() else list(range(count))


def _order_of(clip: Path) -> Path:
    return clip.with_suffix(".order.json")


def _encode(profile: Profile) -> tuple[bytes, list[int]]:
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, FPS), Fraction(FPS)
    codec.gop_size, codec.max_b_frames, codec.bit_rate = profile.gop, profile.b_frames, 4_000_000
    most, params = ("4M", _CONSTANT) if profile.is_constant else ("16M", _VARIABLE)
    codec.options = {"preset": "veryfast", "profile": "high", "x264-params": params, "maxrate": most, "bufsize": most}
    noise = np.random.default_rng(1).integers(0, 14, (HEIGHT + 256, WIDTH + 256), dtype=np.uint8)
    gradient = np.linspace(40, 200, WIDTH, dtype=np.uint8)[None, :].repeat(HEIGHT, 0)
    packets = []
    for number in range(FPS * SECONDS):
        is_calm = not profile.is_constant and number // FPS % 2
        packets += codec.encode(_picture(number, gradient, noise, is_calm=bool(is_calm)))
    packets += codec.encode(None)
    return b"".join(map(bytes, packets)), [int(packet.pts or 0) for packet in packets]


def _picture(number: int, gradient: "np.ndarray", noise: "np.ndarray", *, is_calm: bool) -> av.VideoFrame:
    planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    moved = 0 if is_calm else number
    shift_x, shift_y = moved * 37 % 256, moved * 91 % 256
    planes[:HEIGHT] = np.roll(gradient, moved * 8, axis=1)
    planes[:HEIGHT] += noise[shift_y : shift_y + HEIGHT, shift_x : shift_x + WIDTH]
    left = number * 16 % (WIDTH - 300)
    planes[300:600, left : left + 300] = 235
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.pts = number
    return frame
