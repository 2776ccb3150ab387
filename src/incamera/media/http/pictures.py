"""Pictures out of `multipart/x-mixed-replace` as cameras write it (RFC 2046 clause 5.1, rather freely).

Seen in cameras: a boundary that is announced with its dashes or without, quoted or not, or not at all; lines that end
with a bare line feed; no Content-Length, or a wrong one; pictures glued to the next boundary; parts that are no
pictures. So a JPEG ends where its own markers say, and everything between two pictures is only looked through.

    ┌────────┐  FF D8 FF   ┌─────────┐ its end, found by its markers
    │ search ├────────────►│ picture ├──────────────────────────────► deliver, search again
    └────────┘◄─ cut short ┴─────────┘
"""

from typing import Final

from incamera.media.http.errors import HttpProtocolError
from incamera.media.jpeg import START, JpegWalker, NotAJpeg

MAX_PICTURE_BYTES: Final = 8 * 1024 * 1024
_MAX_BETWEEN_BYTES: Final = 1024 * 1024  # of heads and foreign parts between two pictures
_PICTURE_START: Final = START + b"\xff"  # the first marker always follows at once


class PictureReader:
    """Takes the body of an answer; gives its JPEGs, each as soon as its last byte is there."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._walker: JpegWalker | None = None
        self._skipped = 0

    def receive(self, data: bytes) -> list[bytes]:
        """More bytes of the body; the pictures that they complete. Raises HttpProtocolError."""
        self._buffer += data
        pictures: list[bytes] = []
        while self._find_start():
            end = self._find_end()
            if end is None:
                break
            if end:
                pictures.append(bytes(self._buffer[:end]))
                del self._buffer[:end]
        return pictures

    def _find_start(self) -> bool:
        """Whether the buffer begins with a picture; what stands before one is dropped."""
        if self._walker is not None:
            return True
        found = self._buffer.find(_PICTURE_START)
        dropped = found if found >= 0 else max(0, len(self._buffer) - len(_PICTURE_START) + 1)
        del self._buffer[:dropped]
        self._skipped += dropped
        if self._skipped > _MAX_BETWEEN_BYTES:
            raise HttpProtocolError("between its pictures there is too much that is none")
        if found < 0:
            return False
        self._walker = JpegWalker()
        return True

    def _find_end(self) -> int | None:
        """Bytes of the picture at the start of the buffer; None: incomplete, 0: it was none."""
        assert self._walker is not None
        try:
            end = self._walker.find_end(self._buffer)
        except NotAJpeg:  # cut short, or none at all; what was looked at once is not looked at again
            dropped = max(self._walker.walked_bytes, 1)
            del self._buffer[:dropped]
            self._skipped += dropped
            self._walker = None
            return 0
        if end is None:
            if len(self._buffer) > MAX_PICTURE_BYTES:
                raise HttpProtocolError("a picture of it is too large")
            return None
        self._walker, self._skipped = None, 0
        return end
