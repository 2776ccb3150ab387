"""Finds the end of a JPEG by its markers (ITU-T T.81 Annex B), so that nobody has to say how long it is.

Searching for the end marker alone would cut a picture off after the thumbnail inside its Exif segment.

    SOI ─► marker ─► segment of known length ─► marker … SOS ─► coded data, until a marker that is neither
                          ▲                                     stuffing (FF 00) nor a restart (FF D0 … D7)
                          └──────────────────── next scan ◄──────────────┤
                                                                         └──► EOI: the end
"""

from typing import Final

from incamera.kit.errors import IncameraError

START: Final = b"\xff\xd8"
_SOI, _EOI, _SOS, _TEM = 0xD8, 0xD9, 0xDA, 0x01
_RESTARTS: Final = range(0xD0, 0xD8)
_STUFFING: Final = 0x00


class NotAJpeg(IncameraError):
    """These bytes are no JPEG."""

    status = 502

    def __init__(self) -> None:
        super().__init__("What the camera sends as a picture is no JPEG.")


class JpegWalker:
    """Walks through one picture that is still arriving; looks at no byte twice."""

    def __init__(self) -> None:
        self._at = 0
        self._in_scan = False

    @property
    def walked_bytes(self) -> int:
        """How far it came: after NotAJpeg, where something else may begin."""
        return self._at

    def find_end(self, data: bytes | bytearray) -> int | None:
        """How many bytes the picture has that `data` begins with; None as long as it is incomplete.

        Call it with the same data, longer each time. Raises NotAJpeg.
        """
        if self._at == 0:
            if not START.startswith(bytes(data[:2])):
                raise NotAJpeg
            if len(data) < 2:
                return None
            self._at = 2
        while True:
            if self._in_scan and not self._skip_coded_data(data):
                return None
            if (end := self._step(data)) is not None:
                return end or None

    def _skip_coded_data(self, data: bytes | bytearray) -> bool:
        """To the next marker; False when it has not arrived."""
        while True:
            found = data.find(b"\xff", self._at)
            if found < 0 or found + 1 >= len(data):
                self._at = len(data) if found < 0 else found
                return False
            following = data[found + 1]
            if following == _STUFFING or following in _RESTARTS:
                self._at = found + 2
            elif following == 0xFF:  # fill bytes may stand before a marker
                self._at = found + 1
            else:
                self._at = found
                self._in_scan = False
                return True

    def _step(self, data: bytes | bytearray) -> int | None:
        """Past one marker and its segment: None to go on, 0 when more bytes are needed, else where the picture ends."""
        if self._at + 1 >= len(data):
            return 0
        if data[self._at] != 0xFF:
            raise NotAJpeg
        marker = data[self._at + 1]
        if marker == 0xFF:
            self._at += 1
            return None
        if marker == _EOI:
            return self._at + 2
        if marker == _SOI:
            raise NotAJpeg  # the next picture begins where this one is not over
        if marker == _TEM or marker in _RESTARTS:
            self._at += 2
            return None
        if self._at + 3 >= len(data):
            return 0
        length = data[self._at + 2] << 8 | data[self._at + 3]
        if length < 2 or marker == _STUFFING:
            raise NotAJpeg
        if self._at + 2 + length > len(data):
            return 0
        self._at += 2 + length
        self._in_scan = marker == _SOS
        return None
