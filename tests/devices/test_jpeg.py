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


def test_every_cut_and_every_changed_byte_ends_well() -> None:
    for position in range(len(JPEG)):
        for data in (JPEG[:position], JPEG[:position] + b"\xff" + JPEG[position + 1 :]):
            try:
                strip_metadata(data)
            except NotAJpeg:
                continue
