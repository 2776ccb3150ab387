"""JPEG pictures from edges: checked, bounded, and stripped of everything but the picture (B7-03).

An edge is not trusted with what a browser will decode in the owner's page: what is no JPEG is refused, and application
segments (EXIF with its positions, ICC, XMP, thumbnails) and comments are cut out without touching the picture.
ITU-T T.81 annex B.
"""

from typing import Final

MAX_BYTES: Final = 2 * 1024 * 1024
_SOI, _EOI, _SOS, _COM = 0xD8, 0xD9, 0xDA, 0xFE
_APP0, _APP15 = 0xE0, 0xEF
_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})  # TEM and the restart markers have no length


class NotAJpeg(ValueError):
    """These bytes are not a JPEG picture that we would show."""


def strip_metadata(data: bytes) -> bytes:
    """The same picture without APPn and COM segments, except a bare JFIF header; raises NotAJpeg."""
    if len(data) > MAX_BYTES or data[:2] != bytes((0xFF, _SOI)):
        raise NotAJpeg
    kept, position = [data[:2]], 2
    while True:
        marker, end = _segment(data, position)
        if marker == _SOS:
            kept.append(_scan(data, position))
            return b"".join(kept)
        if not _is_metadata(marker, data[position:end]):
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


def _is_metadata(marker: int, segment: bytes) -> bool:
    if marker == _APP0:
        return segment[4:9] != b"JFIF\x00" or len(segment) > 18  # longer: it holds a thumbnail
    return _APP0 < marker <= _APP15 or marker == _COM


def _scan(data: bytes, position: int) -> bytes:
    """From the start of scan to the end of the image; bytes after it (a second file, say) are left out."""
    end = data.find(bytes((0xFF, _EOI)), position)
    if end < 0:
        raise NotAJpeg
    scan = data[position : end + 2]
    # In coded data FF is followed by 00 or a restart marker; a progressive file could hide segments between scans.
    if b"\xff\xe1" in scan or b"\xff\xfe" in scan:
        raise NotAJpeg
    return scan
