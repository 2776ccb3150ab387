"""Reading bits: fixed-length and Exp-Golomb codes (ITU-T H.264 clauses 7.2, 9.1), as video and AAC headers use them."""

from typing import Final

_MAX_LEADING_ZEROS: Final = 32  # ue(v) codes are at most 65 bits long


class InvalidBitstream(ValueError):
    """Bytes that are not what their NAL unit type promises."""


def unescape(nal_unit: bytes) -> bytes:
    """The NAL unit without emulation prevention bytes (clause 7.4.1.1): `00 00 03` becomes `00 00`."""
    if b"\x00\x00\x03" not in nal_unit:
        return nal_unit
    parts = nal_unit.split(b"\x00\x00\x03")
    # A part that starts right after an escape never takes part in the next one: split() already moved past it.
    return b"\x00\x00".join(parts)


class BitReader:
    """Reads big-endian bits; raises InvalidBitstream at the end of the data."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def bits(self, count: int) -> int:
        """u(n)"""
        if count > self._left:
            raise InvalidBitstream("the parameter set ends too early")
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def flag(self) -> bool:
        """u(1)"""
        return self.bits(1) == 1

    def ue(self, limit: int = (1 << 32) - 2) -> int:
        """ue(v), at most `limit`."""
        zeros = 0
        while not self.flag():
            zeros += 1
            if zeros > _MAX_LEADING_ZEROS:
                raise InvalidBitstream("an Exp-Golomb code is too long")
        value = (1 << zeros) - 1 + (self.bits(zeros) if zeros else 0)
        if value > limit:
            raise InvalidBitstream(f"{value} where at most {limit} is allowed")
        return value

    def se(self) -> int:
        """se(v)"""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)
