"""Where a JPEG ends: one that libav wrote, whole, byte by byte, with a thumbnail inside."""

import av
import numpy as np
import pytest

from incamera.media.jpeg import JpegWalker, NotAJpeg


def a_jpeg(size: tuple[int, int] = (64, 48), seed: int = 1) -> bytes:
    """Noise, so that the coded data holds many FF bytes."""
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = *size, "yuvj420p"
    encoder.options = {"qmin": "2", "qmax": "2"}
    noise = np.random.default_rng(seed).integers(0, 256, (size[1] * 3 // 2, size[0]), np.uint8)
    frame = av.VideoFrame.from_ndarray(noise, format="yuvj420p")
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def with_thumbnail(jpeg: bytes) -> bytes:
    """The same picture with another whole JPEG inside an APP1 segment."""
    thumbnail = b"Exif\0\0" + a_jpeg((16, 16), seed=2)
    return jpeg[:2] + b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail + jpeg[2:]


def test_finds_the_end_whatever_follows() -> None:
    jpeg = a_jpeg()
    assert JpegWalker().find_end(jpeg + b"--boundary\xff\xd9") == len(jpeg)


def test_the_end_of_a_thumbnail_is_not_the_end() -> None:
    jpeg = with_thumbnail(a_jpeg())
    assert JpegWalker().find_end(jpeg + b"\r\n") == len(jpeg)


def test_waits_for_the_last_byte() -> None:
    jpeg, walker = with_thumbnail(a_jpeg()), JpegWalker()
    ends = [walker.find_end(jpeg[:count]) for count in range(1, len(jpeg) + 1)]
    assert ends[:-1] == [None] * (len(jpeg) - 1)
    assert ends[-1] == len(jpeg)


def test_restart_markers_and_fill_bytes_belong_to_the_picture() -> None:
    picture = b"\xff\xd8\xff\xff\xda\x00\x02" + b"a\xff\x00b\xff\xd3c\xff\xff\xd9"
    assert JpegWalker().find_end(picture + b"x") == len(picture)


@pytest.mark.parametrize(
    "data", [b"<html>", b"\xff\xd8<html>", b"\xff\xd8\xff\xe1\x00\x01", b"\xff\xd8\xff\x00\x00\x09"]
)
def test_says_what_is_none(data: bytes) -> None:
    with pytest.raises(NotAJpeg):
        JpegWalker().find_end(data)


def test_a_picture_that_is_cut_short_ends_where_the_next_begins() -> None:
    cut, walker = a_jpeg()[:-40], JpegWalker()
    with pytest.raises(NotAJpeg):
        walker.find_end(cut + a_jpeg(seed=3))
    assert walker.walked_bytes == len(cut)
