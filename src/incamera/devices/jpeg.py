"""JPEG pictures from edges: checked, bounded, and stripped of everything but the picture (B7-03).

An edge is not trusted with what a browser will decode in the owner's page: what is no JPEG is refused, a picture whose
few bytes unfold to gigabytes too, and everything that is not the picture (EXIF with its positions, ICC, XMP,
thumbnails, comments) is cut out without touching it. ITU-T T.81 annex B.
"""

import re
from typing import Final

MAX_BYTES: Final = 2 * 1024 * 1024
MAX_PIXELS: Final = 64 * 1024 * 1024  # 256 MiB when decoded; an 8K camera has half of it
_SOI, _EOI, _SOS, _APP0 = 0xD8, 0xD9, 0xDA, 0xE0
_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})  # SOF: baseline, extended, progressive; browsers know no others
_DHT, _DQT, _DRI = 0xC4, 0xDB, 0xDD
_PICTURE: Final = frozenset({*_FRAMES, _DHT, _DQT, _DRI})
_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})  # TEM and the restart markers have no length
# In coded data FF is followed by 00, a restart marker or more FF; a progressive file has tables between its scans.
_FOREIGN: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff\xc4\xda\xdb\xdd]")


class NotAJpeg(ValueError):
    """These bytes are not a JPEG picture that we would show."""


def strip_metadata(data: bytes) -> bytes:
    """The same picture and nothing else, except a bare JFIF header; raises NotAJpeg."""
    if len(data) > MAX_BYTES or data[:2] != bytes((0xFF, _SOI)):
        raise NotAJpeg
    kept, position, frames = [data[:2]], 2, 0
    while True:
        marker, end = _segment(data, position)
        if marker == _SOS:
            if frames != 1:
                raise NotAJpeg
            kept.append(_scan(data, position))
            return b"".join(kept)
        if marker in _FRAMES:
            frames += 1
            _check_size(data[position:end])
        if marker in _PICTURE or _is_bare_jfif(marker, data[position:end]):
            kept.append(data[position:end])
        position = end


def _segment(data: bytes, position: int) -> tuple[int, int]:
    if position + 4 > len(data) or data[position] != 0xFF:
        raise NotAJpeg
    marker = data[position + 1]
    if marker in (_SOI, _EOI, 0x00, 0xFF):
        raise NotAJpeg
    if marker in _STANDALONE:
        return marker, position + 2
    end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    if end < position + 4 or end > len(data):
        raise NotAJpeg
    return marker, end


def _check_size(frame: bytes) -> None:
    """SOF: length, precision, lines, samples per line. 0 lines: they would be told after the scan (DNL)."""
    height, width = (int.from_bytes(frame[at : at + 2], "big") for at in (5, 7))
    if len(frame) < 11 or not 0 < width * height <= MAX_PIXELS:
        raise NotAJpeg


def _is_bare_jfif(marker: int, segment: bytes) -> bool:
    return marker == _APP0 and segment[4:9] == b"JFIF\x00" and len(segment) <= 18  # longer: it holds a thumbnail


def _scan(data: bytes, position: int) -> bytes:
    """From the start of scan to the end of the image; bytes after it (a second file, say) are left out."""
    end = data.find(bytes((0xFF, _EOI)), position)
    if end < 0:
        raise NotAJpeg
    if _FOREIGN.search(data, position + 2, end):
        raise NotAJpeg
    return data[position : end + 2]
