"""Small H.264 and H.265 streams made with PyAV, as access units: what a camera's RTP would carry."""

import io
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from incamera.media.sample import AccessUnit

DrawPicture = Callable[[tuple[int, int], int], av.VideoFrame]
_START_CODE = re.compile(rb"\x00\x00\x01")


def split_annex_b(data: bytes) -> tuple[bytes, ...]:
    """The NAL units of a byte stream (ITU-T H.264 Annex B)."""
    codes = list(_START_CODE.finditer(data))
    starts = [match.end() for match in codes]
    ends = [*(match.start() for match in codes[1:]), len(data)]
    return tuple(data[start:end].rstrip(b"\x00") for start, end in zip(starts, ends, strict=True))


def a_video(
    pictures: int = 50,
    *,
    size: tuple[int, int] = (320, 192),
    gop: int = 25,
    b_frames: int = 0,
    fps: int = 25,
    codec_name: str = "libx264",
    draw: DrawPicture | None = None,
    **options: str,
) -> list[AccessUnit]:
    """Some seconds of a moving grey bar, or what `draw` draws, in decoding order, with 90 kHz presentation times."""
    codec = av.CodecContext.create(codec_name, "w")
    codec.width, codec.height = size
    codec.pix_fmt = "yuv420p"
    codec.time_base = Fraction(1, fps)
    codec.framerate = Fraction(fps)
    codec.gop_size = gop
    codec.max_b_frames = b_frames
    codec.thread_count = 1
    codec.options = {"preset": "veryfast", "forced-idr": "1", **options}
    if codec_name == "libx264":
        codec.options = {"sc_threshold": "0", **codec.options}
    units = []
    packets = [packet for number in range(pictures) for packet in codec.encode((draw or _picture)(size, number))]
    for packet in (*packets, *codec.encode(None)):
        assert packet.pts is not None
        units.append(AccessUnit(packet.pts * 90_000 // fps, split_annex_b(bytes(packet))))
    return units


def an_h265_video(
    pictures: int = 50, *, gop: int = 25, b_frames: int = 0, params: str = "", **sizes: Any
) -> list[AccessUnit]:
    """The same in H.265; `params` for x265, joined by colons."""
    x265 = ":".join(["log-level=none:pools=1:frame-threads=1:repeat-headers=1:scenecut=0", *params.split()])
    options = {"preset": "ultrafast", "x265-params": f"{x265}:bframes={b_frames}"}
    return a_video(pictures, gop=gop, b_frames=b_frames, codec_name="libx265", **options, **sizes)


def _picture(size: tuple[int, int], number: int) -> av.VideoFrame:
    width, height = size
    picture = np.full((height * 3 // 2, width), 128, np.uint8)
    picture[:height, (number * 7) % width :][:, :16] = 235
    frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
    frame.pts = number
    return frame


def units_of_file(path: Path, container_format: str = "h264") -> list[AccessUnit]:
    """The pictures of an elementary stream file, 25 a second in the order they are stored."""
    with av.open(str(path), format=container_format) as container:
        return [
            AccessUnit(number * 3600, split_annex_b(bytes(packet)))
            for number, packet in enumerate(packet for packet in container.demux(video=0) if packet.size)
        ]


def decoded_pictures(data: bytes) -> list[int]:
    """Presentation times (90 kHz) of the pictures that ffmpeg's library decodes from MP4 bytes."""
    with av.open(io.BytesIO(data), format="mp4") as container:
        stream = container.streams.video[0]
        return [
            int(frame.pts * stream.time_base * 90_000) for frame in container.decode(stream) if frame.pts is not None
        ]
