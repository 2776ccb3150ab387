import io

import av
import pytest

from incamera.devices.jpeg import MAX_BYTES, NotAJpeg, strip_metadata
from tests.support.household import EXIF, JPEG


def decoded_size(data: bytes) -> tuple[int, int]:
    with av.open(io.BytesIO(data), format="mjpeg") as container:
        frame = next(container.decode(video=0))
        return frame.width, frame.height


def test_only_the_picture_stays() -> None:
    comment = b"\xff\xfe" + (2 + 12).to_bytes(2, "big") + b"taken at home"[:12]
    stripped = strip_metadata(JPEG[:2] + comment + JPEG[2:] + b"PK\x03\x04 a second file")

    assert EXIF not in stripped
    assert b"taken" not in stripped
    assert b"PK" not in stripped
    assert decoded_size(stripped) == (16, 16)
    assert strip_metadata(stripped) == stripped


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"GIF89a",
        JPEG[:40],
        JPEG[:-2],
        b"<svg/>",
        JPEG + b"\x00" * MAX_BYTES,
        b"\xff\xd8\xff\xe1\x00\x01",
    ],
)
def test_what_is_no_whole_picture_is_refused(data: bytes) -> None:
    with pytest.raises(NotAJpeg):
        strip_metadata(data)


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (2 + len(content)).to_bytes(2, "big") + content


def with_size(height: int, width: int) -> bytes:
    """The same few bytes that claim to be another picture."""
    at = JPEG.index(b"\xff\xc0") + 5
    return JPEG[:at] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + JPEG[at + 4 :]


@pytest.mark.req("B7-03")
@pytest.mark.parametrize(
    "data",
    [
        with_size(65_500, 65_500),  # 12 GB in the owner's browser
        with_size(0, 16),  # its height would follow the picture
        JPEG.replace(b"\xff\xc0", b"\xff\xc3", 1),  # lossless: no browser shows it
        JPEG[: JPEG.index(b"\xff\xda")] + JPEG[JPEG.index(b"\xff\xc0") :],  # two frames
        JPEG[:-2] + segment(0xE2, b"hidden") + b"\xff\xd9",  # metadata after the first scan
        JPEG[:-2] + segment(0xFE, b"hidden") + b"\xff\xd9",
    ],
)
def test_bombs_and_hiding_places_are_refused(data: bytes) -> None:
    with pytest.raises(NotAJpeg):
        strip_metadata(data)


@pytest.mark.req("B7-03")
@pytest.mark.parametrize("marker", [0xE1, 0xE2, 0xEE, 0xEF, 0xF0, 0xF7, 0xFD, 0xFE, 0xDC, 0xC8, 0x02])
def test_whatever_is_not_the_picture_is_cut_out(marker: int) -> None:
    canary = b"48.8584 N 2.2945 E <script>"

    stripped = strip_metadata(JPEG[:2] + segment(marker, canary) + JPEG[2:])

    assert canary not in stripped
    assert decoded_size(stripped) == (16, 16)


def test_every_cut_and_every_changed_byte_ends_well() -> None:
    for position in range(len(JPEG)):
        for data in (JPEG[:position], JPEG[:position] + b"\xff" + JPEG[position + 1 :]):
            try:
                strip_metadata(data)
            except NotAJpeg:
                continue
