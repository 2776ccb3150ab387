"""Files as people have them: some seconds of a moving bar in a container, with or without sound, made with PyAV."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

_SOUND_RATE = 48_000


def a_movie(
    path: Path,
    *,
    codec: str = "libx264",
    pictures: int = 20,
    fps: int = 10,
    gop: int = 10,
    b_frames: int = 0,
    sound: str | None = None,
    pixels: str = "yuv420p",
    size: tuple[int, int] = (64, 48),
) -> Path:
    """Writes it; the container is the one of the file's ending."""
    options = {"preset": "ultrafast", "forced-idr": "1"} if codec.startswith("libx26") else {}
    with av.open(path, "w") as container:
        picture: Any = container.add_stream(codec, rate=fps, options=options)
        picture.width, picture.height, picture.pix_fmt = *size, pixels
        picture.codec_context.gop_size = gop
        picture.codec_context.max_b_frames = b_frames
        audio: Any = container.add_stream(sound, rate=_SOUND_RATE, layout="mono") if sound else None
        for number in range(pictures):
            container.mux(picture.encode(_picture(size, number, fps, pixels)))
            if audio is not None:
                for frame in _tone(number * _SOUND_RATE // fps, _SOUND_RATE // fps):
                    container.mux(audio.encode(frame))
        for stream in filter(None, (picture, audio)):
            container.mux(stream.encode(None))
    return path


def a_jpeg_picture(number: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """What a camera sends as its picture with this number."""
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = *size, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    packets = [*encoder.encode(_picture(size, number, 25, "yuvj420p")), *encoder.encode(None)]
    return b"".join(map(bytes, packets))


def _picture(size: tuple[int, int], number: int, fps: int, pixels: str) -> av.VideoFrame:
    width, height = size
    image = np.full((height, width, 3), 60, np.uint8)
    image[:, number * 4 % width : number * 4 % width + 8] = (220, 180, 40)
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixels)
    frame.pts, frame.time_base = number, Fraction(1, fps)
    return frame


def _tone(start: int, count: int) -> list[av.AudioFrame]:
    times = np.arange(start, start + count)
    wave = (np.sin(times * 2 * np.pi * 440 / _SOUND_RATE) * 8000).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = _SOUND_RATE, start, Fraction(1, _SOUND_RATE)
    return [frame]
